"""The canonical dialect itself: OpenAI, and every server that speaks its chat completions.

Requests pass as they were sent, with the configuration's defaults under them and the upstream's model name; events
pass untouched. What is decoded is only what must be known: errors, usage, the terminator, and that an event is JSON.

Source: platform.openai.com/docs/api-reference/chat, and recordings of llama.cpp and vLLM in tests/data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from llm_proxy.errors import GatewayError, UpstreamError
from llm_proxy.schema import ChatRequest, EmbeddingsRequest
from llm_proxy.sse import EventTooLarge, SSEDecoder, SSEEvent, dumps
from llm_proxy.wire import Deployment, HttpCall
from providers._errors import Reported, from_body, in_stream, refusal, reported
from providers._options import effective
from providers.base import BaseProvider, ChatResponse, Chunk, Comment, Done, Event, Failed, StreamDecoder

_loads = json.JSONDecoder().decode


class OpenAIDecoder(StreamDecoder):
    """One streamed answer of the canonical dialect."""

    __slots__ = ("_count", "_ended", "_events")

    def __init__(self) -> None:
        self._events = SSEDecoder()
        self._count = 0
        self._ended = False

    def feed(self, data: bytes) -> Sequence[Event]:
        if self._ended:
            return ()
        try:
            found = self._events.feed(data)
        except EventTooLarge as error:
            return [self._fail(UpstreamError(str(error), phase="body", kind="event_too_large"))]
        return self._decoded(found)

    def close(self) -> Sequence[Event]:
        if self._ended:
            return ()
        events = self._decoded(self._events.close())
        if not self._ended:
            text = "the upstream ended its stream without [DONE]"
            events.append(self._fail(UpstreamError(text, phase="body", kind="no_terminator")))
        return events

    def _decoded(self, found: Sequence[SSEEvent]) -> list[Event]:
        events: list[Event] = []
        for event in found:
            decoded = self._event(event)
            events.append(decoded)
            if self._ended:
                break
        return events

    def _event(self, event: SSEEvent) -> Event:
        data = event.data
        if data is None:
            return Comment(event.raw)
        if data.startswith(b"[DONE]"):
            self._ended = True
            return Done()
        self._count += 1
        try:
            value = _loads(data.decode())
        except (ValueError, RecursionError):
            return self._fail(self._malformed("is not JSON"))
        if type(value) is not dict:
            return self._fail(self._malformed("is not an object"))
        if "choices" not in value or value.get("error") or event.name == b"error":
            return self._odd(value, event)
        return Chunk(value, event.raw)

    def _odd(self, value: dict[str, Any], event: SSEEvent) -> Event:
        """An event without choices, or with an error: vLLM's older releases put the error on the top level."""
        if value.get("error") or event.name == b"error" or value.get("object") == "error":
            return self._fail(in_stream(reported(value)))
        return Chunk(value, event.raw)

    def _malformed(self, what: str) -> UpstreamError:
        return UpstreamError(
            f"event {self._count} of the upstream's stream {what}", phase="body", kind="event"
        )

    def _fail(self, error: GatewayError) -> Failed:
        self._ended = True
        return Failed(error)


class OpenAIProvider(BaseProvider):
    """``api_type`` ``openai``."""

    api_type: ClassVar[str] = "openai"
    default_host: ClassVar[str | None] = "https://api.openai.com/v1"
    #: Parameters that this dialect has no word for, although others have.
    inexpressible: ClassVar[frozenset[str]] = frozenset()

    def chat_call(self, request: ChatRequest, deployment: Deployment) -> HttpCall:
        body, dropped = effective(request.sent, deployment.options)
        for name in self._unknown(deployment):
            if body.pop(name, None) is not None:
                dropped.append(name)
        body["model"] = deployment.model
        if request.stream:
            body["stream"] = True
            # Usage is always wanted, for the log; a face that was not asked for it leaves it out.
            body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
        else:
            body["stream"] = False
            body.pop("stream_options", None)
        accept = "text/event-stream" if request.stream else "application/json"
        headers = (("Content-Type", "application/json"), ("Accept", accept), *self.auth_headers(deployment))
        return HttpCall(
            "POST",
            deployment.api_host + "/chat/completions",
            headers,
            dumps(body),
            deployment.timeouts,
            bool(request.stream),
            tuple(sorted(dropped)),
        )

    def _unknown(self, deployment: Deployment) -> frozenset[str]:
        """Parameters to leave out. OpenAI itself answers 400 to any that it does not know; others take many more."""
        if urlsplit(deployment.api_host).hostname == "api.openai.com":
            return _NOT_AT_OPENAI
        return self.inexpressible

    def chat_response(self, body: bytes, request: ChatRequest) -> ChatResponse:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise UpstreamError(
                "the upstream's answer is not a JSON object", phase="body", kind="content_type"
            )
        if value.get("error"):
            raise in_stream(reported(value))
        if not isinstance(value.get("choices"), list):
            raise UpstreamError(
                "the upstream's answer is not a chat completion", phase="body", kind="content_type"
            )
        return ChatResponse(value, body)

    def stream_decoder(self, request: ChatRequest) -> StreamDecoder:
        return OpenAIDecoder()

    def embeddings_call(self, request: EmbeddingsRequest, deployment: Deployment) -> HttpCall:
        # The options of a deployment are sampling parameters: none of them is meant for embeddings.
        body, dropped = effective(request.sent, {})
        body["model"] = deployment.model
        headers = (("Content-Type", "application/json"), *self.auth_headers(deployment))
        url = deployment.api_host + "/embeddings"
        return HttpCall("POST", url, headers, dumps(body), deployment.timeouts, dropped=tuple(dropped))

    def embeddings_response(self, body: bytes, request: EmbeddingsRequest) -> bytes:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and value.get("error"):
            raise in_stream(reported(value))
        if not isinstance(value, dict) or not isinstance(value.get("data"), list):
            raise UpstreamError(
                "the upstream's answer holds no embeddings", phase="body", kind="content_type"
            )
        return body

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        said = from_body(body) if body else Reported()
        return refusal(status, headers, said)


#: Sampling parameters of other servers, and of our conversation endpoint.
_NOT_AT_OPENAI = frozenset(
    {
        *("top_k", "min_p", "typical_p", "repetition_penalty", "repeat_penalty", "repeat_last_n", "num_ctx"),
        *("num_predict", "keep_alive", "chat_template_kwargs", "max_new_tokens"),
    }
)
