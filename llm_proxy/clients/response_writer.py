"""The bytes of one HTTP/1.1 answer, made: a head, a framed body, an end.

Laws: pure, no IO; one writer for each answer; what a head has declared is kept, or a fault is raised; no line end gets
into a head. Which header fields an answer has is decided elsewhere; only the server's name, the date, and those of the
connection are written here.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache

from tornado.httputil import HTTPHeaders, HTTPOutputError

from llm_proxy import __version__
from llm_proxy.clients.request_reader import RequestHead
from llm_proxy.clients.tornado_internals import ResponseHeaders, lines_of


@lru_cache(maxsize=1)
def _server_and_date(second: int) -> str:
    """The two fields that are the same on all answers of that second."""
    return f"Server: llm-proxy-api/{__version__}\r\nDate: {formatdate(second, usegmt=True)}\r\n"


class ResponseWriter:
    """The answer to ``request``. ``keep``: whether the connection can carry another one afterwards; ``chunked``: how
    the body is framed, once the head was made."""

    __slots__ = ("_left", "_request", "chunked", "keep")

    def __init__(self, request: RequestHead) -> None:
        self._request = request
        self.keep = request.keep_alive
        self.chunked = False
        #: Bytes of the body that are still to come; None if that was not declared.
        self._left: int | None = None

    def head(self, code: int, reason: str, headers: HTTPHeaders, *, say_close: bool) -> bytes:
        """The head. With ``say_close`` the client is told when the connection ends with this answer. Raises
        ``ValueError``."""
        request = self._request
        if type(headers) is ResponseHeaders:
            fields, length = headers.lines()
        else:
            fields, length = lines_of(headers.get_all()), headers.get("Content-Length")
        if "\n" in reason or "\r" in reason:
            raise ValueError("the reason of the answer has a line end in it")
        further = ""
        if code == 204 or code == 304 or request.method == "HEAD":
            self._left = 0
        elif length is not None:
            self._left = int(length)
        elif request.version == "HTTP/1.1":
            self.chunked = True
            further = "Transfer-Encoding: chunked\r\n"
        else:
            self.keep = False  # the end of the connection is the end of the body
        if self.keep:
            if request.version == "HTTP/1.0":
                further += "Connection: keep-alive\r\n"
        elif say_close and request.version == "HTTP/1.1":
            further += "Connection: close\r\n"
        text = f"HTTP/1.1 {code} {reason}\r\n{_server_and_date(int(time.time()))}{fields}{further}\r\n"
        return text.encode("latin-1")

    def framed(self, chunk: bytes) -> bytes:
        """The next bytes of the body as they are sent. Raises ``HTTPOutputError``."""
        if self.chunked:
            return b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunk else b""
        if self._request.method == "HEAD":
            return b""
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                raise HTTPOutputError("the body is longer than its Content-Length")
        return chunk

    def end(self) -> bytes:
        """What completes the answer. Raises ``HTTPOutputError``."""
        if self._left:
            raise HTTPOutputError(f"the body is {self._left} bytes shorter than its Content-Length")
        return b"0\r\n\r\n" if self.chunked else b""
