"""Everything that can go wrong with a request, and the face that each failure shows to a client.

Laws: an error knows its own HTTP status, type and code; its ``message`` is safe to show to a client (no secret,
no address of an upstream); what only the operator may see lives in ``detail`` and goes to the log. Classification
is by status and machine-readable code, never by prose. This module refuses to know about Tornado, logging or any
vendor.

The tree::

    GatewayError                      500  internal_error
      RequestError                    400  the client's request is at fault
        InvalidRequest                400  invalid_request (carries the first problems with their paths)
        InvalidJson                   400  invalid_json
        NotFound                      404  not_found
          ModelNotFound               404  model_not_found
          PromptNotFound              404  prompt_not_found
        MethodNotAllowed              405  method_not_allowed
        NotAllowed                    403  not_allowed
        KeyRefused                    401  invalid_api_key
        NotAllowed                    403  not_allowed
        LimitReached                  429  rate_limit_exceeded
        BudgetSpent                   429  insufficient_quota (402 in Anthropic's form)
        HostNotAllowed                403  host_not_allowed
        OriginNotAllowed              403  origin_not_allowed
        RequestTooLarge               413  request_too_large
        UnsupportedMedia              415  unsupported_media_type
        RequestTimeout                408  request_timeout
        Conflict                      409  conflict
        NotSupported                  501  not_supported
        ThreadsUnsupported            400  thread_unsupported_request
      UpstreamError                   502  upstream_error (the upstream broke its own protocol, or failed)
        UpstreamUnreachable           502  upstream_unreachable
        UpstreamAuth                  502  upstream_auth
        UpstreamRefused               4xx  the upstream's own verdict on the client's request
        RateLimited                   429  rate_limit
        UpstreamTimeout               504  timeout_connect | timeout_first_byte | timeout_idle | timeout_total
      NoUpstream                      503  no_upstream
      Draining                        503  draining
      StoppedByOperator               503  stopped_by_operator
      Unavailable                     503  unavailable
      Overloaded                      503  overloaded
      ClientGone                      499  never written to anyone; exists so that the log can say it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from math import ceil
from typing import Any, ClassVar, Literal

TimeoutPhase = Literal["connect", "first_byte", "idle", "total"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a request: ``path`` such as ``messages.0.role``, and what is allowed there."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class GatewayError(Exception):
    """Base of all failures that reach a client. ``message`` is for the client, ``detail`` only for the log."""

    status: int = 500
    type: str = "server_error"
    code: str = "internal_error"
    #: Where an upstream call failed: resolve, connect, tls, head, body, write, or empty (for logs and metrics).
    phase: str = ""
    #: What happened there, e.g. refused, reset, truncated, timeout (for logs and metrics).
    kind: str = ""
    #: What Anthropic's clients read beside the type, to decide how to go on (``error.details``).
    details: Mapping[str, Any] | None = None
    #: Header fields of the answer, beside ``Retry-After``; and what stands in its body beside the message.
    headers: tuple[tuple[str, str], ...] = ()
    beside: Mapping[str, Any] | None = None
    #: How long the upstream wants to be left alone, in seconds, as it said itself.
    wait: float | None = None

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        type: str | None = None,
        code: str | None = None,
        param: str | None = None,
        problems: Iterable[Problem] = (),
        retry_after: str | None = None,
        detail: str = "",
        phase: str | None = None,
        kind: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = cut(message, _MAX_MESSAGE)
        self.status = self.status if status is None else status
        self.type = self.type if type is None else type
        self.code = self.code if code is None else code
        self.param = param
        self.problems = tuple(problems)
        self.retry_after = retry_after
        self.detail = detail
        self.phase = self.phase if phase is None else phase
        self.kind = self.kind if kind is None else kind


class RequestError(GatewayError):
    """The client's request is at fault; nothing was sent to any upstream."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_request"


#: How many problems of one document are told, and how much of each; nobody reads more.
MAX_PROBLEMS = 20
_MAX_PATH, _MAX_TEXT = 200, 400
#: How long a message may be.
_MAX_MESSAGE = 16 * 1024


class InvalidRequest(RequestError):
    """One or more fields are wrong; ``problems`` lists the first ``MAX_PROBLEMS`` of them."""

    @classmethod
    def of(cls, problems: Iterable[Problem], more: int = 0) -> InvalidRequest:
        """Build the error whose message names the problems (at least one) and whose ``param`` is the first. ``more`` are
        known besides; those beyond the bound are counted with them."""
        rest = iter(problems)
        found = tuple(
            Problem(cut(p.path, _MAX_PATH), cut(p.message, _MAX_TEXT)) for p in islice(rest, MAX_PROBLEMS)
        )
        more += sum(1 for _ in rest)
        told = [*map(str, found), *([and_more(more)] if more else [])]
        return cls("; ".join(told), param=found[0].path or None, problems=found)


