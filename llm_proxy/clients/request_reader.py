"""The bytes of one HTTP/1.1 request, judged: a head, then body bytes, then an end or a fault.

Laws: pure, no IO; ``feed`` never raises; what follows the request is handed back untouched, never read as part of it.
However a head is cut, each byte of it is looked at once.
llhttp (through httptools) judges the head, after its bytes were counted; which framing applies is decided here (RFC
9112, section 6.3), and every request that two servers could read differently is refused. A new reader, with a new
parser, serves each request. This module refuses to know what a request asks for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from llm_proxy.clients.chunked_body import BadChunk, ChunkedBody

#: Limits on one head. nginx's largest common setting is the same size, and no client sends so many fields.
MAX_HEAD = 64 * 1024
MAX_HEADERS = 200
#: Digits of a length, and the longest head that is kept for the next request.
_DIGITS, _KEPT = 18, 4096

_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"CONNECT"})
#: Behind something: a line of nothing else is another matter.
_WHITE = re.compile(rb"(?<=[^ \t\r\n])[ \t]++\r\n")
_VERSION = re.compile(rb" HTTP/([0-9])\.[0-9]")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request is not read any further: a status for the client, and words without a value of the request."""

    status: int
    problem: str


#: What a client says first that takes this for a TLS port. In words it would not understand the answer.
TLS_HELLO = Fault(400, "TLS is not spoken on this port")


class RequestHead(NamedTuple):
    """``target`` and header values are Latin-1 texts, as WSGI and Tornado have them. ``length`` is -1 for a chunked
    body. ``keep_alive``: whether the client would send another request. (A tuple, because it is made for each request:
    a frozen dataclass takes three times as long.)"""

    method: str
    target: str
    version: str
    pairs: list[tuple[str, str]]
    #: The newest value of each name, in small letters.
    by_name: dict[str, str]
    length: int
    keep_alive: bool
    expects_continue: bool


class _HeaderPairs:
    """What the parser reports."""

    __slots__ = ("pairs", "target")

    def __init__(self) -> None:
        self.target = b""
        self.pairs: list[tuple[str, str]] = []

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name.decode("latin-1"), value.decode("latin-1")))


class KnownHead(NamedTuple):
    """A head that was read, and its bytes before and behind the digits of its ``Content-Length``, which is the field at
    ``place``: the heads of a client's requests mostly differ in these digits alone."""

    raw: bytes
    before: bytes
    after: bytes
    place: int
    head: RequestHead

    def read(self, data: bytes) -> tuple[RequestHead, int] | None:
        """The head with which ``data`` begins, if it differs in these digits alone, and where it ends."""
        raw, before, after, place, head = self
        if data.startswith(raw):
            return head, len(raw)
        if not data.startswith(before):
            return None
        at = len(before)
        end = data.find(b"\r", at, at + _DIGITS + 1)
        digits = data[at:end]
        if end < 0 or not digits.isdigit() or not data.startswith(after, end):
            return None
        length = digits.decode()
        method, target, version, pairs, by_name, old, keep_alive, _ = head
        size = int(digits)
        if size != old or length != by_name["content-length"]:
            pairs = pairs.copy()
            pairs[place] = (pairs[place][0], length)
            by_name = {**by_name, "content-length": length}
        return RequestHead(method, target, version, pairs, by_name, size, keep_alive, False), end + len(after)


def _kept(raw: bytes, head: RequestHead) -> KnownHead | None:
    """What is kept of a head; None if it is long, or unusual in its framing."""
    length = head.by_name.get("content-length")
    if length is None or len(raw) > _KEPT or len(head.by_name) < len(head.pairs) or head.expects_continue:
        return None
    place, name = next(
        (at, name) for at, (name, _) in enumerate(head.pairs) if name.lower() == "content-length"
    )
    before, mark, after = raw.partition(f"\r\n{name}: {length}\r\n".encode("latin-1"))
    if not mark or _usual_framing(head.by_name) is None:
        return None
    end = 2 + len(name) + 2
    return KnownHead(raw, before + mark[:end], mark[-2:] + after, place, head)


