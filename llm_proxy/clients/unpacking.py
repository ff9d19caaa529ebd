"""Bodies of requests that came compressed (``Content-Encoding``; RFC 9110, section 8.4), unpacked.

Laws: pure; the result is bounded in size and in its ratio to what came, and nothing is inflated beyond either bound: what
a bomb costs is a few megabytes. A body that is broken, cut off, or followed by something else is refused, never read in part.
Which requests are unpacked, and on which thread, is not known here.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Protocol

from llm_proxy.errors import RequestError, RequestTooLarge, UnsupportedMedia

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: What is understood, as a 415 names it.
ACCEPTED = "gzip, deflate, zstd"
#: Output above this many bytes must not exceed ``MAX_RATIO`` times the input: text gets ten to twenty times shorter.
FREE = 4 * 1024 * 1024
MAX_RATIO = 100
#: Codings on one body, and gzip members or zstd frames in it: nobody needs more, and each costs something.
_MAX_CODINGS = 3
_MAX_MEMBERS = 1024
_STEP = 64 * 1024
#: The largest window that a sender may count on (RFC 9659, section 3), as a power of two.
_WINDOW = 23


class _Engine(Protocol):
    """One member or frame: the next bytes in, at most ``limit`` out; ``held``: whether it has more to give at once."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, limit: int, /) -> bytes: ...
    def held(self) -> bool: ...


class _Zlib:
    def __init__(self, window: int) -> None:
        self._engine = zlib.decompressobj(window)

    eof = property(lambda self: self._engine.eof)
    unused_data = property(lambda self: self._engine.unused_data)

    def decompress(self, data: bytes, limit: int, /) -> bytes:
        return self._engine.decompress(self._engine.unconsumed_tail + data, limit)

    def held(self) -> bool:
        return bool(self._engine.unconsumed_tail)


class _Zstd:
    def __init__(self) -> None:
        options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW}
        self._engine = zstd.ZstdDecompressor(options=options)
        self.decompress = self._engine.decompress

    eof = property(lambda self: self._engine.eof)
    unused_data = property(lambda self: self._engine.unused_data)

    def held(self) -> bool:
        return not self._engine.needs_input


def _gzip(data: bytes) -> _Engine:
    return _Zlib(16 + zlib.MAX_WBITS)


def _deflate(data: bytes) -> _Engine:
    """With zlib's head, as RFC 9110 has it, or without, as many send it. The head is a multiple of 31 whose method is 8
    (RFC 1950, section 2.2)."""
    wrapped = len(data) >= 2 and data[0] & 15 == 8 and (data[0] << 8 | data[1]) % 31 == 0
    return _Zlib(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)


def _zstd(data: bytes) -> _Engine:
    return _Zstd()


_ENGINES: dict[str, Callable[[bytes], _Engine]] = {"gzip": _gzip, "deflate": _deflate, "zstd": _zstd}


def codings_of(value: str) -> tuple[str, ...]:
    """The codings that a ``Content-Encoding`` names, in the order in which they were applied. Raises
    ``UnsupportedMedia``."""
    names = [name.strip(" \t").lower() for name in value.split(",")]
    names = ["gzip" if name == "x-gzip" else name for name in names if name not in ("", "identity")]
    if any(name not in _ENGINES for name in names):
        raise UnsupportedMedia(f"the body has a Content-Encoding that is not understood; allowed: {ACCEPTED}")
    if len(names) > _MAX_CODINGS:
        raise UnsupportedMedia(f"the body must not be compressed more than {_MAX_CODINGS} times")
    return tuple(names)


class ManyParts(Exception):
    """More gzip members or zstd frames than were to be read."""


def unpacked(data: bytes, codings: tuple[str, ...], limit: int, parts: int = _MAX_MEMBERS) -> bytes:
    """What ``data`` was before ``codings`` were applied to it; nothing stays nothing. Raises ``RequestTooLarge`` above
    ``limit`` bytes, ``ManyParts`` beyond ``parts``, and ``RequestError`` for what is broken."""
    for coding in reversed(codings):
        if data:
            data = _once(data, coding, limit, parts)
    return data


def _once(data: bytes, coding: str, limit: int, most: int) -> bytes:
    parts: list[bytes] = []
    size = members = 0
    engine: _Engine | None = None
    for at in range(0, len(data), _STEP):  # in slices, since an engine may copy what it could not take yet
        rest = data[at : at + _STEP]
        taken = at + len(rest)
        while rest or (engine is not None and not engine.eof and engine.held()):
            if engine is None or engine.eof:
                members += 1
                _check_members(members, coding, most)
                engine = _ENGINES[coding](rest)
            try:
                part = engine.decompress(rest, _STEP)
            except (zlib.error, zstd.ZstdError):
                raise _broken(coding, "is not valid") from None
            rest = engine.unused_data if engine.eof else b""
            size += len(part)
            _check_size(size, taken, limit)
            parts.append(part)
    if engine is None or not engine.eof:
        raise _broken(coding, "is cut off in its")
    return b"".join(parts)


def _check_members(members: int, coding: str, most: int) -> None:
    if members > 1 and coding == "deflate":
        raise _broken(coding, "goes on behind the end of its")
    if members > most and most < _MAX_MEMBERS:
        raise ManyParts
    if members > _MAX_MEMBERS:
        raise _broken(coding, "has too many parts of")


def _check_size(size: int, taken: int, limit: int) -> None:
    if size > limit:
        raise RequestTooLarge(f"the body must not be larger than {limit} bytes when it is unpacked")
    if size > FREE and size > taken * MAX_RATIO:
        raise RequestTooLarge(f"the body is compressed to less than a {MAX_RATIO}th of its size")


def _broken(coding: str, how: str) -> RequestError:
    return RequestError(f"the body {how} {coding}, which its Content-Encoding names", code="invalid_encoding")
