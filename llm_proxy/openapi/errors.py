"""Errors in each dialect, and the headers of answers. Which can happen where: ``errors_of``. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from llm_proxy.openapi.schemas import STRING, const, many, maybe, record, ref
from llm_proxy.openapi.values import JSON, Answer, Dialect, Operation, Schema

#: Schema of an error body, by dialect.
NAMES: dict[Dialect, str] = {
    "openai": "Error",
    "ollama": "OllamaError",
    "anthropic": "AnthropicError",
    "gemini": "GeminiError",
    "either": "EitherError",
}

SCHEMAS: dict[str, Schema] = {
    "Error": record(
        {
            "error": record(
                {
                    "message": STRING,
                    "type": STRING,
                    "code": STRING,
                    "param": maybe(STRING),
                    "request_id": STRING,
                },
                {
                    "problems": many(record({"path": STRING, "message": STRING})),
                    "debug": record({}, what="Only with LLM_PROXY_API_IN_DEBUG."),
                },
            )
        },
        what="OpenAI's form. `problems` lists every fault of a request with its path.",
    ),
    "OllamaError": record({"error": STRING}, what="Ollama's form; the request id stands in the header."),
    "AnthropicError": record(
        {"type": const("error"), "error": record({"type": STRING, "message": STRING}), "request_id": STRING},
        what="Anthropic's form.",
    ),
    "GeminiError": record(
        {
            "error": record(
                {
                    "code": {"type": "integer"},
                    "message": STRING,
                    "status": STRING,
                    "details": many(record({})),
                },
                {"debug": record({}, what="Only with LLM_PROXY_API_IN_DEBUG.")},
            )
        },
        what="Google's form. `details` hold our own code (`ErrorInfo`), every fault of a request with its path "
        "(`BadRequest`), when to come back (`RetryInfo`) and the request's id.",
    ),
    "EitherError": {
        "description": "OpenAI's form; Anthropic's for a request with `anthropic-version`, Google's for one with "
        "`x-goog-api-key`.",
        "anyOf": [ref("Error"), ref("AnthropicError"), ref("GeminiError")],
    },
}

HEADERS: dict[str, tuple[str, Schema]] = {
    "X-Trace-Id": ("The trace that the request belongs to: that of its `traceparent`, or a new one.", STRING),
    "X-Request-Id": ("The request's id: the client's own if it sent a well-formed one.", STRING),
    "X-Config-Generation": (
        "The configuration that answered: its number, and the beginning of its hash.",
        {"type": "string", "pattern": "^[0-9]+-[0-9a-f]{8}$"},
    ),
    "X-LLM-Provider": ("The provider that was asked.", STRING),
    "X-LLM-Model": ("The model's name at the provider.", STRING),
    "X-LLM-Attempts": (
        "Who was asked, in this order, what came of it, and how long it took to the first byte: `gpu-1:503:12ms, gpu-2:200:840ms`.",
        STRING,
    ),
    "X-LLM-Fallback": (
        "The model that was asked for, and the one that answers in its place: `a->b`.",
        STRING,
    ),
    "X-LLM-Continuation": (
        "`allowed`: if the stream breaks off, another upstream may go on with it.",
        STRING,
    ),
    "X-Prompt": ("The prompt that was put in front: id@hash, and its language.", STRING),
    "X-Dropped-Params": ("Fields of the request that the provider's API cannot express.", STRING),
    "X-LLM-Budget": (
        "A budget of the key that is used beyond its `warn`, and how much of it: `research-month 81%`.",
        STRING,
    ),
    "X-Token-Count": ("`estimate` where nobody could count.", STRING),
    "Retry-After": ("When to try again: seconds, or a date.", STRING),
    "retry-after-ms": ("The same in milliseconds, where a limit of ours is reached.", STRING),
    "x-should-retry": (
        "`false`: official clients give up at once, because it takes more than a minute, or a budget is spent.",
        STRING,
    ),
    "request-id": ("The same as `X-Request-Id`, where Anthropic's clients look for it.", STRING),
    "ETag": ("Changes with the body.", STRING),
}
#: On every answer, and on those that an upstream was asked for.
ALWAYS = ("X-Request-Id", "X-Trace-Id", "X-Config-Generation")
ASKED = (
    "X-LLM-Provider",
    "X-LLM-Model",
    "X-LLM-Attempts",
    "X-LLM-Fallback",
    "X-LLM-Continuation",
    "X-LLM-Budget",
    "X-Dropped-Params",
)

_WHAT: dict[str, str] = {
    "400": "The request is malformed; the first problems are named with their paths, the rest counted.",
    "401": "There are keys (docs/access.md), and none came, or none that is valid (`invalid_api_key`).",
    "403": "The key is not for this (`not_allowed`), the Host header is not accepted (`host_not_allowed`), a page of another "
    "origin asks (`origin_not_allowed`), or "
    "the upstream refuses.",
    "404": "There is no such thing; near names are given.",
    "408": "The body was not complete in time (`request_timeout`).",
    "413": "The body is larger than LLM_PROXY_API_MAX_BODY_SIZE (`request_too_large`).",
    "415": "The body's encoding or media type is not read here (`unsupported_media_type`).",
    "429": "The upstream asks for fewer requests (`rate_limit`).",
    "4XX": "The upstream refuses the request: its own status and message.",
    "500": "An internal fault; the request id leads to it in the log.",
    "501": "This gateway, or the upstream, cannot do that (`not_supported`).",
    "502": "The upstream cannot be reached, failed, or rejects the gateway's key (`upstream_unreachable`, "
    "`upstream_error`, `upstream_auth`).",
    "503": "Nothing can serve this now (`no_upstream`), too many requests wait for an upstream (`queue_full`), or this one has "
    "for too long (`queue_timeout`), the gateway is stopping (`draining`), an operator has ended the request (`stopped_by_operator`), or it holds as much as it may (`overloaded`).",
    "504": "The upstream took too long (`timeout_connect`, `timeout_first_byte`, `timeout_idle`, `timeout_total`).",
    "5XX": "The upstream failed with a status of its own.",
}
_RETRY = ("429", "503")

_EVERYWHERE = ("403", "408", "413", "415", "500", "503")
_UPSTREAM = ("404", "429", "4XX", "501", "502", "504", "5XX")


def error_answer(status: str, dialect: Dialect, relays: bool = False) -> Answer:
    """The answer with that status. ``relays``: it may be the upstream's own, whatever that is."""
    headers = ("Retry-After",) if status in _RETRY else ()
    if relays:
        what = f"{_WHAT[status]} Or what the upstream answered with this status."
        return Answer(what, {"*/*": {}}, status, headers)
    return Answer(_WHAT[status], {JSON: ref(NAMES[dialect])}, status, headers)


def errors_of(operation: Operation) -> Iterator[str]:
    """The statuses of errors that ``operation`` can answer with, besides those that it names itself."""
    own = {answer.status for answer in operation.answers}
    found = {*_EVERYWHERE} if operation.open else {*_EVERYWHERE, "401"}
    if operation.body is not None or operation.parameters:
        found.add("400")
    if operation.names:
        found.add("404")
    if operation.asks:
        found.update(_UPSTREAM)
    yield from sorted(found - own)
