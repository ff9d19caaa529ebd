"""The straight way of a token: a read that is one chunk with one usual token in it is written on as one chunk.

What lies between the two sockets otherwise (the parser of chunks, the exchange, the relay, the decoder, the face, the framing) has
seen a token of this shape before, and need not be asked about one that differs in its text. Most of what a stream costs is spent here.

Laws: what is written is what all of them would have made of the same bytes, and the same is counted; whatever is new, odd, cut, joined
with another, or not wanted now is left to them, and then nothing has happened. It is open only between two chunks, with nothing held
back anywhere, while the relay's loop sleeps and the client keeps up; whoever knows that one of these is over shuts it.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Protocol

from llm_proxy.relay.tally import Tally
from llm_proxy.relay.upstream import Way
from llm_proxy.upstreams.in_front import InFront
from llm_proxy.wire.plain_text import is_text
from providers.base import StreamDecoder

#: A chunk that has more bytes, with its size and the line ends, is no usual token.
_MOST = 1024
#: What precedes a chunk's bytes, by how many these are.
_LINES = [b"%x\r\n" % size for size in range(2 * _MOST)]
#: The same, and how many these are, by the bytes of the whole chunk; where no chunk has so many, what none begins with.
_CHUNKS = [(b"-", 0)] * _MOST
for _size in range(1, _MOST - len(b"???\r\n\r\n")):
    _CHUNKS[len(_LINES[_size]) + _size + len(b"\r\n")] = _LINES[_size], _size
#: One token in so many is timed, less one.
_TIMED = 15


class Client(Protocol):
    """Who reads the answer."""

    def straight(self, way: InFront) -> Callable[[bytes], object] | None:
        """What writes chunks as they are, if none has to wait; ``way`` is shut as soon as one would. Else None."""


class StraightWay(Way):
    """That of one stream."""

    __slots__ = ("_client", "_decoder", "_grown", "_head", "_tally", "write")

    def __init__(self, client: Client, decoder: StreamDecoder, tally: Tally) -> None:
        super().__init__()
        self._client = client
        self._decoder = decoder
        self._tally = tally
        #: What is written before a token's text, and how much longer the chunk becomes.
        self._head = b""
        self._grown = 0
        self.received = 0
        #: None: shut.
        self.write: Callable[[bytes], object] | None = None

    def open(self) -> None:
        if self._grown <= _MOST:
            self.write = self._client.straight(self)

    def shut(self) -> None:
        self.write = None

    def lead(self, known: tuple[bytes, bytes], head: bytes) -> None:
        """Tokens are ``StreamDecoder.known`` from now on; ``head`` is written before their texts. It is shut."""
        raise NotImplementedError


class Alike(StraightWay):
    """Of tokens that are written as they came, but for what precedes their texts."""

    __slots__ = ("_after", "_before", "_told")

    def __init__(self, client: Client, decoder: StreamDecoder, tally: Tally) -> None:
        super().__init__(client, decoder, tally)
        #: How many events there were when it was opened; less than nothing: the decoder knows of all.
        self._told = -1

    def lead(self, known: tuple[bytes, bytes], head: bytes) -> None:
        self._before, self._after = known[0], known[1] + b"\r\n"
        self._head, self._grown = head, len(head) - len(known[0])

    def open(self) -> None:
        super().open()
        self._told = self._tally.events

    def data_received(self, data: bytes) -> None:
        if (write := self.write) is not None:
            began, size = perf_counter(), len(data)
            try:
                front, body = _CHUNKS[size]
                rest = data.removeprefix(front + self._before)
                text = rest.removesuffix(self._after)
                if text is not rest and rest is not data and (text.lstrip(b" ").isalnum() or is_text(text)):
                    write(_LINES[body + self._grown] + self._head + rest)
                    self.received += body
                    tally = self._tally
                    tally.last_event_at = began
                    tally.events = events = tally.events + 1
                    if not events & _TIMED:
                        tally.own_seconds += (perf_counter() - began) * (_TIMED + 1)
                    return
            except Exception:  # noqa: BLE001, S110 - too large, or nobody to be written to: the others find that too
                pass
            self.write = None
        if self._told >= 0:
            self._decoder.passed(self._tally.events - self._told)
            self._told = -1
        self.behind.data_received(data)


class Recognised(StraightWay):
    """Of tokens that the decoder makes those of another dialect."""

    __slots__ = ()

    def lead(self, known: tuple[bytes, bytes], head: bytes) -> None:
        self._head, self._grown = head, len(head)

    def data_received(self, data: bytes) -> None:
        if (write := self.write) is not None:
            began = perf_counter()
            try:
                front, body = _CHUNKS[len(data)]
                at = len(front)
                if data[:at] == front and data[-2:] == b"\r\n" and (rest := self._decoder.usual(data[at:-2])):
                    write(_LINES[self._grown + len(rest)] + self._head + rest + b"\r\n")
                    self.received += body
                    tally = self._tally
                    tally.last_event_at = began
                    tally.events = events = tally.events + 1
                    if not events & _TIMED:
                        tally.own_seconds += (perf_counter() - began) * (_TIMED + 1)
                    return
            except Exception:  # noqa: BLE001, S110 - as above
                pass
            self.write = None
        self.behind.data_received(data)
