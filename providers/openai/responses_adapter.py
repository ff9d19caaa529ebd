"""Chat requests that a model takes only in OpenAI's Responses API are made so, and the answers read as chat.

OpenAI's models from gpt-5.4 on refuse functions together with reasoning at ``/chat/completions`` ("use /v1/responses or set
reasoning_effort to 'none'"), and some models are not there at all. Which API is used, the field ``api`` of the configuration
decides; without it the model's name does, at OpenAI and in Azure. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from llm_proxy.errors import GatewayError, UpstreamError
from llm_proxy.wire.calls import Deployment, HttpCall
from llm_proxy.wire.events import ChatResponse
from llm_proxy.wire.large_json import encoded
from llm_proxy.wire.schema import ChatRequest
from providers.base import BaseProvider, StreamDecoder
from providers.common.errors import in_stream, reported
from providers.common.headers import json_headers
from providers.common.json_objects import Malformed, loads_object
from providers.common.legacy_functions import with_tools
from providers.common.own_names import own_answer, own_decoder
from providers.common.tool_names import OPENAI
from providers.openai import responses_answer as answer
from providers.openai.responses_request import body_of
from providers.openai.responses_stream import ResponsesDecoder
from providers.vendors import vendor_of

#: platform.openai.com/docs/models: those that have no other endpoint.
_ALWAYS = re.compile(
    r"(o1-pro|o3-pro|gpt-\d+(\.\d+)?-pro|codex|gpt-\d+(\.\d+)?-codex|o\d.*-deep-research|computer-use)"
)
_GPT = re.compile(r"gpt-(\d+)(?:\.(\d+))?(?!.*-chat)")


class ResponsesAdapter:
    """A provider's chat by ``POST {host}/responses``."""

    def __init__(self, provider: BaseProvider) -> None:
        self._provider = provider

    def chat_call(self, request: ChatRequest, deployment: Deployment) -> HttpCall:
        """The upstream call for ``request``. Raises ``InvalidRequest``."""
        request = with_tools(request)
        body, dropped = body_of(request, deployment)
        return HttpCall(
            "POST",
            deployment.api_host + "/responses",
            (*json_headers(bool(request.stream)), *self._provider.auth_headers(deployment)),
            encoded(body),
            deployment.timeouts,
            bool(request.stream),
            dropped,
        )

    def chat_response(self, body: bytes, request: ChatRequest) -> ChatResponse:
        """The whole answer from a 200 body. Raises ``UpstreamError``."""
        try:
            value = loads_object(body)
            if value.get("error"):
                raise in_stream(reported(value))
            if not isinstance(value.get("output"), list):
                raise Malformed("it has no output")
        except Malformed as error:
            text = f"the upstream's answer is no response: {error}"
            raise UpstreamError(text, phase="body", kind="content_type") from error
        return own_answer(answer.whole(value, request.model), request, OPENAI)

    def stream_decoder(self, request: ChatRequest) -> StreamDecoder:
        """A fresh decoder for one streamed answer."""
        return own_decoder(ResponsesDecoder(request.model), request, OPENAI)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """The error that an upstream status >= 400 stands for."""
        return self._provider.error(status, headers, body)


def wanted(request: ChatRequest, deployment: Deployment) -> bool:
    """Whether ``request`` has to be made as a Responses call."""
    if deployment.api:
        return deployment.api == "responses"
    always, from_effort, from_tools = _taken(deployment.model)
    if not (always or from_effort) or vendor_of(deployment).name not in ("openai", "azure"):
        return False
    if always:
        return True
    if not request.tools or (request.n or 1) > 1:
        return False
    effort = request.reasoning_effort or deployment.options.get("reasoning_effort")
    return effort != "none" and (effort is not None or from_tools)


@lru_cache(maxsize=1000)
def _taken(model: str) -> tuple[bool, bool, bool]:
    """Whether ``model`` is nowhere else; whether functions with an effort are refused elsewhere; whether functions are."""
    name = model.lower().rpartition("/")[2].removeprefix("ft:")
    if _ALWAYS.match(name):
        return True, False, False
    found = _GPT.match(name)
    version = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
    return False, version >= (5, 0), version >= (5, 4)
