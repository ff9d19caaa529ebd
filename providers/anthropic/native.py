"""Requests of Anthropic's Messages API to a server of that API: sent on as they are, answers relayed as they come.

One thing is not relayed: the upstream's name of the model. The answer names the one that was asked for, because clients
compare (Claude Code throws away the thinking of an answer by another model, and its next turn is a 400). In a stream that
is the first event; the rest is byte for byte.

Source: docs.anthropic.com/en/api/messages, messages-count-tokens, versioning and beta-headers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llm_proxy.errors import GatewayError
from llm_proxy.wire.asked_name import renamed, renamed_event
from llm_proxy.wire.calls import Deployment, HttpCall, NativeRequest
from llm_proxy.wire.large_json import encoded
from llm_proxy.wire.sse import SSEEvent
from providers.anthropic import answer, errors
from providers.anthropic.params import default_fields
from providers.anthropic.stream import AnthropicDecoder
from providers.base import ChatResponse, Chunk, Comment, Done, Event, NativeCall, StreamDecoder
from providers.common.headers import fixed_headers, json_headers
from providers.common.json_objects import JsonObject, Malformed, loads_object, obj, text
from providers.common.native_calls import Body, WholeCall, filled, for_log, of_defaults
from providers.common.native_calls import renamed as sent_as
from providers.common.sse_decoder import JsonEventDecoder, Refused, no_terminator

#: The version whose fields these modules know, for clients that name none.
VERSION = "2023-06-01"


def headers(deployment: Deployment, sent: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The key, and what the client says of its dialect. A header of the configuration wins, but betas add up: each
    side's fields need theirs."""
    found = fixed_headers(deployment, "x-api-key", {"anthropic-version": VERSION, **sent})
    ours = next((value for name, value in found if name.lower() == "anthropic-beta"), "")
    betas = dict.fromkeys(
        beta.strip() for beta in f"{ours},{sent.get('anthropic-beta', '')}".split(",") if beta.strip()
    )
    kept = tuple((name, value) for name, value in found if name.lower() != "anthropic-beta")
    return (*kept, ("anthropic-beta", ",".join(betas))) if betas else kept


def _call(
    request: NativeRequest, deployment: Deployment, path: str, body: Body, dropped: tuple[str, ...]
) -> HttpCall:
    query = f"?{request.query}" if request.query else ""
    return HttpCall(
        "POST",
        f"{deployment.api_host}{path}{query}",
        (*json_headers(request.stream), *headers(deployment, request.headers)),
        encoded(body),
        deployment.timeouts,
        stream=request.stream,
        dropped=dropped,
    )


class NativeMessages(NativeCall):
    """``POST {host}/v1/messages``."""

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return errors.with_details(super().error(status, headers, body), body)

    def chat_call(self, request: NativeRequest, deployment: Deployment) -> HttpCall:
        body, dropped = _completed(sent_as(request.sent, deployment), deployment)
        return _call(request, deployment, "/v1/messages", body, dropped)

    def chat_response(self, body: bytes, request: NativeRequest) -> ChatResponse:
        if request.stream:
            return answer.whole(body)
        value = answer.document(body, "content", list)
        if asked := _asked(request):
            body = renamed(body, value, asked)
        return for_log(_usage(value), body, _finish(value))

    def stream_decoder(self, request: NativeRequest) -> StreamDecoder:
        if request.stream:
            return _Events(_asked(request))
        return AnthropicDecoder(errors.from_object)


class NativeCount(WholeCall):
    """``POST {host}/v1/messages/count_tokens``: no defaults, since it refuses most of the fields that they would fill."""

    def chat_call(self, request: NativeRequest, deployment: Deployment) -> HttpCall:
        body = sent_as(request.sent, deployment)
        return _call(request, deployment, "/v1/messages/count_tokens", body, ())

    def chat_response(self, body: bytes, request: NativeRequest) -> ChatResponse:
        answer.document(body, "input_tokens", int)
        return for_log({}, body)  # nothing was used


def _completed(body: Body, deployment: Deployment) -> tuple[Body, tuple[str, ...]]:
    """``body`` completed by the options of ``deployment``, and the names of those that could not be expressed."""
    if not deployment.options:
        return body, ()
    found, dropped = default_fields(body, deployment)
    made = filled(body, found)
    if body.get("output_config") is not None and "output_config" in found:
        # An effort and a format, which have nothing to do with each other, in one object.
        made["output_config"] = {**found["output_config"], **body["output_config"]}
    return made, of_defaults(dropped, body)


class _Events(JsonEventDecoder):
    """One streamed answer, relayed: each event with its own bytes. What is not known passes too."""

    def __init__(self, asked: str) -> None:
        super().__init__()
        self._asked = asked
        self._counts: JsonObject = {}

    def _event(self, event: SSEEvent) -> Iterator[Event]:
        if event.data is None:
            yield Comment(event.raw)
            return
        value = loads_object(event.data)
        kind = value.get("type") or event.name.decode("latin-1")
        if kind == "ping":
            yield Comment(event.raw)
        elif kind == "error":
            raise Refused(errors.from_object(value))
        elif kind == "message_stop":
            yield Done(event.raw)
        elif kind == "message_start":
            raw = renamed_event(event, value, self._asked, "message") if self._asked else event.raw
            yield self._counted(value.get("message"), raw)
        elif kind == "message_delta":
            yield self._counted(value, event.raw)
        else:
            yield Chunk({}, event.raw)

    def _end(self) -> Iterator[Event]:
        yield no_terminator()

    def _counted(self, value: Any, raw: bytes) -> Chunk:
        """Counts are cumulative: the newest of each wins."""
        counts = value.get("usage") if isinstance(value, dict) else None
        if isinstance(counts, dict):
            self._counts.update({name: count for name, count in counts.items() if count is not None})
        return Chunk({"usage": _usage({"usage": self._counts})}, raw)


def _asked(request: NativeRequest) -> str:
    """The name that the client used for the model."""
    return str(request.sent.get("model") or "")


def _usage(value: JsonObject) -> JsonObject:
    """Counts for the log; it does without those that cannot be read, since the client gets them all the same."""
    try:
        counts = obj(value, "usage")
        return answer.usage(counts) if counts else {}
    except Malformed:
        return {}


def _finish(value: JsonObject) -> str | None:
    try:
        return answer.finish(text(value, "stop_reason"), called=False)
    except Malformed:
        return None
