"""The dialect of Google's Gemini API (ai.google.dev/api/generate-content).

Requests: messages in ``contents``, parameters in ``params`` and ``tools``. Answers: ``stream`` and ``answer``; embeddings:
``embeddings``; errors: ``errors``; requests that are sent on as they are: ``native``. This file only puts them together. The
key goes into a header: in the URL it would end up in every log on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llm_proxy.errors import GatewayError
from llm_proxy.wire.calls import Deployment, HttpCall
from llm_proxy.wire.large_json import encoded, written
from llm_proxy.wire.schema import ChatRequest, EmbeddingsRequest
from providers.base import BaseProvider, ChatResponse, NativeCall, StreamDecoder
from providers.common.about import About, object_in, of_entry
from providers.common.conversation import unheard
from providers.common.errors_in_answers import not_an_answer
from providers.common.headers import fixed_headers, json_headers
from providers.common.history import mended
from providers.common.json_objects import Malformed
from providers.common.listed import names_in
from providers.common.own_names import own_answer, own_decoder
from providers.common.tool_names import GEMINI, fitted
from providers.gemini import errors
from providers.gemini.contents import conversation, read_part
from providers.gemini.embeddings import embed_answer, embed_body
from providers.gemini.native import calls, resource
from providers.gemini.params import body_fields
from providers.gemini.stream import GeminiDecoder
from providers.gemini.whole import whole


class GeminiProvider(BaseProvider):
    """``POST {host}/v1beta/models/{model}:generateContent``, ``:streamGenerateContent`` and ``:batchEmbedContents``."""

    api_type: ClassVar[str] = "gemini"
    default_host: ClassVar[str | None] = "https://generativelanguage.googleapis.com"

    def __init__(self) -> None:
        self._native = calls(self)

    def native(self, path: str) -> NativeCall | None:
        return self._native.get(path)

    def chat_call(self, request: ChatRequest, deployment: Deployment) -> HttpCall:
        request, told = mended(request, read_part)
        request, unsaid = fitted(request, GEMINI)
        history = conversation(request.messages, deployment.model)
        fields, dropped = body_fields(request, deployment)
        body = {"contents": history.contents, **fields}
        if history.system is not None:
            body["systemInstruction"] = history.system
        stream = bool(request.stream)
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return HttpCall(
            "POST",
            f"{deployment.api_host}/v1beta/{resource(deployment.model)}:{method}",
            (*json_headers(stream), *self.auth_headers(deployment)),
            encoded(body),
            deployment.timeouts,
            stream=stream,
            dropped=(*told, *unsaid, *dropped, *unheard(request.messages)),
        )

    def about_calls(self, deployment: Deployment) -> tuple[HttpCall, ...]:
        url = f"{deployment.api_host}/v1beta/{resource(deployment.model)}"
        return (HttpCall("GET", url, self.auth_headers(deployment)),)

    def about(self, body: bytes, deployment: Deployment) -> Mapping[str, About]:
        return {deployment.model: of_entry(object_in(body))}

    def list_call(self, deployment: Deployment) -> HttpCall | None:
        url = f"{deployment.api_host}/v1beta/models?pageSize=1000"
        return HttpCall("GET", url, self.auth_headers(deployment))

    def listed(self, body: bytes) -> tuple[str, ...] | None:
        return names_in(body, prefix="models/")

    def chat_response(self, body: bytes, request: ChatRequest) -> ChatResponse:
        return own_answer(whole(body), request, GEMINI)

    def stream_decoder(self, request: ChatRequest) -> StreamDecoder:
        return own_decoder(GeminiDecoder(), request, GEMINI)

    def embeddings_call(self, request: EmbeddingsRequest, deployment: Deployment) -> HttpCall:
        name = resource(deployment.model)
        body, dropped = embed_body(request, name)
        return HttpCall(
            "POST",
            f"{deployment.api_host}/v1beta/{name}:batchEmbedContents",
            (*json_headers(False), *self.auth_headers(deployment)),
            encoded(body),
            deployment.timeouts,
            dropped=dropped,
        )

    def embeddings_response(self, body: bytes, request: EmbeddingsRequest) -> bytes:
        try:
            return written(embed_answer(body, request))
        except Malformed as error:
            raise not_an_answer(body, error) from error

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return errors.from_status(status, headers, body)

    def auth_headers(self, deployment: Deployment) -> tuple[tuple[str, str], ...]:
        return fixed_headers(deployment, "x-goog-api-key")