class RequestReader:
    """One request. State for the caller to look at after each ``feed``: ``head`` (None until it is complete),
    ``complete``, ``fault``, and once complete ``rest``, the bytes that follow the request."""

    __slots__ = ("_chunks", "_left", "_lines", "_raw", "complete", "fault", "head", "known", "rest")

    def __init__(self, known: KnownHead | None = None) -> None:
        #: The head of the connection's last request, if it is worth keeping for the next.
        self.known = known
        #: The part of the head that has come, and how many lines have ended in it.
        self._raw = bytearray()
        self._lines = 0
        self._left = 0
        self._chunks: ChunkedBody | None = None
        self.head: RequestHead | None = None
        self.complete = False
        self.fault: Fault | None = None
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """The bytes of the body that are in ``data``; may be empty."""
        if self.head is None:
            known = self.known
            if known is not None and not self._raw and (found := known.read(data)) is not None:
                self.head, end = found
                self._left = self.head.length
                data = data[end:]
            else:
                data = self._feed_head(data)
                if self.head is None:
                    return b""
        if self._chunks is not None:
            return self._feed_chunks(data)
        self._left -= len(data)
        if self._left > 0:
            return data
        self.complete = True
        if self._left:
            self.rest = data[self._left :]
            return data[: self._left]
        return data

    @property
    def dense(self) -> bool:
        """Whether few bytes may mean much work: no body of a known length is being read."""
        return self.head is None or self._chunks is not None

    @property
    def chunked(self) -> bool:
        """Whether a body in chunks is being read."""
        return self._chunks is not None

    @property
    def begun(self) -> bool:
        """Whether a part of the head has come."""
        return bool(self._raw)

    def _feed_head(self, data: bytes) -> bytes:
        """What follows the head in ``data``, once it is complete."""
        raw: bytes | bytearray
        old = len(self._raw)
        if old:  # it comes in pieces, each of which is looked at once
            raw = self._raw
            raw += data
        else:
            raw = data.lstrip(b"\r\n")  # RFC 9112, section 2.2: empty lines before a request are ignored
        found = raw.find(b"\r\n\r\n", max(0, old - 3))
        size = len(raw) if found < 0 else found + 4
        self._lines += raw.count(b"\n", old, size)
        if size > MAX_HEAD or self._lines > MAX_HEADERS + 2:
            self.fault = Fault(431, "the head of the request is too large")
        elif found >= 0:
            try:
                self._read_head(bytes(raw[:size]))
            except _Refused as refused:
                self.fault = refused.fault
            else:
                assert self.head is not None
                self._left = self.head.length
                self._chunks = ChunkedBody() if self._left < 0 else None
                self._raw = bytearray()
                return bytes(raw[size:])
        elif raw.startswith(b"\x16"):
            self.fault = TLS_HELLO
        elif raw.find(b"\n\n", max(0, old - 2)) >= 0 or raw.find(b"\n\r\n", max(0, old - 2)) >= 0:
            self.fault = Fault(400, "the lines of the head do not end with CRLF")
        elif not old:
            self._raw = bytearray(raw)
        return b""

    def _read_head(self, raw: bytes) -> None:
        """``raw`` is a whole head. Raises ``_Refused``."""
        found = None if self.known is None else self.known.read(raw)
        if found is not None and found[1] == len(raw):
            self.head = found[0]
        else:
            self.head = _parsed(raw)
            self.known = _kept(raw, self.head)

    def _feed_chunks(self, data: bytes) -> bytes:
        assert self._chunks is not None
        try:
            body = self._chunks.feed(data)
        except BadChunk as error:
            self.fault = Fault(400, str(error))
            return b""
        if self._chunks.rest is not None:
            self.rest = self._chunks.rest
            self.complete = True
        return body


class _Refused(Exception):
    def __init__(self, problem: str, status: int = 400) -> None:
        super().__init__(problem)
        self.fault = Fault(status, problem)


