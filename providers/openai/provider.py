"""The canonical dialect itself: OpenAI, and every server that speaks its chat completions.

Requests pass as they were sent, with the configuration's defaults under them, the upstream's model name, and what the row
of the vendor asks for (``vendors``); answers pass untouched, and are read only as far as must be known. Streams: ``stream``.

Source: platform.openai.com/docs/api-reference/chat, and recordings of llama.cpp and vLLM in tests/data.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

from llm_proxy.errors import GatewayError, UpstreamError
from llm_proxy.wire.asked_name import renamed
from llm_proxy.wire.calls import Deployment, HttpCall
from llm_proxy.wire.large_json import encoded, loads
from llm_proxy.wire.schema import ChatRequest, EmbeddingsRequest
from providers.base import Adapter, BaseProvider, ChatResponse, NativeCall, StreamDecoder
from providers.common.defaults import effective
from providers.common.errors import from_body, in_stream, refusal, reported
from providers.common.own_names import OwnNames, own_names, with_own_names
from providers.common.tool_names import OPENAI
from providers.openai.completions import NativeCompletions
from providers.openai.faults import of_answer
from providers.openai.fit import fit
from providers.openai.fit_params import fit_embeddings
from providers.openai.responses_adapter import ResponsesAdapter, wanted
from providers.openai.responses_native import NativeResponses
from providers.openai.stream import OpenAIDecoder, plain_completion, sound
from providers.vendors import LENIENT, VENDORS, of_host, vendor_of


class TalkPlan(NamedTuple):
    """What is the same in each call for a talk (``ChatRequest.talk``) with one deployment: made once for each state of the
    configuration. ``takes``: whether such calls are so simple; ``further``: what a stream's body has besides."""

    takes: bool
    url: str
    headers: tuple[tuple[str, str], ...]
    stream_headers: tuple[tuple[str, str], ...]
    further: dict[str, Any]


