"""The dialect of Anthropic's Messages API (docs.anthropic.com/en/api/messages).

Requests: messages in ``messages``, parameters in ``params`` and ``thinking``. Answers:
``stream`` and ``answer``; errors: ``errors``; requests that are in this dialect already:
``native``. This file only puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llm_proxy.errors import GatewayError
from llm_proxy.wire.calls import Deployment, HttpCall
from llm_proxy.wire.large_json import encoded
from llm_proxy.wire.schema import ChatRequest
from providers.anthropic import answer, errors
from providers.anthropic.blocks import block_of
from providers.anthropic.messages import conversation
from providers.anthropic.native import VERSION, NativeCount, NativeMessages
from providers.anthropic.params import body_fields
from providers.anthropic.stream import AnthropicDecoder
from providers.base import BaseProvider, ChatResponse, NativeCall, StreamDecoder
from providers.common.conversation import unheard
from providers.common.headers import fixed_headers, json_headers
from providers.common.history import mended
from providers.common.own_names import own_answer, own_decoder
from providers.common.tool_names import ANTHROPIC, fitted


class AnthropicProvider(BaseProvider):
    """``POST {host}/v1/messages``."""

    api_type: ClassVar[str] = "anthropic"
    default_host: ClassVar[str | None] = "https://api.anthropic.com"

    def __init__(self) -> None:
        self._native = {"/v1/messages": NativeMessages(self), "/v1/messages/count_tokens": NativeCount(self)}

    def chat_call(self, request: ChatRequest, deployment: Deployment) -> HttpCall:
        request, told = mended(request, block_of)
        request, unsaid = fitted(request, ANTHROPIC)
        history = conversation(request.messages)
        fields, dropped = body_fields(request.sent, deployment, history.thinking_lost, history.called)
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
            encoded(body),
            deployment.timeouts,
            stream=bool(request.stream),
            dropped=(*told, *unsaid, *history.left_out, *dropped, *unheard(request.messages)),
        )

    def list_call(self, deployment: Deployment) -> HttpCall | None:
        url = f"{deployment.api_host}/v1/models?limit=1000"
        return HttpCall("GET", url, self.auth_headers(deployment))

    def chat_response(self, body: bytes, request: ChatRequest) -> ChatResponse:
        return own_answer(answer.whole(body), request, ANTHROPIC)

    def stream_decoder(self, request: ChatRequest) -> StreamDecoder:
        return own_decoder(AnthropicDecoder(errors.from_object), request, ANTHROPIC)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return errors.from_status(status, headers, body)

    def auth_headers(self, deployment: Deployment) -> tuple[tuple[str, str], ...]:
        return fixed_headers(deployment, "x-api-key", {"anthropic-version": VERSION})

    def native(self, path: str) -> NativeCall | None:
        return self._native.get(path)