def and_more(count: int) -> str:
    """What stands behind a list that does not hold everything."""
    return f"and {count:,} more"


def cut(text: str, limit: int) -> str:
    """``text``, of which a stranger may have chosen the length."""
    return text if len(text) <= limit else f"{text[:limit]}..."


class InvalidJson(RequestError):
    """The body is not a JSON object that we accept; the message gives line and column where known."""

    code = "invalid_json"


class NotFound(RequestError):
    """No such path."""

    status = 404
    code = "not_found"


class ModelNotFound(NotFound):
    """No active model of that name; the message names near ones."""

    code = "model_not_found"


class PromptNotFound(NotFound):
    """No prompt of that id in any language; the message names near ones."""

    code = "prompt_not_found"


class MethodNotAllowed(RequestError):
    """The path exists, the method does not."""

    status = 405
    code = "method_not_allowed"


class KeyRefused(RequestError):
    """No key, or none that is valid. ``name``: whose it would be, for the log."""

    status = 401
    code = "invalid_api_key"
    headers = (("WWW-Authenticate", "Bearer"),)  # RFC 9110, section 11.6.1

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class NotAllowed(RequestError):
    """The key is good, and this is not for it. ``name``: whose it is, for the log, where that is not known by itself."""

    name = ""
    status = 403
    type = "permission_error"
    code = "not_allowed"


#: Who is told to come back later than this many seconds is told not to try again by itself: OpenAI's clients obey waits of
#: up to two minutes, Anthropic's sleep for hours.
_SHORT_WAIT = 60.0


class LimitReached(RequestError):
    """A limit of the key, its team or the model is reached; ``wait`` seconds from now there is room."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"

    #: Whether too many requests are running.
    running = False
    #: What is left of each limit, for the headers.
    standing: tuple[Any, ...] = ()

    def __init__(self, message: str, wait: float) -> None:
        whole = max(1, ceil(wait))
        super().__init__(message, retry_after=str(whole))
        self.headers = (("retry-after-ms", str(max(1, ceil(wait * 1000)))),)
        if wait > _SHORT_WAIT:
            self.headers += (("x-should-retry", "false"),)


class BudgetSpent(RequestError):
    """The money is spent; ``resets_at``: when there is more, as RFC 3339 writes it."""

    status = 429
    type = "insufficient_quota"
    code = "insufficient_quota"
    headers = (("x-should-retry", "false"),)

    def __init__(self, message: str, resets_at: str) -> None:
        super().__init__(message)
        self.beside = {"resets_at": resets_at}


class HostNotAllowed(RequestError):
    """The Host header is not one of the accepted names (defence against DNS rebinding)."""

    status = 403
    type = "permission_error"
    code = "host_not_allowed"


class OriginNotAllowed(RequestError):
    """The request says that it comes from a web page that nobody has allowed (defence against pages of strangers)."""

    status = 403
    type = "permission_error"
    code = "origin_not_allowed"


class RequestTooLarge(RequestError):
    """The body is larger than LLM_PROXY_API_MAX_BODY_SIZE."""

    status = 413
    code = "request_too_large"


class UnsupportedMedia(RequestError):
    """The body's encoding or media type is not one that we read."""

    status = 415
    code = "unsupported_media_type"


class RequestTimeout(RequestError):
    """The client did not send its whole body in time."""

    status = 408
    code = "request_timeout"


class NotSupported(RequestError):
    """The endpoint exists in the dialect, but a gateway does not offer it (model management, for example)."""

    status = 501
    code = "not_supported"

    @classmethod
    def by_upstream(cls, message: str) -> NotSupported:
        """The model's upstream has no such thing. A 400: OpenAI's clients would ask again after a 501."""
        return cls(message, status=400, param="model")


class ThreadsUnsupported(RequestError):
    """Anthropic's message threads, which keep a conversation on the server: a gateway keeps none.

    The tool runner of the official client begins with a thread, and goes on without one when it is told this
    (anthropic/lib/threads of anthropic 2.14)."""

    code = "thread_unsupported_request"
    details = {"error_code": code, "unsupported": ["thread"]}


