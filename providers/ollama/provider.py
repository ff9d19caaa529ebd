"""Ollama through its native ``/api/chat``: its OpenAI route knows no ``num_ctx`` and no ``keep_alive``.

Source: github.com/ollama/ollama, docs/api.md, api/types.go, server/routes.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llm_proxy.errors import GatewayError, UpstreamError
from llm_proxy.wire.calls import Deployment, HttpCall
from llm_proxy.wire.large_json import encoded, written
from llm_proxy.wire.schema import ChatRequest, EmbeddingsRequest
from llm_proxy.wire.sse import dumps
from providers.base import BaseProvider, ChatResponse, NativeCall, StreamDecoder
from providers.common.about import About, of_ollama
from providers.common.errors import Reported, from_body, refusal
from providers.common.json_objects import Malformed
from providers.common.own_names import own_answer, own_decoder
from providers.common.sse_decoder import Refused
from providers.ollama import answer
from providers.ollama import request as request_form
from providers.ollama.native import calls


class OllamaProvider(BaseProvider):
    """``api_type`` ``ollama``."""

    api_type: ClassVar[str] = "ollama"
    default_host: ClassVar[str | None] = "http://127.0.0.1:11434"

    def __init__(self) -> None:
        self._native = calls(self)

    def native(self, path: str) -> NativeCall | None:
        return self._native.get(path)

    def chat_call(self, request: ChatRequest, deployment: Deployment) -> HttpCall:
        body, dropped = request_form.body(request, deployment)
        accept = "application/x-ndjson" if request.stream else "application/json"
        headers = (("Content-Type", "application/json"), ("Accept", accept), *self.auth_headers(deployment))
        return HttpCall(
            "POST",
            deployment.api_host + "/api/chat",
            headers,
            encoded(body),
            deployment.timeouts,
            bool(request.stream),
            dropped,
        )

    def chat_response(self, body: bytes, request: ChatRequest) -> ChatResponse:
        try:
            return own_answer(ChatResponse(answer.whole(body)), request, None)
        except Refused as refused:
            raise refused.error from refused
        except Malformed as error:
            text = f"the upstream's answer is not one of Ollama's: {error}"
            raise UpstreamError(text, phase="body", kind="content_type") from error

    def stream_decoder(self, request: ChatRequest) -> StreamDecoder:
        return own_decoder(answer.OllamaDecoder(), request, None)

    def about_calls(self, deployment: Deployment) -> tuple[HttpCall, ...]:
        headers = (("Content-Type", "application/json"), *self.auth_headers(deployment))
        body = dumps({"model": deployment.model})
        return (HttpCall("POST", deployment.api_host + "/api/show", headers, body),)

    def about(self, body: bytes, deployment: Deployment) -> Mapping[str, About]:
        return {deployment.model: of_ollama(body)}

    def list_call(self, deployment: Deployment) -> HttpCall | None:
        return HttpCall("GET", deployment.api_host + "/api/tags", self.auth_headers(deployment))

    def embeddings_call(self, request: EmbeddingsRequest, deployment: Deployment) -> HttpCall:
        body, dropped = request_form.embed_body(request, deployment)
        headers = (("Content-Type", "application/json"), *self.auth_headers(deployment))
        url = deployment.api_host + "/api/embed"
        return HttpCall("POST", url, headers, encoded(body), deployment.timeouts, dropped=dropped)

    def embeddings_response(self, body: bytes, request: EmbeddingsRequest) -> bytes:
        try:
            found = answer.embeddings(body, base64=request.encoding_format == "base64")
            return written({**found, "model": request.model})
        except Refused as refused:
            raise refused.error from refused
        except (Malformed, ValueError) as error:
            text = "the upstream's answer holds no embeddings"
            raise UpstreamError(text, phase="body", kind="content_type") from error

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        said = from_body(body)
        # Its own 404 of /api/chat has one reason (routes.go). The router's, in plain text, means another base address.
        code = "model_not_found" if status == 404 and body.lstrip().startswith(b"{") else said.code
        return refusal(status, headers, Reported(said.message, said.type, code, said.param))
