"""What every endpoint has in common: pin the snapshot, judge the head, answer errors, log one line. (``body`` reads the body.)

Laws: a request takes ``registry.current`` once, in ``prepare``. No answer leaves without its request id and
generation. Every error is JSON in the face's dialect, whoever raised it. A body is judged by its headers before it is
read. A handler that has begun a stream never lets Tornado finish it after a failure: it cuts the connection.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable, Mapping
from http.client import responses
from random import getrandbits
from time import perf_counter, time
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote

from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, MissingArgumentError, stream_request_body

from handlers.base.body import LEAST_RATE, BodyHandler
from handlers.base.gate import Models, Needs
from handlers.base.gateway import Gateway
from handlers.base.signed_in import signed_in
from handlers.base.tracing import RequestSpan, begin, send
from llm_proxy.clients.front_door import Arrival, Verdict
from llm_proxy.clients.tornado_internals import implements
from llm_proxy.clients.unpacking import ACCEPTED, codings_of
from llm_proxy.errors import (
    ClientGone,
    Draining,
    GatewayError,
    HostNotAllowed,
    KeyRefused,
    MethodNotAllowed,
    NotAllowed,
    NotFound,
    RequestError,
    RequestTooLarge,
    UnsupportedMedia,
)
from llm_proxy.faces.face import Face, OpenAIFace
from llm_proxy.live.access.secrets import PREFIX as KEY_PREFIX
from llm_proxy.live.access.secrets import redacted
from llm_proxy.live.config.catalog import Resolved
from llm_proxy.live.state.registry import Snapshot
from llm_proxy.net.pace import Pace
from llm_proxy.routing.choice import unknown_model
from llm_proxy.telemetry import log as logs
from llm_proxy.telemetry.access_template import AGENT, BASE
from llm_proxy.wire.calls import NOTHING
from llm_proxy.wire.host import host_name
from llm_proxy.wire.long_json import PIECE, dumps_long
from llm_proxy.wire.sse import dumps
from llm_proxy.wire.trace_context import TraceContext, read_context

log = logging.getLogger(__name__)
access_log = logging.getLogger("llm_proxy.access")

T = TypeVar("T")

#: A request id of a client that may be repeated in headers and logs.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_ID_HEADERS = ("x-request-id", "x-correlation-id", "x-trace-id", "request-id")
_ID_NAMES = frozenset(_ID_HEADERS)

#: Characters of a path that are shown, and those that are shown as they are.
_SHOWN, _PATH = 200, "/%:@!$&'()*+,;=~"

#: For errors: it keeps nothing of an answer.
_PLAIN = OpenAIFace()

#: About the bytes of one entry of a list.
_ENTRY = 512


@stream_request_body
class BaseHandler(BodyHandler):
    """Base of all endpoints. Subclasses may set ``face`` to answer errors in another dialect."""

    #: Shown in the access log.
    endpoint: ClassVar[str] = ""
    #: Whose API it belongs to, for metrics.
    dialect: ClassVar[str] = "api"
    #: Whether programs ask for it all the time, so that the log hears of failures only.
    probe: ClassVar[bool] = False
    #: Whether it is served while the process drains.
    during_drain: ClassVar[bool] = False
    #: Whether it is a page that does nothing but tell, so that pages of others may link to it.
    linkable: ClassVar[bool] = False
    #: Which key it asks for, where the configuration has keys.
    needs: ClassVar[Needs] = "key"
    #: Whether it is one of the console's own.
    of_the_console: ClassVar[bool] = False
    #: Whether its requests for a model are remembered for the console.
    remembered: ClassVar[bool] = False
    #: Whether a body that came compressed is read, not sent on as it is.
    unpacks: ClassVar[bool] = True

    snapshot: Snapshot
    #: What the upstream has counted, if it has.
    usage: Mapping[str, Any] = NOTHING
    request_id = ""
    #: The trace that the request belongs to; and what the client has said of it, if it did.
    trace = ""
    context: TraceContext | None
    #: What is noted of it for a collector, if it is recorded.
    span: RequestSpan | None
    #: The status of an answer that broke after its head was sent.
    broken: int | None
    #: What the front door says of it, if there was anything to judge.
    verdict: Verdict | None

    __slots__ = ("broken", "context", "span", "verdict")

    def initialize(self, gateway: Gateway) -> None:
        self.gone = self._cut = False
        self.grant = self.context = self.span = self.broken = self.verdict = self._body_timer = None
        self.gateway = gateway
        self.connection = self.request.connection
        self.snapshot = gateway.registry.current
        self._name_it()
        self.face: Face = self.make_face()
        self._chunks = []
        #: Facts for the access line, filled in as they become known.
        self.facts: dict[str, Any] = {}
        #: True while the body has not been taken by a method.
        self._reading = self.connection.head.length != 0
        #: ``perf_counter`` seconds; the loop's own clock is too coarse for first-byte times.
        self.started = perf_counter()
        #: When the whole body was there and work began.
        self.body_at = self.started
        if self.request.headers.has_any(gateway.door.watched):
            self._judge()
        self.set_default_headers()

    def _judge(self) -> None:
        """A browser sent it, or a proxy has told of it."""
        request, connection = self.request, self.connection
        fields = request.headers.by_name()
        arrival = Arrival(
            str(request.method), fields, request.host, request.remote_ip, self.linkable, connection.secure
        )
        self.verdict = verdict = self.gateway.door.judge(arrival)
        if verdict.refusal is not None and "origin" in fields:
            self.facts["origin"] = fields["origin"][:200]

    def make_face(self) -> Face:
        """The dialect of this endpoint's answers."""
        return _PLAIN

    def clear(self) -> None:
        super().clear()
        if self.request_id:  # it is called before there is one
            self.set_default_headers()

    def set_default_headers(self) -> None:
        headers = self.answer_headers
        headers.put_all(
            {
                "Content-Type": "application/json",
                "X-Request-Id": self.request_id,
                "X-Trace-Id": self.trace,
                "X-Config-Generation": self.snapshot.version,
            }
        )
        for name, value in self.verdict.cors if self.verdict else self.gateway.door.always:
            headers.put(name, value)

    def compute_etag(self) -> str | None:
        return None  # answers are not cached; hashing them would be work for nothing

    def prepare(self) -> None:
        logs.request_id.set(self.request_id)
        if self._cut or self.gone:
            return  # the body came with the head, and was too large or malformed: that was the answer
        if refusal := self._refusal():
            self.refuse(refusal)
        elif self.verdict is not None and self.verdict.preflight:
            self.answer_without_body()
        elif not self.whole:
            self.connection.send_continue()
            seconds = self.gateway.settings.body_timeout
            self._pace = Pace(seconds, self._size, LEAST_RATE * seconds)
            self._look_again()

    def tell_methods(self) -> None:
        """The answer to OPTIONS (RFC 9110, section 9.3.7)."""
        self.set_header("Allow", ", ".join([*self.allowed_methods(), "OPTIONS"]))
        self.answer_without_body()

    def answer_without_body(self) -> None:
        """204: the header fields are all that is said."""
        self.set_status(204)
        self.clear_header("Content-Type")
        self.finish()

    def _refusal(self) -> GatewayError | None:
        """Why this request is not read any further, if so; decided from the head alone."""
        gateway = self.gateway
        door, length = gateway.door, self.connection.head.length
        # No page but ours can have the address that the client has connected to for its name, and none reaches a Unix socket.
        if not door.serves(name := self.request.host_name):
            at = self.connection.local_ip
            if (at or door.listed) and name != host_name(at):
                return HostNotAllowed("this Host name is not served here; see LLM_PROXY_API_ALLOWED_HOSTS")
        if self.verdict is not None and self.verdict.refusal is not None:
            return self.verdict.refusal
        if gateway.draining and not self.during_drain:
            return Draining("the gateway is stopping", retry_after="1")
        if self.snapshot.access is not None and (error := self._key_refusal()) is not None:
            return error
        coding = self.request.headers.get("content-encoding")
        if coding is not None and self.unpacks and length:
            try:
                self._codings = codings_of(coding)
            except UnsupportedMedia as error:
                self.set_header("Accept-Encoding", ACCEPTED)  # RFC 9110, section 15.5.16
                return error
        limit = gateway.settings.max_body_size
        if length > limit:
            return RequestTooLarge(f"the body must not be larger than {limit} bytes")
        if length > self._size and not gateway.memory.fits(length - self._size):
            return gateway.memory.refusal()
        return None

    def _key_refusal(self) -> GatewayError | None:
        """Why the key that came with the request will not do, if so. A browser sends none with a preflight."""
        access = self.snapshot.access
        if access is None or self.needs == "nothing" or (self.verdict is not None and self.verdict.preflight):
            return None
        headers, facts = self.request.headers.by_name(), self.facts
        grant = signed_in(self, access, headers) if "cookie" in headers else None
        try:
            if grant is None:
                grant = self.gateway.gate.admit(access, headers, self.needs, self.endpoint)
        except (KeyRefused, NotAllowed) as error:
            if error.name:
                facts["key"] = error.name
            return error
        except GatewayError as error:
            return error
        self.grant = grant
        facts["key"] = grant.name
        if team := grant.terms.team:
            facts["team"] = team
        return None

    @property
    def models(self) -> Models:
        """The models that there are for whoever asks."""
        grant = self.grant
        return self.snapshot.models if grant is None else self.gateway.gate.models(self.snapshot, grant)

    def look_up(self, model: str) -> Resolved | None:
        """What ``model`` means for whoever asks; None if nobody serves it, or not for this key."""
        found = self.snapshot.catalog.resolve(model)
        if found is None or self.grant is None or self.grant.allows(model, found.name):
            return found
        return None

    def resolved(self, model: str) -> Resolved:
        """The same. Raises ``ModelNotFound``."""
        found = self.look_up(model)
        if found is None:
            raise unknown_model(model, self.models)
        return found

    def may_use(self, model: str) -> bool:
        """Whether the key is for that model."""
        return self.grant is None or self.grant.allows(model)

    def refuse(self, error: GatewayError) -> None:
        """Answer ``error`` although the body may not have been read; then the connection is closed."""
        self.cancel_timer()
        if self.whole:
            self.fail(error)
            return
        self._cut = True
        self.release()
        self.note_failure(error)
        status = self._tell_failure(error)
        body = self._refusal_body(error)
        self._log_line()
        self.connection.respond_and_linger(
            status, responses.get(status, "Unknown"), self.answer_headers, dumps(body)
        )

    def _tell_failure(self, error: GatewayError) -> int:
        """What the head of an answer says of ``error``; its status."""
        status = self.face.status(error)
        self.set_status(status)
        if error.retry_after:
            self.set_header("Retry-After", error.retry_after)
        for name, value in error.headers:
            self.set_header(name, value)
        return status

    def _refusal_body(self, error: GatewayError) -> dict[str, Any]:
        """``error`` in the face's dialect. A key that came in a wrong place is not repeated."""
        if KEY_PREFIX in error.message:
            error.message = redacted(error.message)
        return self.face.refusal(error, self.request_id)

    def send_json(self, value: Any, status: int = 200) -> None:
        """Finish with a JSON body."""
        self.set_status(status)
        self.finish(dumps(value))

    async def send_long(self, count: int, make: Callable[[], dict[str, Any]]) -> None:
        """Finish with the JSON that ``make`` makes of ``count`` entries, made beside the loop if they are many."""
        if count <= PIECE:
            self.send_json(make())
            return
        self.finish(await self.offloaded(count * _ENTRY, lambda: dumps_long(make()), paid=True))

    def fail(self, error: GatewayError) -> None:
        """Finish with ``error`` in the face's dialect; nothing has been sent yet."""
        self.note_failure(error)
        self._tell_failure(error)
        self.set_header("Content-Type", "application/json")
        body = self._refusal_body(error)
        if self.gateway.settings.in_debug and isinstance(body.get("error"), dict):
            body["error"]["debug"] = {
                "phase": error.phase,
                "kind": error.kind,
                "exception": type(error).__name__,
            }
        self.finish(dumps(body))

    def note_failure(self, error: GatewayError) -> None:
        """What the access line says about a failure."""
        if error.detail:
            self.facts["detail"] = error.detail
        if isinstance(error, ClientGone) or self.gone:
            self.facts.setdefault("ended_by", "client")  # where it was noticed, more is known than here
            return
        self.facts.update(code=error.code, phase=error.phase, kind=error.kind)
        if error.phase:
            self.facts["ended_by"] = "upstream"

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        self.fail(self._as_gateway_error(status_code, error))

    def _as_gateway_error(self, status: int, error: BaseException | None) -> GatewayError:
        if isinstance(error, GatewayError):
            return error
        if status == 405:
            allowed = ", ".join(self.allowed_methods())
            self.set_header("Allow", allowed)
            return MethodNotAllowed(f"this path takes {allowed}")
        if status == 404:
            return NotFound("there is no such path; GET /docs lists all of them")
        if isinstance(error, HTTPError | MissingArgumentError) and status < 500:
            return RequestError("the request line is malformed", status=status)
        return GatewayError("an internal error occurred; the request id leads to it in the log")

    def allowed_methods(self) -> list[str]:
        """The methods that this class implements."""
        return [
            method
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
            if implements(type(self), method)
        ]

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if isinstance(value, GatewayError | HTTPError | StreamClosedError):
            return  # the access line tells
        # The traceback, without Tornado's repr of the request: that contains the query string.
        log.error(
            "unhandled exception in a handler",
            extra={
                "endpoint": self.endpoint,
                "exception": type(value).__name__,
                "where": _where(tb),
            },
        )

    def on_connection_close(self) -> None:
        """The client left (Tornado tells within a millisecond), or we cut the connection ourselves."""
        self.cancel_timer()
        self.body_lost()
        if self._cut:
            return
        self.gone = True
        self._give_up_job()
        self.facts.setdefault("ended_by", "client")
        if self._reading:  # no method will ever run, so nobody else logs this request
            self.facts["phase"] = "request"
            self._log_line()

    def cut(self) -> None:
        """End the connection without the last chunk, so that a broken answer looks broken to every client."""
        self._cut = True
        self.connection.cut()

    def on_finish(self) -> None:
        self.cancel_timer()
        self._log_line()

    def _log_line(self) -> None:
        """The one access line of this request."""
        ended = perf_counter()
        total = ended - self.started
        status = 499 if self.gone else self.get_status()
        self.measured(499 if self.gone else self.broken or status, ended, total)
        if self.span is not None:
            send(self, self.span, 499 if self.gone else self.broken or status)
        logged = access_log.isEnabledFor(logging.DEBUG if self.probe and status < 400 else logging.INFO)
        # Those that ``/metrics`` counts.
        remember = self.gateway.ended if self.remembered else None
        facts = self.facts
        if remember is not None and "model" not in facts and "provider" not in facts:
            remember = None
        if not logged and remember is None:
            return
        client = self.verdict.asked.client if self.verdict else self.request.remote_ip
        base: tuple[Any, ...] = (
            self.request_id,
            self.request.method,
            self.endpoint or "unknown",
            self.request.path_asked,
            status,
            client,
            # As ``telling.ms``, which would be one more call for each request.
            int(total * 100_000 + 0.5) / 100,
            self.snapshot.version,
            self.trace,
        )
        if (agent := self.request.headers.get("User-Agent")) is not None:
            base = (*base, agent[:_SHOWN])
        said: str | dict[str, Any] | None = None
        # Hardly ever is there a key of ours: in what a client writes on each request, or where somebody's words may stand.
        plain = self.snapshot.access is None or (
            KEY_PREFIX not in f"{base[0]} {base[3]} {agent} {facts.get('model')}" and facts.keys() <= _FIGURES
        )
        if logged and plain and not self.gone:
            said = logs.usual_access(base, facts)
        if said is None:
            said = self._fields(base, plain=plain)
            if logged:
                logs.access(said)
        if remember is not None:
            told = 499 if self.gone else self.broken or status
            remember(time(), told, facts, said, self.answer_headers, self.usage)

    def _fields(self, base: tuple[Any, ...], *, plain: bool) -> dict[str, Any]:
        """The fields of the access line; ``plain``: there is no key of ours in them."""
        fields = dict(zip((*BASE, AGENT), base, strict=False))
        facts = self.facts
        if None in facts.values() or "" in facts.values():
            facts = {name: value for name, value in facts.items() if value is not None and value != ""}
        fields |= facts
        if self.gone:
            fields["code"] = "client_gone"
        return fields if plain else {name: _without_keys(value) for name, value in fields.items()}

    def measured(self, status: int, ended: float, seconds: float) -> None:
        """The request has ended with ``status`` (a broken answer's is that of its error), after so many seconds; ``ended``:
        ``perf_counter`` seconds."""

    def _name_it(self) -> None:
        """Choose the ids of the request and of its trace: the client's, where it has sent some that may be repeated."""
        made = f"{getrandbits(128):032x}"  # to tell requests apart, not a secret
        self.request_id = made
        fields = self.request.headers.by_name()
        if not _ID_NAMES.isdisjoint(fields):
            for given in self.request.headers.given(_ID_HEADERS):
                if _REQUEST_ID.fullmatch(given) and KEY_PREFIX not in given:
                    self.request_id = given
                    break
        if "traceparent" in fields:
            self.context = read_context(fields["traceparent"], fields.get("tracestate"))
        # Another id for each, since a trace may have many requests.
        self.trace = made if self.context is None else self.context.trace
        tracer = self.gateway.tracer
        if tracer is not None and not self.probe and tracer.takes(self.trace, self.context):
            self.span = begin(content=tracer.options.content)


