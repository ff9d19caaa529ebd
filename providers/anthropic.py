"""The dialect of Anthropic's Messages API (docs.anthropic.com/en/api/messages).

Requests: messages in ``_anthropic_messages``, parameters in ``_anthropic_params`` and ``_anthropic_thinking``. Answers:
``_anthropic_stream`` and ``_anthropic_answer``; errors: ``_anthropic_errors``. This file only puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llm_proxy.errors import GatewayError
from llm_proxy.schema import ChatRequest
from llm_proxy.sse import dumps
from llm_proxy.wire import Deployment, HttpCall
from providers import _anthropic_answer as answer
from providers import _anthropic_errors as errors
from providers._anthropic_messages import conversation
from providers._anthropic_params import body_fields
from providers._anthropic_stream import AnthropicDecoder
from providers._native_errors import not_an_answer
from providers._native_headers import fixed_headers, json_headers
from providers._native_json import Malformed, loads_object, obj, text
from providers._native_stream import ChunkMaker
from providers.base import BaseProvider, ChatResponse, StreamDecoder

#: The version whose fields these modules know; a ``headers`` entry of the deployment wins.
_VERSION = "2023-06-01"


class AnthropicProvider(BaseProvider):
    """``POST {host}/v1/messages``."""

    api_type: ClassVar[str] = "anthropic"
    default_host: ClassVar[str | None] = "https://api.anthropic.com"

    def chat_call(self, request: ChatRequest, deployment: Deployment) -> HttpCall:
        history = conversation(request.messages)
        fields, dropped = body_fields(request, deployment, history)
        body = {
            "model": deployment.model,
            **fields,
            "messages": history.messages,
            "stream": bool(request.stream),
        }
        if history.system:
            body["system"] = history.system
        return HttpCall(
            "POST",
            f"{deployment.api_host}/v1/messages",
            (*json_headers(bool(request.stream)), *self.auth_headers(deployment)),
            dumps(body),
            deployment.timeouts,
            stream=bool(request.stream),
            dropped=dropped,
        )

    def chat_response(self, body: bytes, request: ChatRequest) -> ChatResponse:
        try:
            value = loads_object(body)
            if value.get("type") == "error" or "error" in value:
                raise errors.from_object(value)
            if not isinstance(value.get("content"), list):
                raise Malformed("no content")
            return ChatResponse(_completion(value))
        except Malformed as error:
            raise not_an_answer(body, error) from error

    def stream_decoder(self, request: ChatRequest) -> StreamDecoder:
        return AnthropicDecoder(errors.from_object)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return errors.from_status(status, headers, body)

    def auth_headers(self, deployment: Deployment) -> tuple[tuple[str, str], ...]:
        return fixed_headers(deployment, "x-api-key", {"anthropic-version": _VERSION})


def _completion(value: dict[str, object]) -> dict[str, object]:
    """A whole message as a ``chat.completion``. Raises ``Malformed``."""
    make = ChunkMaker()
    make.id = text(value, "id") or make.id
    make.model = text(value, "model")
    message = answer.message(value)
    reason = answer.finish(text(value, "stop_reason"), called="tool_calls" in message)
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": reason,
        **answer.finish_fields(value),
    }
    counts = obj(value, "usage")
    return make.whole([choice], answer.usage(counts) if counts else None)
