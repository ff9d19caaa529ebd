"""Bytes to events to bytes: how one upstream answer becomes one client answer.

Laws: one task reads, decides and writes, and awaits every write. Success is only what the upstream itself declared
complete: its terminator was seen and its HTTP body ended whole. Before anything was written a failure is raised and
keeps its status; afterwards it is one error event and a visible cut, never a clean end. The clocks ``first_byte`` and
``idle`` watch events, because servers send headers and comments long before they have a token; they stand still while
a slow client makes us pause.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol, TypeVar

from llm_proxy.errors import UpstreamError
from llm_proxy.faces.face import Face
from llm_proxy.relay.assemble import collect, explode
from llm_proxy.relay.clock import Clock
from llm_proxy.relay.continuity import Continuity
from llm_proxy.relay.first_token_buffer import FirstTokenBuffer
from llm_proxy.relay.passed_on import CHUNK, expressed, passed_on
from llm_proxy.relay.reading import LINGER, is_event_stream, read_answer, read_whole, refuse_errors
from llm_proxy.relay.straight_way import Alike, Client, Recognised, StraightWay
from llm_proxy.relay.tally import Tally
from llm_proxy.relay.transcript import Transcript
from llm_proxy.relay.upstream import PORTION, Exchange, Head
from llm_proxy.wire.answers.reader import AnswerReader
from llm_proxy.wire.calls import Deployment, NativeRequest
from llm_proxy.wire.events import ChatResponse, Chunk, Comment, Done, Event, Failed
from llm_proxy.wire.schema import ChatRequest
from providers.base import Adapter, StreamDecoder

T = TypeVar("T")


#: How many bytes are worked on at once where tokens are known, of which each costs a tenth of one that has to be decoded.
_USUAL = 4 * PORTION


class Sink(Protocol):
    """The client's side of a streamed answer, as the handler provides it."""

    @property
    def begun(self) -> bool:
        """Whether the status line is out."""

    async def send(self, data: bytes) -> None:
        """Begin the answer if need be, write, and return when the client's socket has taken it."""

    @property
    def offer(self) -> Callable[[bytes], bool]:
        """Writes to an answer that has begun, if that needs no waiting. False: nothing was written."""

    @property
    def client(self) -> Client | None:
        """Who reads an answer that has begun; None where tokens cannot go straight to it."""


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Seconds of silence before the answer is begun with a keep-alive, and between keep-alives."""

    after: float = 10.0
    interval: float = 15.0


#: So many bytes are never worth another thread.
LITTLE = 16 * 1024


async def _at_once(size: int, work: Callable[..., T], *arguments: Any) -> T:
    return work(*arguments)


@dataclass(slots=True)
class Relay:
    """One chat answer on its way from a deployment to a client."""

    exchange: Exchange
    provider: Adapter
    request: ChatRequest | NativeRequest
    deployment: Deployment
    face: Face
    tally: Tally
    keep_alive: KeepAlive = KeepAlive()
    #: How a step of the work on so many bytes of a whole answer is done: beside the loop if that is much.
    worked_out: Callable[..., Awaitable[Any]] = _at_once
    #: Told when the first token of a stream is about to be sent: until then nothing of it is, so that another upstream may
    #: still be asked. None: it is sent as it comes.
    first_token: Callable[[], None] | None = None
    #: What remembers the answer, so that another upstream may go on with it.
    continuity: Continuity | None = None
    #: What notes the texts of a stream.
    transcript: Transcript | None = None
    #: Whether the request is much: what goes by it, however short the answer, is done beside the loop.
    much: bool = False

    async def whole(self) -> ChatResponse:
        """The complete answer of a call that does not stream. Raises ``GatewayError``."""
        async with self.exchange as exchange:
            head, body = await read_answer(exchange, self.provider, self.deployment.timeouts)
            return await self.collected(head, body)

    async def collected(self, head: Head, body: bytes) -> ChatResponse:
        """What ``body`` says, which has come whole; it is counted. Raises ``GatewayError``."""
        began = perf_counter()
        response: ChatResponse
        if len(body) < LITTLE and not self.much:
            response = self._collected(head, body)
        else:
            response = await self.worked_out(len(body), self._collected, head, body)
        self.tally.whole(response.data, began)
        return response

    def stream(self, sink: Sink) -> Coroutine[Any, Any, None]:
        """Relay a streamed answer into ``sink``, terminator included.

        Raises ``GatewayError``; whether the client has seen anything by then, ``sink.begun`` tells.
        """
        if self.much:
            return self._stream_of_much(sink)
        return _Stream(self, self.exchange, sink, self.provider.stream_decoder(self.request)).run()

    async def _stream_of_much(self, sink: Sink) -> None:
        decoder = await self.worked_out(0, self.provider.stream_decoder, self.request)
        await _Stream(self, self.exchange, sink, decoder).run()

    def _collected(self, head: Head, body: bytes) -> ChatResponse:
        """A whole answer, also from a server that streams although it was not asked to."""
        if not is_event_stream(head):
            response = self.provider.chat_response(body, self.request)
            return self._read(response) if self.face.translates else response
        decoder = self.provider.stream_decoder(self.request)
        events = self.reader().events([*decoder.feed(body), *closed(decoder, self.exchange)])
        if isinstance(events[-1], Failed):
            raise events[-1].error
        self.tally.other_form = True
        return ChatResponse(collect([event.data for event in events if isinstance(event, Chunk)]))

    def reader(self) -> AnswerReader:
        """What reads the answer for whoever does not relay its bytes."""
        asked = self.request.sent.get("n") or self.deployment.options.get("n")
        # In an API of another form nobody here knows how many answers there are to be.
        several = isinstance(self.request, NativeRequest) or (type(asked) is int and asked > 1)
        return AnswerReader(alone=not several, pictures=self.face.pictures)

    def _read(self, response: ChatResponse) -> ChatResponse:
        """A whole answer in the canonical form."""
        return ChatResponse(collect(self.reader().whole(response.data)))


def _never(data: bytes) -> bool:
    return False


class _Stream:
    """The loop of one streamed answer; see ``Relay.stream``.

    The loop sleeps between two arrivals. The usual one, chunks for a client that keeps up, is relayed by ``_push``
    without waking it; whatever needs a decision or a pause is left to the loop.
    """

    __slots__ = (
        "canonical",
        "clock",
        "decoder",
        "done",
        "exchange",
        "face",
        "fault",
        "head",
        "heard_at",
        "known",
        "left",
        "left_at",
        "left_written",
        "loop",
        "offer",
        "own_seconds",
        "patient",
        "reader",
        "relay",
        "seen_at",
        "silent_until",
        "sink",
        "tally",
        "way",
        "withheld",
    )

    def __init__(self, relay: Relay, exchange: Exchange, sink: Sink, decoder: StreamDecoder) -> None:
        self.relay = relay
        self.exchange = exchange
        self.sink = sink
        #: The sink's, as it was after the newest write.
        self.offer = sink.offer
        self.face = relay.face
        self.canonical = relay.face.canonical
        #: What was not sent because there is no token yet.
        self.withheld: FirstTokenBuffer | None = None
        if relay.first_token is not None:
            self.withheld, self.offer = FirstTokenBuffer(), _never
            #: Whether the loop wakes for a keep-alive before ``idle`` is over, which begins with the first event: then that event
            #: need not wake it.
            alive = relay.keep_alive
            self.patient = alive.after <= relay.deployment.timeouts.idle >= alive.interval
        reader: AnswerReader | Continuity | None = relay.reader() if relay.face.translates else None
        #: The shape of a usual token (``StreamDecoder.known``), and what the face writes before its text, as it was after the newest
        #: write; None if it has to be asked about each.
        self.known: tuple[bytes, bytes] | None = None
        self.head: bytes | None = None
        if relay.continuity is not None:
            reader, self.canonical = relay.continuity.over(reader), False  # type: ignore[arg-type]
        self.reader: AnswerReader | Continuity | Transcript | None = reader
        if relay.transcript is not None:
            self.reader, self.canonical = relay.transcript.over(reader), False
        self.way: StraightWay | None = None
        self.decoder = decoder
        self.loop = exchange.loop
        self.clock = Clock(exchange, relay.deployment.timeouts)
        #: When the next keep-alive is due, as it was when the loop last slept (loop time).
        self.silent_until = exchange.started_at + relay.keep_alive.after
        #: When the newest event had been written for which the loop was awake, and the newest that the clocks know of
        #: (``perf_counter``).
        self.heard_at = self.seen_at = 0.0
        #: Kept up to date, for whoever looks on.
        self.tally = relay.tally
        self.own_seconds = 0.0
        #: Events that ``_push`` could not relay, what the face has written for them, if it was asked (a second time it
        #: would tell them as new ones), and when work on them began; or what ``_push`` raised.
        self.left: Sequence[Event] = ()
        self.left_written: bytes | None = None
        self.left_at = 0.0
        self.fault: Exception | None = None
        #: The upstream's terminator, once it came.
        self.done = Done()

    async def run(self) -> None:
        # One frame, and not one for each of these steps: it is there as long as the stream, and each time that it is woken
        # goes through all that are there.
        exchange = self.exchange
        try:
            exchange.begin()
            head = await self._head()
            await refuse_errors(exchange, self.relay.provider, head, self.clock)
            if not (self.decoder.takes_documents or is_event_stream(head)):
                await self._as_stream(head)
                return
            self._retell()
            exchange.direct = self._push
            while True:
                if self.left or exchange.news or self.fault is not None:
                    if await self._step():
                        break
                else:
                    self._set_clocks()
                    if not await exchange.wait(min(self.clock.deadline(), self.silent_until)):
                        await self._in_silence()
            await self._whole_body()
            await self._end(expressed(self.face.ending, self.done))
        finally:
            self.tally.own_seconds += self.own_seconds
            exchange.leave()

    async def _head(self) -> Head:
        while (head := self.exchange.head) is None:
            if self.exchange.failure is not None:
                raise self.exchange.failure
            await self._pause()
        return head

    async def _step(self) -> bool:
        """Relay what is there. True when the upstream's terminator was among it."""
        exchange = self.exchange
        if self.left:
            events, self.left = self.left, ()
            return await self._relay(events, self.left_at, self.left_written)
        if self.fault is not None:
            raise self.fault
        portion = PORTION if self.head is None else _USUAL
        if data := exchange.take(portion):
            began = perf_counter()
            if self.canonical:
                events, written = passed_on(self.decoder, self.face, data)
                self._retell()
                ended = await self._relay(events, began, written)
            else:
                ended = await self._relay(self._read(self.decoder.feed(data), began), began)
            if len(data) == portion:  # there is more: others have their turn before
                await asyncio.sleep(0)
            return ended
        if exchange.failure is not None:
            raise exchange.failure
        began = perf_counter()
        if not await self._relay(self._read(closed(self.decoder, exchange), began), began):
            raise UpstreamError("the upstream ended its stream early", phase="body", kind="no_terminator")
        return True

    def _read(self, events: Sequence[Event], began: float) -> Sequence[Event]:
        if self.reader is None or not events:
            return events
        if not (read := self.reader.events(events)):
            self._heard(began)  # what tells the client nothing new is a sign of life all the same
        return read

    async def _pause(self) -> None:
        """Wait for the upstream; keep the client's connection alive meanwhile. Raises ``UpstreamTimeout``."""
        self._set_clocks()
        if not await self.exchange.wait(min(self.clock.deadline(), self.silent_until)):
            await self._in_silence()

    async def _in_silence(self) -> None:
        """Nothing has come until now: is that a fault, or must the client hear something? Raises ``UpstreamTimeout``."""
        self._set_clocks()
        self.clock.check()
        if self.loop.time() >= self.silent_until:
            await self._send(self.face.keep_alive())
            self.silent_until = self.loop.time() + self.relay.keep_alive.interval

    def _set_clocks(self) -> None:
        """By the newest event. Not done for each of them: a token is to touch as little as possible."""
        newest = max(self.heard_at, self.tally.last_event_at or 0.0)
        if newest > self.seen_at:
            self.seen_at = newest
            heard_at = self.loop.time() - (perf_counter() - newest)
            self.clock.last_event = heard_at
            self.silent_until = heard_at + self.relay.keep_alive.interval

    async def _send(self, data: bytes) -> None:
        await self.sink.send(data)
        if self.withheld is None:
            self.offer = self.sink.offer
        self._retell()

    def _retell(self) -> None:
        """The face has written something: what it writes for usual tokens may have changed."""
        decoder, face = self.decoder, self.face
        known = decoder.known if self.canonical else None
        if known is None:
            self.head = None
        elif decoder.canonical:
            self.head = known[0] if face.retold is None else face.retold_head(*known)
        elif known is not self.known:
            self.head = face.written_head(*known)
        self.known = known
        if self.way is not None and known is not None and self.head is not None:
            self.way.shut()
            self.way.lead(known, self.head)

    async def _end(self, data: bytes) -> None:
        """Send the end of the answer, which may have had no token. Raises ``UpstreamError`` if it is none: neither a token nor
        a reason for its end."""
        nothing = not self.tally.events or (self.withheld is not None and not self.withheld.token)
        if nothing and self.done.raw is None:
            text = "the upstream ended its stream without an answer"
            raise UpstreamError(text, phase="body", kind="no_answer")
        await self._send(data if self.withheld is None else self._released(self.withheld) + data)

    def _released(self, withheld: FirstTokenBuffer) -> bytes:
        """All that was withheld: from now on the answer is sent as it comes."""
        if (told := self.relay.first_token) is not None:
            told()
        self.withheld = None
        return withheld.rest()

    def _push(self, data: bytes) -> bool:
        """``Exchange.direct``: relay what has come while the loop sleeps; false wakes the loop."""
        began = perf_counter()
        try:
            offer = self.offer
            if self.head is not None and (rest := self.decoder.usual(data)):
                plain = self.head + rest
                if offer(plain):
                    tally = self.tally
                    tally.events += 1
                    tally.last_event_at = began
                    if self.way is None:
                        self._go_straight()
                    else:
                        self.way.wanted = True
                    self.own_seconds += perf_counter() - began
                    return True
                # Nobody asks what is in it, since what is to be written for it is known.
                self.left, self.left_written, self.left_at = (CHUNK,), plain, began
                return False
            written = None
            if self.canonical and data.find(b"\n\n") < len(data) - 2:
                events, written = passed_on(self.decoder, self.face, data)
            else:  # one event at most
                events = self._read(self.decoder.feed(data), began)
            if not events:
                return True
            if type(events[-1]) is Chunk and (
                len(events) == 1 or all(type(event) is Chunk for event in events)
            ):
                if written is None:
                    written = expressed(self.face.events, events)  # type: ignore[arg-type]  # all of them are chunks
                if (withheld := self.withheld) is None:
                    self._retell()
                    if not written or offer(written):
                        self._count(events, began)
                        return True
                elif self.patient:
                    # A usual token is known as soon as there was one.
                    known = self.canonical and self.decoder.known is not None
                    if withheld.keeps(events, written, known=known):  # type: ignore[arg-type]  # all of them are chunks
                        self._count(events, began)
                        return True
                    written = self._released(withheld) + written  # which the loop sends
        except Exception as error:  # noqa: BLE001 - the loop raises it, where it can be told to the client
            self.fault = error
            return False
        self.left, self.left_written, self.left_at = events, written, began
        return False

    def _go_straight(self) -> None:
        """A usual token was relayed: the next may go the straight way."""
        client, known, head = self.sink.client, self.known, self.head
        if client is not None and known is not None and head is not None:
            kind = Alike if self.decoder.canonical else Recognised
            self.way = kind(client, self.decoder, self.tally)
            self.way.lead(known, head)
            self.exchange.go_straight(self.way)

    def _count(self, events: Sequence[Event], began: float) -> None:
        """``events`` were relayed: note what the log wants to know."""
        tally = self.tally
        counted = 0
        for event in events:
            if type(event) is Chunk:
                counted += 1
                if usage := event.data.get("usage"):
                    tally.usage = usage
        if counted:
            tally.events += counted
            if tally.first_event_at is None:
                tally.first_event_at = began
            self._heard(began)
        else:
            self.own_seconds += perf_counter() - began

    def _heard(self, began: float) -> None:
        """Chunks that were worked on since ``began`` (``perf_counter``) are relayed."""
        self.tally.last_event_at = began
        # Taken after the write: time that a slow client cost is not the upstream's idle time.
        self.heard_at = now = perf_counter()
        self.own_seconds += now - began

    async def _relay(self, events: Sequence[Event], began: float, written: bytes | None = None) -> bool:
        """Write what arrived together at once. True when the upstream's terminator was among it. ``began``: when work
        on these events did; ``written``: what the face has already made of them."""
        if not events:
            return False
        last = events[-1]
        ending = isinstance(last, (Done, Failed))
        body: Sequence[Any] = events[:-1] if ending else events
        if body and (self.sink.begun or any(type(event) is Chunk for event in body)):
            said = expressed(self.face.events, body) if written is None else written
            if self.withheld is not None:
                known = self.known is not None
                if self.withheld.keeps(body, said, known=known):
                    said = b""
                else:
                    said = self._released(self.withheld) + said
            if said:  # else nothing is lost yet: a failure could still have a status of its own
                await self._send(said)
        self._count(body, began)
        if isinstance(last, Failed):
            raise last.error
        if isinstance(last, Done):
            self.done = last
        return ending

    async def _whole_body(self) -> None:
        """After the terminator: the HTTP body must end whole too; a cut there means that something was lost."""
        limit = self.loop.time() + LINGER
        while not self.exchange.ended:
            self.exchange.take()
            if self.exchange.failure is not None:
                raise self.exchange.failure
            if not await self.exchange.wait(limit):
                return

    async def _as_stream(self, head: Head) -> None:
        """A server that answers with one JSON object although a stream was asked for."""
        body = await read_whole(self.exchange, self.clock)
        began = perf_counter()
        relay = self.relay
        response = await relay.worked_out(len(body), relay.provider.chat_response, body, relay.request)
        self.relay.tally.other_form = True
        reader = self.reader
        if isinstance(reader, Transcript):
            reader = reader.heard(response.data)
        data = response.data if reader is None else collect(reader.whole(response.data))
        chunks: list[Chunk | Comment] = [Chunk(piece) for piece in explode(data)]
        await self._relay(chunks, began)
        await self._end(self.face.end())


def closed(decoder: StreamDecoder, exchange: Exchange) -> Sequence[Event]:
    """The last events of a body that has ended cleanly."""
    return decoder.close_framed() if exchange.framed else decoder.close()
