"""Anthropic's Messages API over any upstream: ``/v1/messages`` and ``/anthropic/v1/messages``."""

from __future__ import annotations

from typing import Any

from handlers.answering import AnsweringHandler
from llm_proxy.dialect import Face
from llm_proxy.faces.anthropic_face import AnthropicFace
from llm_proxy.faces.anthropic_form import CountRequest, canonical, estimated_tokens, read
from llm_proxy.schema import ChatRequest, validated


class MessagesHandler(AnsweringHandler):
    """``POST /v1/messages``; ``stream`` defaults to false, as in that API."""

    endpoint = "/v1/messages"

    def make_face(self) -> Face:
        return AnthropicFace("")

    async def post(self) -> None:
        body = await self.json_body()
        form = read(body)
        self.face = AnthropicFace(form.model)
        deployment = self.deployment(form.model)
        request = ChatRequest.of(canonical(form, body, same_dialect=deployment.api_type == "anthropic"))
        self.set_header("request-id", self.request_id)
        await self.answer(request, deployment)


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
