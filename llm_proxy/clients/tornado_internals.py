"""All that is taken of Tornado's private names, and nothing else: short forms of what its handlers do for each request.

Tornado's own forms make name spaces for templates, look for cookies and forms, copy and hash each answer; here nobody
asks for any of that, and it is most of what a small request costs (benchmarks/RESULTS.md). Laws: what a handler may see
of itself is what Tornado documents; every private name stands in ``PRIVATE`` with the reason why it is needed, and a
test asks the installed Tornado for each of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tornado.concurrent import Future
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.iostream import StreamClosedError
from tornado.web import Application, HTTPError, RequestHandler

#: Whose name, which name, and what it is needed for.
PRIVATE: tuple[tuple[type, str, str], ...] = (
    (RequestHandler, "_headers", "set_header, flush and finish write to it and read it"),
    (RequestHandler, "_headers_written", "flush and finish ask whether the head has gone out"),
    (RequestHandler, "_finished", "write, flush and finish refuse to go on after the end"),
    (RequestHandler, "_auto_finish", "finish_request asks whether a method's end is the answer's"),
    (RequestHandler, "_prepared_future", "its __init__ sets it, which ours stands for"),
    (RequestHandler, "_write_buffer", "write collects there what flush sends"),
    (RequestHandler, "_status_code", "set_status writes it, flush sends it"),
    (RequestHandler, "_reason", "set_status writes it, flush sends it"),
    (RequestHandler, "_transforms", "flush applies them; there are none here"),
    (RequestHandler, "_handle_request_exception", "it answers an exception by send_error"),
    (RequestHandler, "_unimplemented_method", "a method that is this one is not served: for Allow"),
    (HTTPHeaders, "_as_list", "the fields as lists: written without looking at each character again"),
    (HTTPHeaders, "_combined_cache", "the fields as text, which must agree with the lists"),
)


def lines_of(fields: Iterable[tuple[str, str]]) -> str:
    """Header fields as lines, each with its end. Raises ``ValueError`` if there is a line end in one of them."""
    lines = list(map(": ".join, fields))
    if not lines:
        return ""
    flat = "".join(lines)
    if "\n" in flat or "\r" in flat:
        raise ValueError("a header of the answer has a line end in it")
    lines.append("")
    return "\r\n".join(lines)


class ResponseHeaders(HTTPHeaders):
    """Tornado's own, with a shorter way in for names that we write ourselves, and out. Made empty.

    As long as each name has one value, ``single`` holds them and the two of Tornado's are empty; they are filled when
    somebody asks for what only they can do.
    """

    def __init__(self) -> None:
        # Instead of Tornado's own, which looks for what to begin with.
        self.single: dict[str, str] | None = {}
        self._both: tuple[dict[str, list[str]], dict[str, str]] | None = None

    def _filled(self) -> tuple[dict[str, list[str]], dict[str, str]]:
        both = self._both
        if both is None:
            single, self.single = self.single or {}, None
            both = self._both = {name: [value] for name, value in single.items()}, single
        return both

    # Not ``__getattr__``: a class that has one pays for each look at an attribute that is there.

    @property
    def _as_list(self) -> dict[str, list[str]]:  # type: ignore[override]  # which Tornado sets once
        return self._filled()[0]

    @property
    def _combined_cache(self) -> dict[str, str]:  # type: ignore[override]
        return self._filled()[1]

    def get_all(self) -> list[tuple[str, str]]:
        """All fields, each value of its own."""
        if self.single is not None:
            return list(self.single.items())
        return [(name, value) for name, values in self._as_list.items() for value in values]

    def lines(self) -> tuple[str, str | None]:
        """All fields as lines, each with its end; the value of ``Content-Length``, if it is set. Raises ``ValueError`` if there
        is a line end in one of them."""
        single = self.single
        if single is None:
            return lines_of(self.get_all()), self.get("Content-Length")
        return lines_of(single.items()), single.get("Content-Length")

    def put_all(self, fields: Mapping[str, str]) -> None:
        """``put`` each of them; ``fields`` may be kept."""
        if self.single is not None:
            if self.single or type(fields) is not dict:
                self.single.update(fields)
            else:
                self.single = fields
            return
        for name, value in fields.items():
            self[name] = value

    def put(self, name: str, value: str) -> None:
        """Set ``name``, which must be spelled as Tornado would (``X-Request-Id``). That ``value`` has no line end is seen
        to when the head is made."""
        if self.single is not None:
            self.single[name] = value
        else:
            self[name] = value


class LeanRequestHandler(RequestHandler):
    """A ``RequestHandler`` that does only what is needed. ``answer_headers`` is where ``set_header`` writes.

    ``whole``: whether the whole body has come. Whoever subclasses it gives ``data_received``.

    What is the same for nearly every request stands on the class: an object of more than thirty attributes has a dictionary of
    its own to itself, which costs each look at it (``tests/growth`` counts them).
    """

    __slots__ = ("_awaited", "_finished", "_headers_written", "_reason", "_status_code", "whole")

    answer_headers: ResponseHeaders
    #: Done when the whole body has come, if somebody has to wait for it.
    _awaited: Future[None] | None
    whole: bool

    # As each instance begins.
    _auto_finish = True
    _prepared_future = None
    _transforms = ()  # type: ignore[assignment]  # none of them is ever changed
    path_args: Sequence[str] = ()  # type: ignore[assignment]

    def __init__(self, application: Application, request: HTTPServerRequest, **kwargs: Any) -> None:
        self.application = application
        self.request = request
        self.answer_headers = ResponseHeaders()
        self._write_buffer: list[bytes] = []
        self._headers_written = self._finished = self.whole = False
        self._status_code, self._reason = 200, "OK"
        self._awaited = None
        self.initialize(**kwargs)
        connection: Any = request.connection
        connection.set_close_callback(self.on_connection_close)

    @property
    def head_sent(self) -> bool:
        """Whether the head of the answer has gone out: the status is spent."""
        return self._headers_written

    @property
    def answered(self) -> bool:
        """Whether the answer is whole."""
        return self._finished

    def clear(self) -> None:
        # Instead of Tornado's own: it formats the date for each answer.
        self.answer_headers = ResponseHeaders()
        self._write_buffer = []
        self._status_code, self._reason = 200, "OK"

    @property
    def _headers(self) -> HTTPHeaders:  # type: ignore[override]  # where Tornado's methods look
        return self.answer_headers

    def body_ended(self) -> None:
        """The whole body has come."""
        self.whole = True
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)

    def body_lost(self) -> None:
        """The client left before it had: whoever waits for it hears so."""
        if not self.whole:
            awaited = self._awaited = self._awaited or asyncio.get_running_loop().create_future()
            if not awaited.done():
                awaited.set_exception(StreamClosedError())
                awaited.exception()  # nobody may be waiting, which is no fault

    def release(self) -> None:
        """The task is over, whichever way: give back what the request held."""

    def cut(self) -> None:
        """End the connection so that a broken answer looks broken."""
        raise NotImplementedError

    async def run(self, *args: bytes) -> None:
        """Serve the request; ``args`` are what the path's pattern found. Instead of Tornado's ``_execute``, which looks
        for what no handler here has: cookies, transforms, forms."""
        try:
            method = self.request.method
            if method not in self.SUPPORTED_METHODS:
                raise HTTPError(405)
            if args:
                self.path_args = [self.decode_argument(arg) for arg in args]
            self.prepare()
            if self._finished:
                return
            if not self.whole and not await self._came():
                return
            result = getattr(self, method.lower())(*self.path_args)
            if result is not None:
                await result
            if self._auto_finish and not self._finished:
                self.finish()
        except asyncio.CancelledError:
            # Whoever cancelled it, a client must neither wait for ever nor take half a stream for a whole one.
            if self._headers_written and not self._finished:
                self.cut()
            elif not self._finished:
                self.send_error(500)
            raise
        except Exception as error:  # noqa: BLE001 (each is answered)
            self._handle_request_exception(error)
        finally:
            self.release()

    async def _came(self) -> bool:
        """Wait for the whole body; false if the client left before."""
        self._awaited = self._awaited or asyncio.get_running_loop().create_future()
        try:
            await self._awaited
        except StreamClosedError:
            return False
        return True

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> Future[None]:
        if type(chunk) is not bytes or self._headers_written or self.request.method == "HEAD":
            return super().finish(chunk)
        # The usual answer, whole and with a body: Tornado's way is longer by a copy and an entity tag.
        assert not self._finished
        self.answer_headers.put("Content-Length", str(len(chunk)))
        self._headers_written = self._finished = True
        connection: Any = self.request.connection
        connection.set_close_callback(None)
        sent: Future[None] = connection.respond(self._status_code, self._reason, self.answer_headers, chunk)
        self.on_finish()
        return sent


def implements(handler: type[RequestHandler], method: str) -> bool:
    """Whether ``handler`` has a method of its own for ``method`` (in capitals)."""
    return getattr(handler, method.lower()) is not RequestHandler._unimplemented_method