class UpstreamError(GatewayError):
    """The upstream failed, or broke its own protocol."""

    status = 502
    code = "upstream_error"


class UpstreamUnreachable(UpstreamError):
    """No connection, or it died before any byte of an answer."""

    code = "upstream_unreachable"
    phase = "connect"


class UpstreamAuth(UpstreamError):
    """The upstream rejects the gateway's own key. Never the client's fault, so never a 401."""

    code = "upstream_auth"
    phase = "head"
    kind = "auth"


class UpstreamRefused(UpstreamError):
    """A 4xx verdict of the upstream on the client's request; status and message are kept."""

    status = 400
    type = "invalid_request_error"
    phase = "head"
    kind = "4xx"


class RateLimited(UpstreamError):
    """The upstream asks for fewer requests; ``retry_after`` is passed on."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit"
    phase = "head"
    kind = "429"


class UpstreamTimeout(UpstreamError):
    """One of the four limits fired; the code says which."""

    status = 504
    kind = "timeout"

    #: Where in the life of an upstream call each limit runs.
    _PHASES: ClassVar[Mapping[str, str]] = {
        "connect": "connect",
        "first_byte": "head",
        "idle": "body",
        "total": "body",
    }
    _WHAT: ClassVar[Mapping[str, str]] = {
        "connect": "did not accept a connection",
        "first_byte": "sent no first event",
        "idle": "sent nothing more",
        "total": "did not finish",
    }

    @classmethod
    def of(cls, which: TimeoutPhase, seconds: float) -> UpstreamTimeout:
        """The error for limit ``which`` of ``seconds`` seconds."""
        return cls(
            f"the upstream {cls._WHAT[which]} within {seconds:g} s (limit: {which})",
            code=f"timeout_{which}",
            phase=cls._PHASES[which],
        )


class NoUpstream(GatewayError):
    """The model is known, but nothing can serve it right now."""

    status = 503
    code = "no_upstream"


class Draining(GatewayError):
    """The process is stopping."""

    status = 503
    code = "draining"


class StoppedByOperator(GatewayError):
    """Somebody who runs the gateway has ended the request."""

    status = 503
    code = "stopped_by_operator"
    headers = (("x-should-retry", "false"),)  # clients of OpenAI's and Anthropic's would ask again


class Conflict(RequestError):
    """What the request builds on is not so any more. ``beside``: what is."""

    status = 409
    code = "conflict"


class Unavailable(GatewayError):
    """It cannot be done just now, for a reason outside of the request."""

    status = 503
    code = "unavailable"


class Overloaded(GatewayError):
    """More is asked for than this process has room for right now; ``retry_after`` says when to come back."""

    status = 503
    code = "overloaded"


class ClientGone(GatewayError):
    """The client closed its connection. 499 is nginx's status for it; it is logged, never sent."""

    status = 499
    type = "client_error"
    code = "client_gone"


def openai_face(error: GatewayError, request_id: str) -> dict[str, Any]:
    """The error in OpenAI's form: ``{"error": {message, type, code, param, request_id, problems?}}``."""
    body: dict[str, Any] = {
        "message": error.message,
        "type": error.type,
        "code": error.code,
        "param": error.param,
        "request_id": request_id,
    }
    if error.problems:
        body["problems"] = [{"path": p.path, "message": p.message} for p in error.problems]
    if error.beside is not None:
        body |= error.beside
    return {"error": body}


def ollama_face(error: GatewayError, request_id: str) -> dict[str, Any]:
    """The error in Ollama's form: ``{"error": "text"}``; the request id is in the header only."""
    return {"error": error.message}


#: Anthropic's error types by HTTP status (docs.anthropic.com, "Errors").
_ANTHROPIC_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def anthropic_status(error: GatewayError) -> int:
    """Money has a status of its own in that API."""
    return 402 if isinstance(error, BudgetSpent) else error.status


def anthropic_face(error: GatewayError, request_id: str) -> dict[str, Any]:
    """The error in Anthropic's form: ``{"type": "error", "error": {type, message}, "request_id"}``."""
    fallback = "invalid_request_error" if 400 <= error.status < 500 else "api_error"
    kind = _ANTHROPIC_TYPES.get(anthropic_status(error), fallback)
    told: dict[str, Any] = {"type": kind, "message": error.message}
    if error.details is not None:
        told["details"] = error.details
    if error.beside is not None:
        told |= error.beside
    return {"type": "error", "error": told, "request_id": request_id}
