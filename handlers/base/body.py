"""The body of a request: it is kept as it comes, within limits of size, memory and pace, taken once, unpacked and read.

Laws: what is held is counted, and given back whichever way the request ends; a body that goes on may take its time; work that
is much is done beside the loop, and ends with its client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

from pydantic import BaseModel

from handlers.base.gateway import Gateway
from llm_proxy.clients.application import Request
from llm_proxy.clients.connection import ClientConnection
from llm_proxy.clients.tornado_internals import LeanRequestHandler
from llm_proxy.clients.unpacking import ManyParts, unpacked
from llm_proxy.errors import (
    ClientGone,
    GatewayError,
    InvalidJson,
    RequestTimeout,
    RequestTooLarge,
    UnsupportedMedia,
)
from llm_proxy.live.access.cost import BYTES, LITTLE, tokens_of
from llm_proxy.live.access.values import Grant
from llm_proxy.net.pace import Pace
from llm_proxy.wire.strict_json import JsonProblem, parse_object, values

T = TypeVar("T")

#: What is done with bodies and answers from this size on is done beside the loop (``llm_proxy.relay.offload``): reading,
#: judging, translating and writing a dense one of this size takes some 30 ms.
OFF_LOOP = 64 * 1024
#: A smaller body too, if it seems to hold so many values, since it is those that cost: some 2 ms if each of them is wrong. The
#: look takes some 5 us for a chat of 20 KiB, whose reading takes 100 and more.
_DENSE = 2000
#: What an object, a list, and any value take in memory beside their bytes, as a body of so many: a short message takes some 1.5 KB
#: in all, an empty list 90 bytes, a short name or text 70, and a body counts ``COST`` times.
_OBJECT, _LIST, _VALUE = 440, 10, 24
#: How many gzip members or zstd frames are begun on the loop: each costs some 50 us.
_FEW_PARTS = 8
#: Bytes that are looked through at once.
_STEP = 1 << 20
#: Pieces of a body below this size are put together as they come.
_SMALL = 4096
#: Bytes of a body that must come in a second, over the whole of ``body_timeout``; Apache's MinRate (mod_reqtimeout).
LEAST_RATE = 500


class BodyHandler(LeanRequestHandler):
    """What reads a request's body, for ``BaseHandler``, which begins it and says what becomes of a failure."""

    # What is looked at several times for each request. (A default on the class takes ten times as long to read.)
    __slots__ = ("_body_timer", "_cut", "gone", "grant")

    request: Request  # which is what our application makes
    gateway: Gateway
    connection: ClientConnection
    #: What the key may that came with the request; None: there are no keys, or nobody asks for one here.
    grant: Grant | None
    #: About how many tokens the body is, where there are keys.
    tokens = 0
    #: How the body comes, while it does.
    _pace: Pace
    #: Whether a small body is worth going beside the loop.
    _dense = False
    #: Whether the body, which has been taken, is worth no other thread.
    _light = True
    #: How the body is compressed, once that is known to be something that can be undone.
    _codings: tuple[str, ...] = ()
    #: The pieces that have come, and how many bytes they are.
    _chunks: list[bytes | bytearray]
    _size = 0
    #: Bytes of bodies that count as held for this request.
    _held = 0
    _body_timer: asyncio.TimerHandle | None
    #: What was made of a large body: it is thrown away beside the loop.
    _large: list[Any] = []
    #: Work on the body or the answer that is done beside the loop.
    _job: asyncio.Future[Any] | None = None
    #: Set when the client has left (or we have cut it off), so that the log says 499 and nobody writes.
    gone: bool
    _cut: bool
    #: True while the body has not been taken by a method; and when it was (``perf_counter`` seconds).
    _reading: bool
    body_at: float

    def refuse(self, error: GatewayError) -> None:
        """Answer ``error`` although the body may not have been read."""
        raise NotImplementedError

    def data_received(self, chunk: bytes) -> None:
        """The next bytes of the body; the first may come before ``prepare``."""
        if self._cut:
            return
        gateway, size = self.gateway, len(chunk)
        self._size += size
        limit = gateway.settings.max_body_size
        if self._size > limit:
            self.refuse(RequestTooLarge(f"the body must not be larger than {limit} bytes"))
        elif not gateway.memory.take(size):
            self.refuse(gateway.memory.refusal())
        else:
            self._held += size
            if self._chunks:
                self._keep(chunk)
            else:
                self._chunks.append(chunk)

    def _keep(self, chunk: bytes) -> None:
        """In as few pieces as need be: each costs some forty bytes more."""
        chunks = self._chunks
        if len(chunk) >= _SMALL or not chunks:
            chunks.append(chunk)
        elif type(chunks[-1]) is bytearray:
            chunks[-1] += chunk
        else:
            chunks.append(bytearray(chunk))

    def hold(self, size: int) -> None:
        """So many bytes more of bodies are in memory for this request. Raises ``Overloaded``."""
        if not self.gateway.memory.take(size):
            raise self.gateway.memory.refusal()
        self._held += size

    def let_go(self, size: int) -> None:
        """So many are not any more."""
        self._held -= size
        self.gateway.memory.give_back(size)

    def release(self) -> None:
        if self._held:
            self._chunks.clear()
            if self._light or not self._large:
                self.let_go(self._held)
                return
            # What is counted is counted until it is gone.
            gone = partial(self.gateway.memory.give_back, self._held)
            self.gateway.offload.let_go(self._large, gone)
            self._large, self._held = [], 0

    def _look_again(self) -> None:
        """Look at the body's pace, from time to time."""
        loop = asyncio.get_running_loop()
        self._body_timer = loop.call_later(self._pace.interval, self._look_at_body)

    def _look_at_body(self) -> None:
        """The body timer: a body that goes on may take its time, for one that does not answer and close."""
        if self._pace.stalled(self._size):
            seconds = self.gateway.settings.body_timeout
            text = f"less than {LEAST_RATE} bytes a second of the body have come for {seconds:g} s"
            self.refuse(RequestTimeout(text))
        else:
            self._look_again()

    @property
    def light(self) -> bool:
        """Whether the body is worth no other thread."""
        return self._light

    def cancel_timer(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def now(self) -> float:
        """Loop time, in seconds."""
        return asyncio.get_running_loop().time()

    def body(self) -> bytes:
        """The whole request body as it came, once: it is not kept here."""
        return _joined(self._pieces())

    def _pieces(self) -> list[bytes | bytearray]:
        self._reading = False
        self.body_at = perf_counter()
        self.cancel_timer()
        chunks, self._chunks = self._chunks, []
        self._light = self._size < OFF_LOOP
        return chunks

    async def plain_body(self) -> bytes:
        """The same, unpacked: beside the loop unless that is little work. Raises ``RequestTooLarge`` or
        ``RequestError``."""
        chunks, codings = self._pieces(), self._codings
        # Megabytes are put together beside the loop too: of several at once nobody waits for all.
        large = self._size >= _STEP
        data = await self.offloaded(self._size, _joined, chunks) if large else _joined(chunks)
        del chunks
        if not codings:
            return data
        limit = self.gateway.settings.max_body_size
        try:
            if len(data) > OFF_LOOP:
                raise RequestTooLarge("for the loop")
            data = unpacked(data, codings, min(OFF_LOOP, limit), _FEW_PARTS)
        except (RequestTooLarge, ManyParts):
            data = await self.offloaded(max(len(data), OFF_LOOP), unpacked, data, codings, limit)
        self.hold(len(data) - self._size)
        self._size = len(data)
        self._light = self._size < OFF_LOOP
        return data

    async def _weigh(self, data: bytes) -> None:
        self.tokens = await self.beside(tokens_of, data)

    async def json_body(self) -> dict[str, Any]:
        """The body as a JSON object. Raises ``InvalidJson``, ``UnsupportedMedia``, and as ``plain_body`` does."""
        if self._codings or self._size >= OFF_LOOP:
            data = await self.plain_body()
        else:
            data = self.body()  # nearly always
        if self.grant is not None:
            size = len(data)
            if size < LITTLE:
                self.tokens = size // BYTES
            else:
                await self._weigh(data)
        kind = self.request.headers.get("Content-Type", "").lower()
        if kind.startswith("multipart/"):
            raise UnsupportedMedia("the body must be JSON (Content-Type: application/json)")
        if len(data) > 2 * _DENSE:  # a value and its comma
            self._dense = values(data) > _DENSE
        try:
            self._light = self._size < OFF_LOOP and not self._dense
            if self._light:
                return parse_object(data)
            body, more = await self.offloaded(self._size, _read, data)
        except JsonProblem as problem:
            raise InvalidJson(str(problem)) from problem
        self._large = [body]
        self.hold(more)
        return body

    async def beside(self, work: Callable[..., T], *arguments: Any) -> T:
        """``work(*arguments)``, a step of what is done with the request's body: beside the loop if that is large. Raises
        what it raises, ``Overloaded``, or ``ClientGone``: nobody waits for the next step then."""
        if self._light:
            return work(*arguments)
        result = await self.offloaded(self._size, work, *arguments)
        if isinstance(result, BaseModel):
            self._large = [*self._large, result]
        return result

    async def offloaded(self, size: int, work: Callable[..., T], *arguments: Any, paid: bool = False) -> T:
        """The same for work on ``size`` bytes, however few; ``paid``: of an answer."""
        if self.gone and not paid:
            raise ClientGone("the client left before its request was read")
        self._job = job = self.gateway.offload.run(self.connection, size, work, *arguments, paid=paid)
        try:
            return await job
        finally:
            self._job = None
            del job  # it holds what was raised, whose traceback holds this frame: no ring

    def _give_up_job(self) -> None:
        """The client has left: what has not begun is never done, and the step after that which has is not either."""
        if self._job is not None and not self._job.done():
            self._job.set_exception(ClientGone("the client closed its connection"))


def _joined(chunks: list[bytes | bytearray]) -> bytes:
    if len(chunks) == 1 and type(chunks[0]) is bytes:
        return chunks[0]
    return b"".join(chunks)


def _read(data: bytes) -> tuple[dict[str, Any], int]:
    """The object in ``data``, and about what it takes beside its bytes, as a body of so many. Raises ``JsonProblem``."""
    more = 0
    for at in range(0, len(data), _STEP):
        end = at + _STEP
        more += data.count(b"{", at, end) * _OBJECT + data.count(b"[", at, end) * _LIST
        more += data.count(b",", at, end) * _VALUE
    return parse_object(data), more
