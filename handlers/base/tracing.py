"""The spans of a request that is recorded: one for itself, one for each call of an upstream.

Laws: nothing is here for a request that is not. While it runs only facts are noted; what a collector is told is made of them
in the exporter's thread. A path is told without its query, a host without its credentials, of the headers the program and the
session alone; a key of ours that stands in any of them is not repeated.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from handlers.base.measuring import outcome_of
from llm_proxy.live.access.secrets import redacted
from llm_proxy.relay.transcript import Transcript
from llm_proxy.relay.upstream import Exchange
from llm_proxy.telemetry.traces.attributes import ModelCall, Table, attributes_of, told_of
from llm_proxy.telemetry.traces.span import CLIENT, SERVER, Span, Value
from llm_proxy.telemetry.traces.tracer import span_id
from llm_proxy.wire.calls import Deployment

if TYPE_CHECKING:
    from handlers.base.answering import AnsweringHandler
    from handlers.base.handler import BaseHandler

#: Operations by what an endpoint's path ends with.
_OPERATIONS = {
    "embeddings": "embeddings",
    "embed": "embeddings",
    ":embedContent": "embeddings",
    ":batchEmbedContents": "embeddings",
    "/v1/completions": "text_completion",
    ":generateContent": "generate_content",
    ":streamGenerateContent": "generate_content",
}
#: What the conventions call the APIs of upstreams.
_SYSTEMS = {"gemini": "gcp.gemini", "azure": "azure.ai.openai", "mistral": "mistral_ai", "xai": "x_ai"}


@dataclass(slots=True, eq=False)
class CallSpan:
    """One call. Times are nanoseconds since 1970."""

    id: str
    deployment: Deployment
    exchange: Exchange
    begun: int
    sent: Mapping[str, Any]
    stream: bool
    ended: int = 0
    status: int | None = None
    outcome: str = "aborted"
    #: Whether it is the one of whose answer the client has heard.
    answers: bool = False


@dataclass(slots=True, eq=False)
class RequestSpan:
    """The request's own. ``sent``: what is asked of the upstreams, in the canonical form; ``answer``: a whole answer;
    ``transcript``: what a streamed one says, where texts are told."""

    id: str
    begun: int
    calls: list[CallSpan] = field(default_factory=list)
    sent: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False
    answer: Mapping[str, Any] | None = None
    transcript: Transcript | None = None


def begin(*, content: bool) -> RequestSpan:
    """A request that is recorded has come; ``content``: with its texts."""
    return RequestSpan(span_id(), time.time_ns(), transcript=Transcript() if content else None)


def call_begins(span: RequestSpan, exchange: Exchange, deployment: Deployment) -> str:
    """The id of the span of a call that is about to be made."""
    call = CallSpan(span_id(), deployment, exchange, time.time_ns(), span.sent, span.stream)
    span.calls.append(call)
    return call.id


def call_ends(span: RequestSpan, exchange: Exchange) -> None:
    """That call is over."""
    for call in reversed(span.calls):
        if call.exchange is exchange:
            call.ended, call.outcome = time.time_ns(), outcome_of(exchange)
            call.status = exchange.head.status if exchange.head is not None else None
            return


def send(handler: BaseHandler, span: RequestSpan, status: int) -> None:
    """The request is over, with ``status``: its spans may go."""
    tracer = handler.gateway.tracer
    assert tracer is not None
    context = handler.context
    parent, state = (context.parent, context.state) if context is not None else ("", "")
    ended = time.time_ns()
    request = handler.request
    attributes: dict[str, Value] = {
        "http.request.method": str(request.method),
        "http.route": handler.endpoint or "unknown",
        "url.path": redacted(request.path_asked[:200]),
        "url.scheme": "https" if handler.connection.secure else "http",
        "http.response.status_code": status,
        "client.address": handler.verdict.asked.client if handler.verdict else request.remote_ip or "",
        "llm_proxy.request_id": handler.request_id,
        "llm_proxy.generation": handler.snapshot.version,
    }
    if agent := request.headers.get("User-Agent"):
        attributes["user_agent.original"] = redacted(agent[:200])
    if team := handler.facts.get("team"):
        attributes["llm_proxy.team"] = team
    error = str(handler.facts.get("code") or status) if status >= 500 else ""
    if status >= 400:
        attributes["error.type"] = str(handler.facts.get("code") or status)
    name = f"{request.method} {handler.endpoint or 'unknown'}"
    own = Span(handler.trace, span.id, parent, name, SERVER, span.begun, ended, attributes, error, state)
    last = _last_call(handler, span, tracer.options.content) if span.calls else None
    tracer.put(partial(_spans, own, span, last, tracer.tables), 1 + len(span.calls))


def _last_call(handler: Any, span: RequestSpan, content: bool) -> ModelCall:
    """What is known of the call that was answered."""
    answering: AnsweringHandler = handler
    tally, facts = answering.tally, answering.facts
    for each in span.calls:
        each.sent = told_of(each.sent, content)
    call = next((each for each in span.calls if each.exchange is answering.exchange), span.calls[-1])
    call.answers = True
    for each in span.calls:
        del each.exchange
    asked = facts.get("model")
    parts = urlsplit(call.deployment.api_host)
    answer = span.answer if content else None
    if answer is None and span.transcript is not None:
        answer = span.transcript.answer()
    span.sent, span.answer, span.transcript = {}, None, None
    made = ModelCall(
        next((word for end, word in _OPERATIONS.items() if answering.endpoint.endswith(end)), "chat"),
        _system(call.deployment),
        redacted(str(asked or call.deployment.name)),
        call.deployment.model,
        parts.hostname or "",
        parts.port or (443 if parts.scheme == "https" else 80),
        call.sent,
        call.stream,
        session=redacted((answering.request.headers.get("X-Session-Id") or "")[:200]) or None,
        content=content,
        answer=answer,
    )
    if tally is not None:
        made.usage, made.finish = tally.usage, tally.finish_reason
        if call.stream and tally.first_event_at is not None:
            made.first = max(0.0, tally.first_event_at - answering.started)
    return made


def _system(deployment: Deployment) -> str:
    named = deployment.vendor not in ("", "lenient", "strict")
    name = deployment.vendor if named else deployment.api_type
    return _SYSTEMS.get(name, name)


def _spans(own: Span, span: RequestSpan, last: ModelCall | None, tables: tuple[Table, ...]) -> Sequence[Span]:
    """In the exporter's thread."""
    found = [own]
    for call in span.calls:
        assert last is not None
        row, parts = call.deployment, urlsplit(call.deployment.api_host)
        model = last
        if not call.answers:
            model = ModelCall(
                last.operation,
                _system(row),
                row.name or last.model,
                row.model,
                parts.hostname or "",
                parts.port or (443 if parts.scheme == "https" else 80),
                call.sent,
                call.stream,
                session=last.session,
            )
        attributes: dict[str, Value] = {"http.request.method": "POST", "llm_proxy.provider": row.provider}
        if call.status is not None:
            attributes["http.response.status_code"] = call.status
        failed = "" if call.outcome == "ok" else call.outcome
        if failed:
            attributes["error.type"] = failed
        attributes |= attributes_of(model, tables)
        found.append(
            Span(
                own.trace,
                call.id,
                own.id,
                f"{model.operation} {model.model}",
                CLIENT,
                call.begun,
                call.ended or own.ended,
                attributes,
                failed,
                own.state,
            )
        )
    return found
