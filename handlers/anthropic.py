"""Anthropic's Messages API over any upstream: ``/v1/messages`` and ``/anthropic/v1/messages``."""

from __future__ import annotations

from typing import Any

from handlers.answering import AnsweringHandler, UsedPrompt
from llm_proxy.dialect import Face
from llm_proxy.faces.anthropic_face import AnthropicFace
from llm_proxy.faces.anthropic_form import CountRequest, canonical, estimated_tokens, read
from llm_proxy.schema import ChatRequest, validated
from llm_proxy.wire import Deployment


class MessagesHandler(AnsweringHandler):
    """``POST /v1/messages``; ``stream`` defaults to false, as in that API."""

    endpoint = "/v1/messages"
    #: What the translation could not carry.
    _dropped: tuple[str, ...] = ()

    def make_face(self) -> Face:
        return AnthropicFace("")

    async def post(self) -> None:
        body = await self.json_body()
        form = read(body)
        self.face = AnthropicFace(form.model)
        deployment = self.deployment(form.model)
        chat = canonical(form, body, deployment.api_type)
        self._dropped = chat.dropped
        self.set_header("request-id", self.request_id)
        await self.answer(ChatRequest.of(chat.sent), deployment)

    def _say_who(self, deployment: Deployment, dropped: tuple[str, ...], prompt: UsedPrompt | None) -> None:
        super()._say_who(deployment, (*self._dropped, *dropped), prompt)


class CountTokensHandler(AnsweringHandler):
    """``POST /v1/messages/count_tokens``: an estimate, and marked as one."""

    endpoint = "/v1/messages/count_tokens"

    def make_face(self) -> Face:
        return AnthropicFace("")

    async def post(self) -> None:
        body = await self.json_body()
        form = validated(CountRequest, body)
        self.deployment(form.model)
        self.set_header("X-Token-Count", "estimate")
        self.send_json({"input_tokens": estimated_tokens(body)})


_PATHS: list[tuple[str, Any]] = [
    ("/v1/messages", MessagesHandler),
    ("/v1/messages/count_tokens", CountTokensHandler),
]
routes: list[tuple[str, Any]] = _PATHS
root_routes: list[tuple[str, Any]] = [*_PATHS, *(("/anthropic" + path, handler) for path, handler in _PATHS)]
