"""The chunked body of a request, decoded.

Laws: pure; what RFC 9112, section 7.1 allows is read, anything else is refused, since two readers that disagree about
where a body ends are how requests are smuggled: sizes are hexadecimal digits only, each line ends with CRLF, a chunk is
followed by exactly CRLF. Extensions and trailers are legal; they are bounded, and dropped.
"""

from __future__ import annotations

import re

#: Bytes of extensions and trailers of one body.
MAX_OVERHEAD = 16 * 1024
#: Longest size line: sixteen digits and an extension.
_MAX_LINE = 4096

_NAME = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED = rb'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[^\x00-\x08\x0a-\x1f\x7f])*+"'
#: RFC 9112, section 7.1.1: each extension has a name, and what is quoted is closed.
_EXTENSION = rb"[ \t]*+;[ \t]*+%b(?:[ \t]*+=[ \t]*+(?:%b|%b))?+" % (_NAME, _NAME, _QUOTED)
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:%b)*+" % _EXTENSION)
#: A size that says no more than that.
_PLAIN = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*")


class BadChunk(ValueError):
    """The body is not soundly chunked."""


class ChunkedBody:
    """``feed`` it; ``rest`` is None until the body is complete, then the bytes that follow it."""

    __slots__ = ("_due", "_left", "_line", "_overhead", "_trailers", "rest")

    def __init__(self) -> None:
        #: Bytes that are left of the present chunk, and the line end that must follow it.
        self._left = 0
        self._due = b""
        self._line = b""
        self._overhead = 0
        self._trailers = False
        self.rest: bytes | None = None

    def feed(self, data: bytes) -> bytes:
        """The bytes of the body in ``data``. Raises ``BadChunk``."""
        parts: list[bytes] = []
        at = 0
        while at < len(data) and self.rest is None:
            if self._left:
                parts.append(data[at : at + self._left])
                self._left -= len(parts[-1])
                at += len(parts[-1])
            elif self._due:
                if data[at] != self._due[0]:
                    raise BadChunk("a chunk does not end where its size says")
                self._due = self._due[1:]
                at += 1
            elif self._line or self._trailers or (end := _plain(data, at, parts)) == at:
                at = self._text(data, at)
            else:
                at = end
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _text(self, data: bytes, at: int) -> int:
        """A size line, a trailer, or the empty line at the end."""
        end = data.find(b"\n", at) + 1
        self._line += data[at : end or len(data)]
        if len(self._line) > _MAX_LINE:
            raise BadChunk("a chunk's size line or a trailer is too long")
        if not end:
            return len(data)
        line, self._line = self._line, b""
        if not line.endswith(b"\r\n"):
            raise BadChunk("a line of the chunked body does not end with CRLF")
        self._line_read(line[:-2])
        if self.rest is not None:
            self.rest = data[end:]
        return end

    def _line_read(self, line: bytes) -> None:
        if not self._trailers:
            size = _SIZE.fullmatch(line)
            if size is None:
                raise BadChunk("a chunk has a bad size")
            self._left = int(size[1], 16)
            self._trailers = not self._left
            self._due = b"\r\n" if self._left else b""
            self._count(len(line) - len(size[1]))
        elif not line:
            self.rest = b""
        elif _TRAILER.fullmatch(line):
            self._count(len(line))
        else:
            raise BadChunk("a bad trailer")

    def _count(self, size: int) -> None:
        self._overhead += size
        if self._overhead > MAX_OVERHEAD:
            raise BadChunk("too many chunk extensions or trailers")


def _plain(data: bytes, at: int, parts: list[bytes]) -> int:
    """Where the whole chunks without an extension, the usual ones, end that ``data`` has from ``at`` on. They may be
    thousands, and nothing is judged here."""
    match, starts, add = _PLAIN.match, data.startswith, parts.append
    while (found := match(data, at)) is not None:
        begin = found.end()
        end = begin + int(found[1], 16)
        if end == begin or not starts(b"\r\n", end):
            break
        add(data[begin:end])
        at = end + 2
    return at