class NotFoundHandler(BaseHandler):
    """Any path that nobody else serves; told before a body is read."""

    endpoint = "unknown"

    def prepare(self) -> None:
        super().prepare()
        if not (self.answered or self._cut or self.gone):
            self.refuse(NotFound(self.message()))

    def message(self) -> str:
        """What the 404 says."""
        return f"there is no such path: {self.shown_path()}; GET /docs lists all of them"

    def shown_path(self) -> str:
        """The path that was asked for, as far as it may be shown."""
        path = self.request.path_asked
        first = redacted(path[:_SHOWN])
        shown = (
            first if first.isascii() and first.isprintable() else quote(first, safe=_PATH, encoding="latin-1")
        )
        return shown if len(path) <= _SHOWN else shown + "..."


#: Facts in which nobody's words can stand, and the model.
_FIGURES = frozenset(
    """model key team provider upstream_model stream prompt_tokens completion_tokens events attempts upstream_bytes own_ms
    first_byte_ms itl_ms abort_ms client_ms queued_ms affinity micro_usd estimated retried drained""".split()
)


def _without_keys(value: Any) -> Any:
    """A fact for the log in which no key of ours stands: a client may write one into any name."""
    if type(value) is str:
        return redacted(value)
    return [_without_keys(item) for item in value] if type(value) is list else value


def _where(tb: Any) -> str:
    """The stack as ``file:line function`` without source lines or values."""
    frames = traceback.extract_tb(tb)
    return " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames[-8:]))
