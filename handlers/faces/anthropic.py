"""Anthropic's Messages API over any upstream: ``/v1/messages``, and all of it below ``/anthropic``.

An upstream that speaks this dialect gets requests as they are (``handlers.base.native``).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from handlers.base.limits import ANTHROPIC
from handlers.base.native import NativeFirstHandler
from handlers.base.prepared import Own, Prepared
from handlers.faces.models import AnthropicModelHandler, AnthropicModelsHandler
from llm_proxy.errors import GatewayError, UpstreamRefused
from llm_proxy.faces.anthropic.estimate import estimated_tokens
from llm_proxy.faces.anthropic.face import AnthropicFace
from llm_proxy.faces.anthropic.native import cleaned
from llm_proxy.faces.anthropic.request import (
    Asked,
    CountRequest,
    MessagesRequest,
    canonical,
    read,
)
from llm_proxy.faces.face import Face
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.schema import ChatRequest, validated


class AnthropicHandler(NativeFirstHandler):
    """Base of the calls that take a conversation."""

    dialect = "anthropic"
    native_headers = ("anthropic-version", "anthropic-beta")
    native_query = ("beta",)
    limits = ANTHROPIC

    def make_face(self) -> Face:
        return AnthropicFace("")

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("request-id", self.request_id)


class MessagesHandler(AnthropicHandler):
    """``POST /v1/messages``; ``stream`` defaults to false, as in that API."""

    endpoint = "/v1/messages"
    native_path = endpoint

    async def post(self) -> None:
        body = await self.json_body()
        asked = await self.judged(body, Asked, MessagesRequest)
        self.face = AnthropicFace(asked.model)

        async def prepare(deployment: Deployment) -> Prepared:
            if call := self.native_call(deployment):
                sent, dropped = await self.beside(cleaned, body)
                return self.natively(call, sent, bool(asked.stream), AnthropicFace(asked.model), dropped)
            form = await self.beside(read, body)
            addresses = self.snapshot.adapter(deployment).takes_file_urls(deployment)
            chat = await self.beside(canonical, form, body, deployment.api_type, deployment.model, addresses)
            request = await self.beside(ChatRequest.of, chat.sent)
            estimate = partial(estimated_tokens, body)
            if not self.light:
                tokens = await self.beside(estimate)
                estimate = partial(int, tokens)
            face = AnthropicFace(asked.model, chat.members, estimate)
            return Prepared(request, face, chat.dropped)

        await self.answer(self.route(asked.model, body, stream=bool(asked.stream)), prepare)


class CountTokensHandler(AnthropicHandler):
    """``POST /v1/messages/count_tokens``: counted by the upstream if it can, else an estimate, and marked as one."""

    endpoint = "/v1/messages/count_tokens"
    bills = False
    native_path = endpoint
    _body: dict[str, Any]

    async def post(self) -> None:
        self._body = body = await self.json_body()
        asked = await self.judged(body, Asked, CountRequest)

        async def prepare(deployment: Deployment) -> Prepared | Own:
            call = self.native_call(deployment)
            if call is None:
                return Own(self._estimate)
            sent, dropped = await self.beside(cleaned, body)
            return self.natively(call, sent, False, self.make_face(), dropped)

        await self.answer(self.route(asked.model, body, stream=bool(asked.stream)), prepare)

    async def _ended_badly(self, error: GatewayError) -> None:
        # Servers that have no more than the messages of this API are many.
        if isinstance(error, UpstreamRefused) and error.status in (404, 405) and not self.gone:
            await self._estimate()
        else:
            await super()._ended_badly(error)

    async def _estimate(self) -> None:
        await self.beside(validated, CountRequest, self._body)
        self.set_header("X-Token-Count", "estimate")
        self.send_json({"input_tokens": await self.beside(estimated_tokens, self._body)})


_PATHS: list[tuple[str, Any]] = [
    ("/v1/messages", MessagesHandler),
    ("/v1/messages/count_tokens", CountTokensHandler),
]
routes: list[tuple[str, Any]] = _PATHS
#: ``/v1/models`` is OpenAI's path too (``handlers.faces.openai``); here it can only mean this dialect.
_OWN: list[tuple[str, Any]] = [
    *_PATHS,
    ("/v1/models", AnthropicModelsHandler),
    (r"/v1/models/(.+)", AnthropicModelHandler),
]
root_routes: list[tuple[str, Any]] = [*_PATHS, *(("/anthropic" + path, handler) for path, handler in _OWN)]