class OpenAIProvider(BaseProvider):
    """``api_type`` ``openai``."""

    api_type: ClassVar[str] = "openai"
    default_host: ClassVar[str | None] = "https://api.openai.com/v1"
    has_media: ClassVar[bool] = True
    vendors: ClassVar[frozenset[str]] = frozenset(VENDORS)

    def __init__(self) -> None:
        self._native: dict[str, NativeCall] = {
            "/v1/completions": NativeCompletions(self),
            "/v1/responses": NativeResponses(self),
        }
        self._responses = ResponsesAdapter(self)

    def takes_file_urls(self, deployment: Deployment) -> bool:
        return vendor_of(deployment).file_urls

    def adapter_for(self, request: ChatRequest, deployment: Deployment) -> Adapter:
        return self._responses if wanted(request, deployment) else self

    def native(self, path: str) -> NativeCall | None:
        return self._native.get(path)

    def vendor_at(self, api_host: str) -> str:
        found = of_host(api_host) if api_host else LENIENT
        return found.name if found else ""

    def talk_call(self, request: ChatRequest, deployment: Deployment) -> HttpCall | None:
        plan: TalkPlan | None = deployment.plan
        if plan is None:
            plan = deployment.keep_plan(self._talk_plan(deployment))
        if not plan.takes:
            return None
        stream = bool(request.stream)
        body = {**request.sent, "model": deployment.model, "stream": stream}
        if stream:
            body |= plan.further
        headers = plan.stream_headers if stream else plan.headers
        return HttpCall("POST", plan.url, headers, encoded(body), deployment.timeouts, stream)

    def _talk_plan(self, deployment: Deployment) -> TalkPlan:
        """What ``chat_call`` would say of each talk with ``deployment``."""
        vendor = vendor_of(deployment)
        talk = ChatRequest.of({"model": "m", "messages": [{"role": "user", "content": "?"}]})
        plain = not (deployment.options or vendor.alternates or wanted(talk, deployment))
        own = self.auth_headers(deployment)
        json, accept = ("Content-Type", "application/json"), "Accept"
        return TalkPlan(
            plain,
            deployment.api_host + "/chat/completions",
            (json, (accept, "application/json"), *own),
            (json, (accept, "text/event-stream"), *own),
            {"stream_options": {"include_usage": True}} if vendor.stream_options else {},
        )

    def chat_call(self, request: ChatRequest, deployment: Deployment) -> HttpCall:
        body, dropped = effective(request.sent, deployment.options)
        vendor = vendor_of(deployment)
        streaming = body.pop("stream_options", None)
        dropped += fit(body, vendor, deployment.model)
        body["model"] = deployment.model
        body["stream"] = bool(request.stream)
        if request.stream and vendor.stream_options:
            if not _says_no_usage(deployment):
                # Usage is always wanted, for the log; a face that was not asked for it leaves it out.
                body["stream_options"] = {**(streaming or {}), "include_usage": True}
            elif request.wants_usage:
                dropped.append("stream_options")
        accept = "text/event-stream" if request.stream else "application/json"
        headers = (("Content-Type", "application/json"), ("Accept", accept), *self.auth_headers(deployment))
        return HttpCall(
            "POST",
            deployment.api_host + "/chat/completions",
            headers,
            encoded(body),
            deployment.timeouts,
            bool(request.stream),
            tuple(sorted(dropped)),
        )

    def chat_response(self, body: bytes, request: ChatRequest) -> ChatResponse:
        value = _object(body)
        if value is None:
            raise _no_answer("is not a JSON object")
        if not plain_completion(value):
            if (error := of_answer(value)) is not None:
                raise error
            if "choices" not in value or not sound(value, "message"):
                raise _no_answer("is not a chat completion")
            if not value["choices"]:
                raise _no_answer("holds no choice")
        own = None if request.talk else own_names(request.sent, OPENAI)
        if own is not None and with_own_names(value, "message", own):
            body = encoded(value)
        return ChatResponse(value, body)

    def stream_decoder(self, request: ChatRequest) -> StreamDecoder:
        decoder = OpenAIDecoder(request.sent.get("n"))
        own = own_names(request.sent, OPENAI)
        return decoder if own is None else OwnNames(decoder, own)

    def about_calls(self, deployment: Deployment) -> tuple[HttpCall, ...]:
        host, headers = deployment.api_host, self.auth_headers(deployment)
        calls = [HttpCall("GET", host + "/models", headers)]
        if _is_at_home(host):  # LM Studio's list in OpenAI's form has names only
            calls.append(HttpCall("GET", host.removesuffix("/v1") + "/api/v0/models", headers))
        return tuple(calls)

    def list_call(self, deployment: Deployment) -> HttpCall | None:
        return HttpCall("GET", deployment.api_host + "/models", self.auth_headers(deployment))

    def embeddings_call(self, request: EmbeddingsRequest, deployment: Deployment) -> HttpCall:
        # The options of a deployment are sampling parameters: none of them is meant for embeddings.
        body, dropped = effective(request.sent, {})
        dropped += fit_embeddings(body, vendor_of(deployment))
        body["model"] = deployment.model
        headers = (("Content-Type", "application/json"), *self.auth_headers(deployment))
        url = deployment.api_host + "/embeddings"
        return HttpCall("POST", url, headers, encoded(body), deployment.timeouts, dropped=tuple(dropped))

    def embeddings_response(self, body: bytes, request: EmbeddingsRequest) -> bytes:
        value = _object(body)
        if value is not None and value.get("error"):
            raise in_stream(reported(value))
        if value is None or not isinstance(value.get("data"), list):
            raise _no_answer("holds no embeddings")
        return renamed(body, value, request.model)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        return refusal(status, headers, from_body(body))


def _says_no_usage(deployment: Deployment) -> bool:
    """Whether the configuration says that the server is not to be asked for usage in streams: some refuse the question."""
    asked = deployment.options.get("stream_options")
    return isinstance(asked, Mapping) and asked.get("include_usage") is False


@lru_cache(maxsize=1000)
def _is_at_home(api_host: str) -> bool:
    """Whether a program on some machine answers, and not a vendor."""
    url = urlsplit(api_host)
    return url.scheme == "http" or url.port not in (None, 443)


def _object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in ``body``; None if it is anything else."""
    try:
        value = loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _no_answer(what: str) -> UpstreamError:
    return UpstreamError(f"the upstream's answer {what}", phase="body", kind="content_type")
