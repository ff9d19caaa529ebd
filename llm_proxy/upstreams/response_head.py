"""The head of an answer: what it says about the body that follows.

Laws: pure. llhttp has already validated the bytes (no bare CR or LF, no folded lines, no NUL), so splitting at CRLF is
exact; what llhttp leaves to its user is decided here: which framing applies, and which combinations we refuse to read
(RFC 9112, section 6.3). This module refuses to know about sockets.
"""

from __future__ import annotations

from enum import IntEnum
from operator import itemgetter, methodcaller

from llm_proxy.net.faults import ProtocolError

#: Limits on one head. 64 KiB is what Tornado's own parser and nginx's largest common setting accept.
MAX_HEAD = 64 * 1024
MAX_HEADERS = 200
#: What is done with each field, without a step of the interpreter for it.
_AT_COLON, _STRIPPED = methodcaller("partition", ":"), methodcaller("strip", " \t")
_NAME, _VALUE = itemgetter(0), itemgetter(2)


class Framing(IntEnum):  # whose members are hashed without a call
    """How the end of a body is found."""

    NONE = 0
    LENGTH = 1
    CHUNKED = 2
    UNTIL_CLOSE = 3


class ResponseHead:
    """One answer's head. ``lines`` are the field lines as they came, without line ends; ``start`` is the status line.
    ``content_type``: as it came, empty if it did not; ``content_encoding``: in small letters; ``tells_limits``: whether there are
    fields about limits of rate. What is seldom asked for is made when it is."""

    __slots__ = (
        "_by_name",
        "_lines",
        "_pairs",
        "_raw",
        "code",
        "content_encoding",
        "content_type",
        "framing",
        "keep_alive",
        "length",
        "reason",
        "start",
        "tells_limits",
    )

    def __init__(self, raw: bytes, code: int, method: str) -> None:
        """``raw`` includes the final empty line. Raises ``ProtocolError``."""
        start, *lines = raw.decode("latin-1").strip("\r\n").split("\r\n")
        if not start.startswith("HTTP/1."):
            raise ProtocolError("the answer is not HTTP/1", "head", "protocol")
        self._raw = b""  # the lines are enough
        self.start = start
        self.code = code
        self.reason = start[13:]
        self._lines: list[str] | None = lines
        self.length = -1
        self.keep_alive = start[7] != "0"
        self._by_name: dict[str, str] | None = None
        self._pairs: tuple[tuple[str, str], ...] | None = None
        by_name = self.by_name
        self.content_type = by_name.get("content-type", "")
        self.content_encoding = by_name.get("content-encoding", "").lower()
        self.tells_limits = "ratelimit-" in "\n".join(by_name)
        if len(by_name) == len(lines) and self._is_usual(by_name):
            chunked = False
        else:
            chunked = self._read_fields()
        if method == "HEAD" or code == 204 or code == 304 or self.length == 0:
            self.framing = Framing.NONE
        elif chunked:
            self.framing = Framing.CHUNKED
        elif self.length > 0:
            self.framing = Framing.LENGTH
        else:
            self.framing = Framing.UNTIL_CLOSE
            self.keep_alive = False

    def like(self, raw: bytes, length: int) -> ResponseHead:
        """A head of the same fields, in ``raw``, of which only what nobody asks for here has another value; and another
        ``length``, above 0 as ours."""
        made = ResponseHead.__new__(ResponseHead)
        made._raw, made.length = raw, length
        made._lines = made._by_name = made._pairs = None
        made.start, made.code, made.reason = self.start, self.code, self.reason
        made.framing, made.keep_alive, made.tells_limits = self.framing, self.keep_alive, self.tells_limits
        made.content_type, made.content_encoding = self.content_type, self.content_encoding
        return made

    @property
    def lines(self) -> list[str]:
        """See the class."""
        if self._lines is None:
            self._lines = self._raw.decode("latin-1").strip("\r\n").split("\r\n")[1:]
        return self._lines

    @property
    def by_name(self) -> dict[str, str]:
        """The newest value of each field, by its name in small letters."""
        found = self._by_name
        if found is None:
            parts = list(map(_AT_COLON, self.lines))
            found = self._by_name = dict(
                zip(map(str.lower, map(_NAME, parts)), map(_STRIPPED, map(_VALUE, parts)), strict=True)
            )
        return found

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """All fields in order, names as they came, values stripped."""
        if self._pairs is None:
            self._pairs = tuple((name, value.strip(" \t")) for name, _, value in map(_AT_COLON, self.lines))
        return self._pairs

    def location(self) -> str | None:
        """The value of the ``Location`` field."""
        for name, value in self.pairs():
            if name.lower() == "location":
                return value
        return None

    def rename(self, old: str, new: str) -> None:
        """Give the fields called ``old`` (lower case) another name."""
        size = len(old)
        self._pairs = None
        self._lines = [new + line[size:] if line[:size].lower() == old else line for line in self.lines]

    def _is_usual(self, fields: dict[str, str]) -> bool:
        """Note what the fields of an answer whose fields have a name each say about the body, if that is a length and no
        more; else false, and nothing is noted."""
        length = fields.get("content-length")
        if length is None or len(length) > 18 or not (length.isascii() and length.isdigit()):
            return False
        if "transfer-encoding" in fields or "connection" in fields or "content-encoding" in fields:
            return False
        self.length = int(length)
        return True

    def _read_fields(self) -> bool:
        """Note the fields that decide about the body; true for a chunked one."""
        chunked = False
        connection = ""
        for line in self.lines:
            if line[0] not in "cCtT":  # only these few can matter; most lines are skipped by one comparison
                continue
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip(" \t")
            if name == "content-length":
                if self.length >= 0 or not (value.isascii() and value.isdigit()) or len(value) > 18:
                    raise ProtocolError("the answer has a bad Content-Length", "head", "framing")
                self.length = int(value)
            elif name == "transfer-encoding":
                if chunked or value.lower() != "chunked" or self.start.startswith("HTTP/1.0"):
                    raise ProtocolError(
                        "the answer has a Transfer-Encoding that we refuse", "head", "framing"
                    )
                chunked = True
            elif name == "connection":
                connection += f",{value.lower()}"
        if chunked and self.length >= 0:
            raise ProtocolError("the answer has two framings", "head", "framing")
        if connection:  # RFC 9112, section 9.3: "close" wins, "keep-alive" counts for HTTP/1.0
            options = {option.strip() for option in connection.split(",")}
            self.keep_alive = "close" not in options and (self.keep_alive or "keep-alive" in options)
        return chunked
