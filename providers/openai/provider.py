"""The canonical dialect itself: OpenAI, and every server that speaks its chat completions.

Requests pass as they were sent, with the configuration's defaults under them and the upstream's model name; answers
pass untouched, and are read only as far as must be known. Streams: ``_openai_stream``.

Source: platform.openai.com/docs/api-reference/chat, and recordings of llama.cpp and vLLM in tests/data.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic_core import from_json

from llm_proxy.errors import GatewayError, UpstreamError
from llm_proxy.wire.calls import Deployment, HttpCall
from llm_proxy.wire.schema import ChatRequest, EmbeddingsRequest
from llm_proxy.wire.sse import dumps
from providers.base import BaseProvider, ChatResponse, StreamDecoder
from providers.common.defaults import effective
from providers.common.errors import from_body, in_stream, refusal, reported
from providers.openai.stream import OpenAIDecoder, sound
from providers.openai.strict import strict


class OpenAIProvider(BaseProvider):
    """``api_type`` ``openai``."""

    api_type: ClassVar[str] = "openai"
    default_host: ClassVar[str | None] = "https://api.openai.com/v1"
    has_media: ClassVar[bool] = True
    #: Parameters that this dialect has no word for, although others have.
    inexpressible: ClassVar[frozenset[str]] = frozenset()

    def chat_call(self, request: ChatRequest, deployment: Deployment) -> HttpCall:
        body, dropped = effective(request.sent, deployment.options)
        for name in self._unknown(deployment):
            if body.pop(name, None) is not None:
                dropped.append(name)
        if _is_openai(deployment.api_host):
            dropped += strict(body)
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
        return _NOT_AT_OPENAI if _is_openai(deployment.api_host) else self.inexpressible

    def chat_response(self, body: bytes, request: ChatRequest) -> ChatResponse:
        value = _object(body)
        if value is None:
            raise _no_answer("is not a JSON object")
        if value.get("error"):
            raise in_stream(reported(value))
        if "choices" not in value or not sound(value, "message"):
            raise _no_answer("is not a chat completion")
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
        value = _object(body)
        if value is not None and value.get("error"):
            raise in_stream(reported(value))
        if value is None or not isinstance(value.get("data"), list):
            raise _no_answer("holds no embeddings")
        return body

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return refusal(status, headers, from_body(body))


#: Sampling parameters of other servers, and of our conversation endpoint.
_NOT_AT_OPENAI = frozenset(
    {
        *("top_k", "min_p", "typical_p", "repetition_penalty", "repeat_penalty", "repeat_last_n", "num_ctx"),
        *("num_predict", "keep_alive", "chat_template_kwargs", "max_new_tokens"),
    }
)


@lru_cache(maxsize=1000)
def _is_openai(api_host: str) -> bool:
    """Whether OpenAI's own servers answer, at OpenAI or in Azure."""
    host = urlsplit(api_host).hostname or ""
    return host == "api.openai.com" or host.endswith(".openai.azure.com")


def _object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in ``body``; None if it is anything else."""
    try:
        value = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _no_answer(what: str) -> UpstreamError:
    return UpstreamError(f"the upstream's answer {what}", phase="body", kind="content_type")
