"""One client's connection: HTTP/1.1 on an asyncio transport, one request after the other, for Tornado's handlers.

Tornado documents what a handler writes to, ``HTTPConnection``. Its own implementation costs more than all else that a
request does here (benchmarks/RESULTS.md), so this is ours, as ``upstreams.http_client`` is on the other side. What reads a
request is told in plain calls: see ``Handler``.

Laws: the next request is begun when the last is answered and the socket has taken enough of that answer: a client that
reads nothing gets no second one made. What was sent ahead of its turn waits here, bounded, and costs what its bytes cost,
however many requests they are; each waits for its turn (``turns``), so others are served between them. Reading goes on
meanwhile, because it is how a client's leaving is noticed. A write goes to the socket at once; the future of a write is
done when the socket has taken everything. The body of a request is handed on as it comes, also before the handler's
``prepare`` has run. A connection that the head of an answer has promised to keep is kept, whatever the server has decided since:
the client may have sent its next request already. What bytes mean is judged by ``request_reader`` and ``response_writer``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol, cast

from tornado.concurrent import Future
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPInputError,
    HTTPOutputError,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import StreamClosedError

from llm_proxy.clients.request_reader import TLS_HELLO, Fault, RequestHead, RequestReader
from llm_proxy.clients.response_writer import ResponseWriter
from llm_proxy.clients.socket_queues import unread, untaken
from llm_proxy.clients.turns import Turns
from llm_proxy.net.pace import Pace
from llm_proxy.net.wheel import NEAR, Wheel

log = logging.getLogger(__name__)

#: Bytes that a client may send ahead of its turn before we read no more of them: what the loop reads at once (256 KiB)
#: may come on top.
_AHEAD = 64 * 1024
#: How many of them a reader is given at a time: it hands back what belongs to the next request, so that no more than
#: this is copied for each.
_PIECE = 32 * 1024
#: Of a body in so many chunks (line ends), so many bytes are read at a time: six may be a chunk, and cost a microsecond.
_TINY, _TINY_PIECE = 64, 4 * 1024
#: What has more bytes is not copied only to stand behind its head.
_LARGE = 256 * 1024
#: After an answer that came before the whole request, what the client still sends is read and thrown away for so many
#: seconds (nginx: lingering_close), since closing with unread input would reset the connection and take the answer
#: with it.
_LINGER = 2.0

#: Seconds in which the loop reads what has come, busy as it may be.
_MOMENT = 0.05

#: What precedes chunks of less than so many bytes, by their size.
_SHORT = 1024
_SIZES = [b"%x\r\n" % size for size in range(_SHORT)]
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REASONS = {400: "Bad Request", 431: "Request Header Fields Too Large", 505: "HTTP Version Not Supported"}
_REFUSED = b'{"error":{"message":"%b","type":"invalid_request_error","code":"bad_request","param":null}}'
_NOTHING_ASKED = ("", ""), None
_UNREADABLE = RequestHead("GET", "/", "HTTP/1.1", [], {}, 0, keep_alive=False, expects_continue=False)


class Owner(Protocol):
    """The server. ``header_timeout``: seconds for the first head to come, and for a later one to be complete;
    ``keepalive_timeout``: seconds for which a connection is kept after an answer; ``write_timeout``: seconds in which a
    client must have taken something of an answer; ``keep_alive``: whether connections are kept after an answer;
    ``retired``: whether none is accepted any more; ``turns``: who is served when, of those that sent ahead; ``done``: a future
    that is."""

    header_timeout: float
    keepalive_timeout: float
    write_timeout: float
    keep_alive: bool
    retired: bool
    turns: Turns
    done: Future[None]

    @property
    def wheel(self) -> Wheel:
        """Of all connections of the server."""

    def remember(self, connection: ClientConnection) -> None:
        """``connection`` has begun."""

    def forget(self, connection: ClientConnection) -> None:
        """``connection`` is no more."""

    def met_tls(self) -> None:
        """A client speaks TLS where it is not spoken."""


class Handler(Protocol):
    """Who answers a request, and is told of its body."""

    def data_received(self, chunk: bytes) -> object:
        """The next bytes of it."""

    def body_ended(self) -> None:
        """It is complete."""


class Application(Protocol):
    """Who knows a handler for each request."""

    def begin(self, head: RequestHead, connection: ClientConnection) -> tuple[Handler, asyncio.Task[None]]:
        """The handler of a request whose head has come, and what it does. Raises ``HTTPInputError``."""


class Way(Protocol):
    """Whoever writes chunks past the writer of the answer."""

    def shut(self) -> None:
        """It may not any more."""


class ClientConnection(asyncio.Protocol, HTTPConnection):
    """See the module. ``say_close`` may be set to False before an answer begins: then the client is not told that the
    connection ends with it, and so it does not, unless the server accepts no more."""

    def __init__(self, owner: Owner, application: Application, address: object) -> None:
        self._owner = owner
        self._application = application
        #: Where Tornado looks for ``remote_ip``: the client's address, empty if it has none (a Unix socket).
        self.context = self
        self.remote_ip = str(address[0]).removeprefix("::ffff:") if isinstance(address, tuple) else ""
        self.loop = asyncio.get_running_loop()
        self._transport = cast(asyncio.Transport, None)
        #: When to look next whether it is good for anything (loop time): by a timer of its own, or with the others.
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._reader = RequestReader()
        self._writer = cast(ResponseWriter, None)
        #: Who reads the request; None when there is none, or it is answered.
        self._handler: Handler | None = None
        #: What it does; kept here, since an event loop knows its tasks only weakly.
        self._task: asyncio.Task[None] | None = None
        self._on_close: Callable[[], object] | None = None
        #: Bytes that came ahead of their turn. While there are any, a request is being answered, or ``_catch_up`` is due.
        self._ahead = bytearray()
        #: Whether the next request waits for the client to take the last answer.
        self._next_waits = False
        #: Done when the socket has taken all that was written; None while nothing waits.
        self._room: Future[None] | None = None
        self._lingers = self._blind = False
        #: Since when nothing is being asked, or a head is coming (loop time), and for how long that may be.
        self._since = self.loop.time()
        self._allowed = owner.header_timeout
        #: How an answer is taken that is not taken yet.
        self._pace: Pace | None = None
        #: Whether nothing has come of the next request, although there may.
        self._rests = False
        #: Whether there has been a transport.
        self.begun = False
        self.say_close = True
        #: Target and Host field of the last request, and what the application has found in them.
        self.asked: tuple[tuple[str, str], Any] = _NOTHING_ASKED
        #: Whoever writes chunks of the present answer as they are, if anybody does.
        self._way: Way | None = None

    @property
    def local_ip(self) -> str:
        """The address that the client has connected to; empty if it has none."""
        name = self._transport.get_extra_info("sockname")
        return str(name[0]) if isinstance(name, tuple) else ""

    @property
    def secure(self) -> bool:
        """Whether it is TLS."""
        return self._transport.get_extra_info("sslcontext") is not None

    # -- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._look_at(self.loop.time() + self._period)
        self.begun = True
        self._owner.remember(self)

    def data_received(self, data: bytes) -> None:
        if self._lingers:
            self._discard_input(data)
        elif self._ahead or self._reader.complete:
            self._keep(data)
        elif self._reader.chunked and data.count(b"\n") > _TINY:
            self._keep(data)
            self._owner.turns.wait(self.loop, self._catch_up)
        elif len(data) > _PIECE and self._reader.dense:
            self._keep(data)
            self._catch_up()
        else:
            self._read(data)

    def eof_received(self) -> None:
        """A client that sends no more has left, as Tornado sees it too: the transport closes itself."""
        self._shut()

    def connection_lost(self, exc: Exception | None) -> None:
        self._look_no_more()
        self._shut()
        self._ahead.clear()
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_exception(StreamClosedError())
            room.exception()  # nobody may be waiting, which is no fault
        self._tell()
        self._owner.forget(self)
        # A head has a key, and who keeps the connection for a moment need not keep that.
        self._reader.known, self.asked = None, _NOTHING_ASKED

    def pause_writing(self) -> None:
        self._room = self.loop.create_future()
        self._shut()

    def resume_writing(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)
        if self._next_waits:
            self._next_waits = False
            self._next()

    # -- reading

    def _keep(self, data: bytes) -> None:
        """``data`` came ahead of its turn."""
        self._ahead += data
        if len(self._ahead) > _AHEAD:
            self._transport.pause_reading()

    def _read(self, data: bytes, ahead: bool = False) -> None:
        """The next bytes of the present request; ``ahead``: they are the first of those that waited."""
        reader = self._reader
        body = reader.feed(data)
        if ahead:
            del self._ahead[: len(data) - len(reader.rest)]
        elif reader.rest:
            self._keep(reader.rest)
        if reader.head is None and reader.begun and self._rests:
            self._wait(self._owner.header_timeout)
            self._look_no_more()
            self._look_at(self._since + self._allowed)
        try:
            if self._handler is None and reader.head is not None:
                self._begin(reader.head)
            if body and self._handler is not None:
                self._handler.data_received(body)
            if reader.complete and self._handler is not None:
                self._handler.body_ended()
        except HTTPInputError:
            self._refuse(Fault(400, "the request line or a header is malformed"))
            return
        if reader.fault is TLS_HELLO:
            self._owner.met_tls()
            self._transport.close()
        elif reader.fault is not None and not self._lingers:
            self._refuse(reader.fault)

    def _begin(self, head: RequestHead) -> None:
        """A head has come: find its handler."""
        self._rests = False
        self._writer = ResponseWriter(head)
        self._handler, self._task = self._application.begin(head, self)

    def _refuse(self, fault: Fault) -> None:
        """Answer a request that no handler can be asked about, and listen no more."""
        log.info("malformed HTTP from a client", extra={"problem": fault.problem, "status": fault.status})
        self._tell()
        self._writer = ResponseWriter(self._reader.head or _UNREADABLE)
        headers = HTTPHeaders({"Content-Type": "application/json"})
        self.respond_and_linger(
            fault.status, _REASONS[fault.status], headers, _REFUSED % fault.problem.encode()
        )

    def _tell(self) -> None:
        """Tell the handler, if there is one, that its client is no more."""
        tell, self._on_close, self._handler = self._on_close, None, None
        if tell is not None:
            tell()

    def _discard_input(self, data: bytes) -> None:
        reader = self._reader
        if reader.dense and (len(data) > _PIECE or data.count(b"\n") > _TINY):
            self._blind = True  # where it ends is not worth the work
        if reader.fault is None and not self._blind:
            reader.feed(data)
            if reader.complete or reader.fault is not None:
                self._transport.close()

    # -- writing: Tornado's interface

    def set_close_callback(self, callback: Callable[[], object] | None) -> None:
        """What to call when the client leaves (or is cut off) before its answer is complete."""
        self._on_close = callback

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> Future[None]:
        """Send the head of an answer, and the first bytes of its body if there are any."""
        assert isinstance(start_line, ResponseStartLine)
        writer = self._writer
        say = self._part()
        head = writer.head(start_line.code, start_line.reason, headers, say_close=say)
        if chunk is not None and len(chunk) > _LARGE:
            self._send(head)
            return self._send(writer.framed(chunk))
        return self._send(head + writer.framed(chunk) if chunk else head)

    def _part(self) -> bool:
        """Whether this answer's head may say that the connection ends with it; then it does, if the server wants that."""
        say = self.say_close or self._owner.retired
        if say:
            self._writer.keep &= self._owner.keep_alive
        return say

    def write(self, chunk: bytes) -> Future[None]:
        """Send the next bytes of the body; an empty chunk is nothing. The future is done when the socket has taken
        everything, or raises ``StreamClosedError``."""
        return self._send(self._writer.framed(chunk))

    def finish(self) -> None:
        """The answer is complete. Raises ``HTTPOutputError`` if it is not, and cuts it."""
        self._handler = self._on_close = None
        self._shut()
        if self._lingers or self._transport.is_closing():
            return  # it was answered, or cut: whether the answer is whole is no question any more
        try:
            if end := self._writer.end():
                self._send(end)
        except HTTPOutputError:
            self.cut()
            raise
        if not self._reader.complete:
            self._linger()
        elif not self._writer.keep:
            self._transport.close()
        elif self._room is None:
            self._next()
        else:
            self._next_waits = True  # the reader stays: what comes now is ahead of its turn

    def _send(self, data: bytes) -> Future[None]:
        if self._lingers or self._transport.is_closing():  # after the last words nothing more is said
            closed: Future[None] = self.loop.create_future()
            closed.set_exception(StreamClosedError())
            closed.exception()  # nobody may be waiting, which is no fault
            return closed
        if data:
            self._transport.write(data)
        return self._room or self._owner.done

    # -- writing: what Tornado's interface has no word for

    @property
    def busy(self) -> bool:
        """Whether a request is between the end of its head and the end of its answer."""
        return self._handler is not None

    def offer(self, data: bytes) -> bool:
        """The next bytes of the body, unless the client is slow or gone: then false, and nothing was written."""
        transport, writer = self._transport, self._writer
        if self._room is not None or transport.is_closing():
            return False
        if not writer.chunked:
            transport.write(writer.framed(data))
        else:  # a chunk is framed here: this is called for each token
            size = len(data)
            transport.write((_SIZES[size] if size < _SHORT else b"%x\r\n" % size) + data + b"\r\n")
        return True

    def straight(self, way: Way) -> Callable[[bytes], object] | None:
        """What writes chunks of the body as they are, size and all, while nobody has to wait for the client; ``way`` is shut as soon
        as somebody would. None: not now."""
        if self._room is not None or self._transport.is_closing() or not self._writer.chunked:
            return None
        self._way = way
        return self._transport.write

    def _shut(self) -> None:
        if self._way is not None:
            self._way.shut()
            self._way = None

    @property
    def untaken(self) -> int:
        """Bytes of answers that the client has not taken yet, wherever they wait on our side."""
        return untaken(self._transport)

    @property
    def head(self) -> RequestHead:
        """The request's."""
        assert self._reader.head is not None
        return self._reader.head

    def send_continue(self) -> None:
        """The body is wanted: tell a client that waits to hear so."""
        if self.head.expects_continue and not self._reader.complete:
            self._transport.write(_CONTINUE)

    def respond(self, code: int, reason: str, headers: HTTPHeaders, body: bytes) -> Future[None]:
        """The whole answer: ``write_headers`` and ``finish`` in one. ``headers`` tell the length of ``body``."""
        writer = self._writer
        say = self._part()
        head = writer.head(code, reason, headers, say_close=say)
        if len(body) > _LARGE:
            self._send(head)
            sent = self._send(writer.framed(body))
        else:
            sent = self._send(head + writer.framed(body))
        self.finish()
        return sent

    def respond_and_linger(self, code: int, reason: str, headers: HTTPHeaders, body: bytes) -> None:
        """Answer, and close, but not before the client had a chance to read it: what it still sends of its request is
        read and thrown away."""
        self._handler = None
        if self._lingers or self._transport.is_closing():
            return
        headers["Content-Length"] = str(len(body))
        self._writer.keep = False
        head = self._writer.head(code, reason, headers, say_close=True)
        self._transport.write(head + self._writer.framed(body))
        self._linger()

    def _linger(self) -> None:
        if self._reader.complete:
            self._transport.close()
            return
        self._lingers = True
        self._look_no_more()
        self._timer = self.loop.call_later(_LINGER, self._transport.abort)
        waiting = bytes(self._ahead)
        self._ahead.clear()
        self._transport.resume_reading()
        self._discard_input(waiting)

    def cut(self) -> None:
        """Close without the end of the answer, so that a broken one looks broken to every client."""
        self._shut()
        if self._room is None:
            self._transport.close()
        else:
            self._transport.abort()

    def abort(self) -> None:
        """Close at once, whatever is going on."""
        self._shut()
        self._transport.abort()

    # -- between two requests

    def _next(self) -> None:
        self._reader = RequestReader(self._reader.known)
        self._rests = True
        self._wait(self._owner.keepalive_timeout)
        self.say_close = True
        if self._ahead:
            self._owner.turns.wait(self.loop, self._catch_up)

    def _catch_up(self) -> None:
        """The turn of what waits has come: of one request, as much as is there, and of one piece of its chunks."""
        ahead = self._ahead
        while ahead and not (self._reader.complete or self._lingers or self._transport.is_closing()):
            piece = bytes(ahead[:_PIECE])
            if self._reader.chunked and piece.count(b"\n") > _TINY:
                piece = piece[:_TINY_PIECE]
            self._read(piece, ahead=True)
            if self._reader.dense and ahead and not self._reader.complete:
                self._owner.turns.wait(self.loop, self._catch_up)
                break
        if len(ahead) <= _AHEAD and not self._transport.is_closing():
            self._transport.resume_reading()

    @property
    def _period(self) -> float:
        """After so many seconds nothing that begins from now on is over."""
        return min(self._owner.header_timeout, self._owner.keepalive_timeout)

    def _wait(self, seconds: float) -> None:
        self._since, self._allowed = self.loop.time(), seconds

    def _look(self) -> None:
        """From time to time: is this connection still good for anything?"""
        now = self.loop.time()
        if self._handler is not None:  # the handler has its own limits
            again = now + self._period
        elif left := self.untaken:
            pace = self._pace = self._pace or Pace(self._owner.write_timeout, -left)
            if pace.stalled(-left):
                self._transport.abort()
            self._since = now
            again = now + pace.interval
        else:
            self._pace = None
            again = self._since + self._allowed
            if now >= again:
                # A request that the kernel has and we have not read is served (RFC 9112, section 9.5, knows the race).
                if self._reader.begun or not unread(self._transport):
                    self._transport.close()
                again = now + _MOMENT
        self._look_at(again)

    def _look_at(self, due: float) -> None:
        self._due = due
        if due - self.loop.time() > NEAR:
            self._timer = None
            self._owner.wheel.join(self)
        else:
            self._timer = self.loop.call_at(due, self._look)

    def _look_no_more(self) -> None:
        if self._timer is None:
            self._owner.wheel.leave(self)
        else:
            self._timer.cancel()

    def on_turn(self, now: float) -> bool:
        """``net.wheel.Rider``. While a request is answered nothing is due."""
        if self._handler is not None or self._due - now > NEAR:
            return True
        self._timer = self.loop.call_at(self._due, self._look)
        return False
