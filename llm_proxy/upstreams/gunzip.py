"""Gzip bodies, decoded as they arrive, for callers that asked for it.

Laws: the output of one input is bounded in size and, over the whole body, in its ratio to the input (a megabyte of
zeros compresses a thousandfold, text ten- to twentyfold); a cut or broken stream is an error, never a short answer.
"""

from __future__ import annotations

import zlib

from llm_proxy.net.faults import EncodingError

#: Output above this many bytes must not exceed ``MAX_RATIO`` times the input.
FREE = 1024 * 1024
MAX_RATIO = 100
_STEP = 256 * 1024


class Gunzip:
    """One body. Also takes several gzip members in a row (RFC 1952, section 2.2)."""

    __slots__ = ("_engine", "_in", "_out", "_started")

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._in = 0
        self._out = 0
        self._started = False

    def feed(self, data: bytes) -> bytes:
        """The decoded form of ``data``; may be empty. Raises ``EncodingError``."""
        self._in += len(data)
        parts: list[bytes] = []
        while data:
            if self._engine.eof:
                self._engine = zlib.decompressobj(16 + zlib.MAX_WBITS)
            try:
                part = self._engine.decompress(data, _STEP)
            except zlib.error as error:
                raise EncodingError("the body is not valid gzip", "body", "encoding") from error
            self._started = True
            self._out += len(part)
            if self._out > FREE and self._out > self._in * MAX_RATIO:
                raise EncodingError("the gzip body explodes", "body", "encoding")
            parts.append(part)
            data = self._engine.unconsumed_tail or self._engine.unused_data
        return b"".join(parts)

    def finish(self) -> None:
        """The input is at its end. Raises ``EncodingError`` if the stream is not."""
        if self._started and not self._engine.eof:
            raise EncodingError("the gzip body is cut off", "body", "encoding")
