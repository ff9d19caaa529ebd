"""The client's side of an answer: it is written whole or piece by piece, under a limit, and its end is told in the only way
that is left.

Laws: each write is awaited, under a limit that counts silence; a client that has left ends the upstream call at once, unless
the model says ``drain``: then the answer is read to its end and written to nobody. An answer that has begun is never finished
after a failure: it is cut.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Callable
from time import perf_counter
from typing import Any

from tornado.iostream import StreamClosedError

from handlers.base.body import OFF_LOOP
from handlers.base.handler import log
from handlers.base.redaction import conceal
from handlers.base.telling import TellingHandler, ms
from llm_proxy.errors import ClientGone, GatewayError, UpstreamAuth
from llm_proxy.net.pace import Pace
from llm_proxy.relay.straight_way import Client
from llm_proxy.relay.upstream import Exchange


def _not_yet(data: bytes) -> bool:
    return False


#: A large answer is written so many bytes at a time, as its client takes them: one copy of it is enough.
_PORTION = 256 * 1024


class DeliveringHandler(TellingHandler):
    """A ``Sink`` of the relay."""

    #: What the console shows of it, once somebody has looked.
    shown: dict[str, Any] | None = None
    _begun = False
    #: How long the upstream may go on without a client, in seconds; 0: not at all.
    _drain_seconds = 0.0
    #: Bytes of an answer of known length that are still to be written, and what the newest write gave.
    _owed: int | None = None
    _flushed: Future[None] | None = None

    @property
    def begun(self) -> bool:
        """Whether the status line is out (``Sink``)."""
        return self._begun

    # Not kept: a request with thirty attributes costs as much again as all of them.

    @property
    def offer(self) -> Callable[[bytes], bool]:
        """``Sink.offer``: the connection's own, once the answer has begun."""
        return self.connection.offer if self._begun else _not_yet

    @property
    def client(self) -> Client | None:
        """``Sink.client``, likewise."""
        return self.connection if self._begun else None

    async def send_whole(self, body: bytes) -> None:
        """Finish with ``body``; a large one waits for the client like a stream, and under the same limit."""
        if self.finish_small(body):
            return
        self._tell_limits()
        self._tell_attempts()
        self.answer_headers.put("Content-Length", str(len(body)))
        first = body[:_PORTION]
        self.write(first)
        self._begun = True
        self._owed = len(body) - len(first)
        await self._taken(self.flush())
        for at in range(_PORTION, len(body), _PORTION):
            await self.send(body[at : at + _PORTION])

    def finish_small(self, body: bytes) -> bool:
        """The same, without waiting; false if ``body`` is large: then nothing was done."""
        if len(body) > OFF_LOOP and not self.gone:
            return False
        self._tell_limits()
        self._tell_attempts()
        if not self.gone:
            self.finish(body)
        return True

    def drain_for(self, seconds: float) -> None:
        """If the client leaves, the upstream may go on for so long."""
        self._drain_seconds = seconds

    async def send(self, data: bytes) -> None:
        """``Sink.send``: begin the stream if need be, write, and wait until the socket has taken it.

        Without a client it raises ``ClientGone``, or does nothing if the upstream is to be drained.
        """
        if not self.gone:
            if self._owed is not None:
                self._owed -= len(data)
            await self._taken(self.connection.write(data) if self._begun else self._begin(data))
        elif self._drain_timer is None:
            raise ClientGone("the client closed its connection")

    async def _taken(self, flushed: Future[None]) -> None:
        """Wait until the client's socket has taken what was written, but not for ever: nothing else would ever notice
        that nobody reads. Raises as ``send`` does."""
        self._flushed = flushed
        try:
            if not flushed.done():
                began = perf_counter()
                done = await self._goes_on(flushed)
                self.client_seconds += perf_counter() - began
                self.facts["client_ms"] = ms(self.client_seconds)
                if not done:
                    flushed.cancel()
                    self.facts.update(ended_by="gateway", kind="write_timeout")
                    self.cut()
                    raise StreamClosedError  # what a write to it would raise from now on
            flushed.result()
        except StreamClosedError:
            self._client_left()
            if self._drain_timer is None:
                raise ClientGone("the client closed its connection") from None

    async def _goes_on(self, flushed: Future[None]) -> bool:
        """Wait for ``flushed``; false if the client has taken nothing for too long. One that reads steadily may be as slow
        as it likes."""
        connection = self.connection
        pace = Pace(self.gateway.settings.write_timeout, -connection.untaken)
        while not (await asyncio.wait({flushed}, timeout=pace.interval))[0]:
            if pace.stalled(-connection.untaken):
                return False
        return True

    def _begin(self, data: bytes) -> Future[None]:
        """Send the headers of a streamed answer together with its first bytes."""
        self._begun = True
        self._tell_limits()
        self._tell_attempts()
        self.stream_headers()
        # Node's fetch takes a cut body for a complete one if it saw "Connection: close"; the connection of a client
        # that asked for it is closed at the end all the same.
        self.connection.say_close = False
        self.write(data)
        return self.flush()

    def stream_headers(self) -> None:
        """What keeps proxies and browsers from holding back or re-coding a stream."""
        self.answer_headers.put("Content-Type", self.face.stream_type)
        self.answer_headers.put("Cache-Control", "no-cache, no-transform")
        self.answer_headers.put("X-Accel-Buffering", "no")

    async def _ended_badly(self, error: GatewayError) -> None:
        """Tell the client, if it is still there, in the only way that is left."""
        if self.upstream is not None:
            conceal(error, self.upstream)
        self.note_failure(error)
        if isinstance(error, UpstreamAuth) and self.tries is None and self._worth_a_line("auth"):
            log.error("an upstream rejects our key", extra={"provider": self.facts.get("provider")})
        if isinstance(error, ClientGone) or self.gone:
            self.gone = True
            if not self._cut:
                self.cut()
            return
        if not self._begun:
            self.clear()
            self._tell_limits(failed=True)
            self._tell_attempts(error)
            self.fail(error)
            return
        self.broken = error.status
        try:
            await self.send(self.face.failure(error, self.request_id))
        except ClientGone:
            return
        self.cut()

    def abort(self, reason: GatewayError) -> None:
        """``Running.abort``: close the upstream at once; the task that relays finds the reason and ends."""
        if self.exchange is not None:
            self.exchange.abort(reason)
        if self.tries is not None:
            self.tries.leave(reason)

    def begin_anew(self) -> None:
        """An attempt has failed, and nobody has heard of it but for keep-alives: the next one begins."""
        if not self._begun:
            self.clear()

    @property
    def streams(self) -> bool:
        """``Running.streams``."""
        return bool(self.facts.get("stream"))

    def on_connection_close(self) -> None:
        if self._delivered():
            return
        super().on_connection_close()
        if not self._cut:
            self._client_left()

    def _delivered(self) -> bool:
        """Whether the client's socket has taken the whole of an answer whose length it knew: then it may leave before
        we are through."""
        taken = self._flushed
        if self._owed != 0 or taken is None or not taken.done():
            return False
        return not taken.cancelled() and taken.exception() is None

    def _give_up_job(self) -> None:
        if not self._drain_seconds:  # then the answer is read to its end for the log
            super()._give_up_job()

    def _client_left(self) -> None:
        """Nobody reads the answer any more: end the upstream call, now or when it is drained."""
        if self._left_at is not None:
            return
        self.gone = True
        self._left_at = perf_counter()
        exchange = self.exchange
        reason = ClientGone("the client closed its connection")
        if self.tries is not None and (exchange is None or exchange.over):
            self.tries.leave(reason)  # it waits for an upstream
        if exchange is None:
            return
        self.facts.setdefault("ended_by", "client")
        self.facts["phase"] = exchange.phase
        if self._may_drain(exchange):
            loop = asyncio.get_running_loop()
            self._drain_timer = loop.call_later(self._drain_seconds, self.abort, reason)
            self.facts["drained"] = False
            self.gateway.drained.add(self)
            exchange.yield_slot()
        else:
            self.abort(reason)

    def _may_drain(self, exchange: Exchange) -> bool:
        """Whether the call goes on without its client: the model says so, it was sent, and not too many do."""
        wanted = self._drain_seconds and exchange.connected_at is not None and not exchange.over
        return bool(wanted) and len(self.gateway.drained) < self.gateway.settings.drained_calls