def _parsed(raw: bytes) -> RequestHead:
    """The head in ``raw``, which is exactly one. Raises ``_Refused``."""
    method = raw[: raw.find(b" ")]
    raw = _of_our_version(raw)
    if raw.find(b" \r\n") >= 0 or raw.find(b"\t\r\n") >= 0:
        # White space behind a value is no part of it (RFC 9110, section 5.5); llhttp leaves it, or trips over it.
        start = raw.find(b"\r\n")
        raw = raw[:start] + _WHITE.sub(b"\r\n", raw[start:])
    if method not in _METHODS:
        # llhttp knows a fixed list, but a method that nobody implements is a 405, not malformed.
        if not _TOKEN.fullmatch(method):
            raise _Refused("the request line is malformed")
        raw = b"GET" + raw[len(method) :]
    fields = _HeaderPairs()
    parser = HttpRequestParser(fields)
    try:
        parser.feed_data(raw)
    except HttpParserUpgrade:
        pass  # a wish, which a server may ignore (RFC 9110, section 7.8); Java's client has it in each request
    except HttpParserError:
        raise _Refused("the head of the request is malformed") from None
    version = parser.get_http_version()
    if version not in ("1.1", "1.0"):
        raise _Refused("only HTTP/1.1 is spoken here", 505)
    pairs = fields.pairs
    by_name = {name.lower(): value for name, value in pairs}
    usual = _usual_framing(by_name) if len(by_name) == len(pairs) else None
    length, connection, expects = _framing(pairs, version) if usual is None else usual
    keep_alive = "close" not in connection and (version == "1.1" or "keep-alive" in connection)
    return RequestHead(
        method.decode("latin-1"),
        fields.target.decode("latin-1"),
        "HTTP/" + version,
        pairs,
        by_name,
        length,
        keep_alive,
        expects and version == "1.1",
    )


def _of_our_version(raw: bytes) -> bytes:
    """``raw`` as a server of HTTP/1.1 reads it: a higher minor version is served as the highest one that it knows (RFC
    9110, section 2.5), of which llhttp knows nothing. Raises ``_Refused`` for another major version."""
    end = raw.find(b"\r\n")
    if raw.startswith((b" HTTP/1.1", b" HTTP/1.0"), end - 9):
        return raw
    version = _VERSION.fullmatch(raw, end - 9, end)
    if version is None:
        return raw
    if version[1] != b"1":
        raise _Refused("only HTTP/1.1 is spoken here", 505)
    return b"%b HTTP/1.1%b" % (raw[: end - 9], raw[end:])


def _usual_framing(fields: dict[str, str]) -> tuple[int, str, bool] | None:
    """What ``_framing`` gives for a request whose fields have a name each: a host, perhaps a length, nothing to look at more
    closely; None for any other."""
    if "host" not in fields or "transfer-encoding" in fields or "expect" in fields:
        return None
    length = fields.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or len(length) > 18:
        return None
    connection = fields.get("connection")
    return int(length), "" if connection is None else "," + connection.lower(), False


def _framing(pairs: list[tuple[str, str]], version: str) -> tuple[int, str, bool]:
    """The length of the body (-1: chunked), the options of the connection, and whether 100 is waited for."""
    length, hosts, chunked, expects, connection = -1, 0, False, False, ""
    for name, value in pairs:
        if name[0] not in "cCeEhHtT":  # only these few can matter
            continue
        name = name.lower()
        if name == "content-length":
            if not (value.isascii() and value.isdigit()) or len(value) > 18 or length not in (-1, int(value)):
                raise _Refused("a bad Content-Length")
            length = int(value)
        elif name == "transfer-encoding":
            if chunked or value.lower() != "chunked" or version == "1.0":
                raise _Refused("a Transfer-Encoding that is not served here")
            chunked = True
        elif name == "connection":
            connection += "," + value.lower()
        elif name == "expect":
            expects = value.lower() == "100-continue"
        elif name == "host":
            hosts += 1
    if chunked and length >= 0:
        raise _Refused("two framings of the body")
    if hosts > 1 or (not hosts and version == "1.1"):
        raise _Refused("there must be one Host")
    return -1 if chunked else max(length, 0), connection, expects
