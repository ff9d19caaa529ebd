"""What a request makes of its answer: where head and body go, and the ``HTTPResponse`` at the end.

Laws: the head is told before the body; a body that is collected is bounded, one that is streamed is not; nothing is
decoded unless the request asked for it; a redirect's body is read and dropped. This module refuses to know where
bytes come from.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders

from llm_proxy.net.faults import BodyTooLarge
from llm_proxy.upstreams.gunzip import Gunzip
from llm_proxy.upstreams.redirects import REDIRECTS
from llm_proxy.upstreams.request_plan import Options
from llm_proxy.upstreams.response_delegate import Sink
from llm_proxy.upstreams.response_head import ResponseHead


class Answer:
    """One answer. ``location`` is set by ``begin`` when it is a redirect that is to be followed;
    ``wanted`` becomes false when nothing more is to be reported."""

    __slots__ = ("_gunzip", "_head", "_options", "_parts", "_room", "_sink", "location", "wanted")

    def __init__(self, options: Options, max_body_size: int) -> None:
        self._options = options
        self._room = max_body_size
        self._parts: list[bytes] = []
        self._gunzip: Gunzip | None = None
        self.location: str | None = None
        self.wanted = True

    def begin(self, head: ResponseHead, follow: bool) -> Sink:
        """Report the head; the result takes the body. ``follow``: redirects are followed.

        Raises ``BodyTooLarge``, and what the request's ``header_callback`` raises.
        """
        get = self._options.get
        self._head = head
        if follow and head.code in REDIRECTS:
            self.location = head.location()
            if self.location is not None:
                return self._collect
        sink: Sink | None = get("streaming_callback")
        if sink is None:
            if head.length > self._room:
                raise self._too_large()
            sink = self._collect
        if head.content_encoding == "gzip" and get("decompress_response"):
            self._gunzip = Gunzip()
            self._sink = sink
            sink = self._decode
            # Renamed as Tornado does it, so that nobody decodes twice.
            head.rename("content-encoding", "X-Consumed-Content-Encoding")
        tell: Callable[[str], Any] | None = get("header_callback")
        if tell is not None:
            for line in (head.start, *head.lines, ""):
                if self.wanted:  # else the callback has aborted its request
                    tell(line + "\r\n")
        return sink

    def end(self) -> None:
        """The body is complete. Raises ``EncodingError`` if what was in it is not."""
        if self._gunzip is not None:
            self._gunzip.finish()

    @property
    def code(self) -> int:
        """The status."""
        return self._head.code

    def response(self, request: HTTPRequest, **facts: Any) -> HTTPResponse:
        """The answer as Tornado's object; ``facts`` are further arguments for it."""
        headers = HTTPHeaders()
        if self._options.get("header_callback") is None:  # documented: otherwise they are empty
            for name, value in self._head.pairs():
                headers.add(name, value)
        body = BytesIO(b"".join(self._parts))
        return HTTPResponse(
            request, self._head.code, reason=self._head.reason or None, headers=headers, buffer=body, **facts
        )

    def _collect(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room < 0:
            raise self._too_large()
        self._parts.append(data)

    def _decode(self, data: bytes) -> Any:
        assert self._gunzip is not None
        plain = self._gunzip.feed(data)
        return self._sink(plain) if plain else None

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge("the body is larger than max_body_size", "body", "too_large")
