"""``POST /v1/responses``: OpenAI's Responses API over any upstream, without keeping anything between requests."""

from __future__ import annotations

import time
from typing import Any

from handlers.base.answering import AnsweringHandler
from llm_proxy.faces.responses.face import ResponsesFace
from llm_proxy.faces.responses.request import canonical, read
from llm_proxy.wire.schema import ChatRequest


class ResponsesHandler(AnsweringHandler):
    """``stream`` defaults to false, as in that API."""

    endpoint = "/v1/responses"

    async def post(self) -> None:
        body = await self.json_body()
        form = read(body)
        self.face = ResponsesFace(form, int(time.time()))
        chat = canonical(form, body)
        self.untranslated = tuple(chat.dropped)
        request = ChatRequest.of(chat.sent)
        await self.answer(request, self.deployment(form.model))


routes: list[tuple[str, Any]] = [("/v1/responses", ResponsesHandler)]
root_routes: list[tuple[str, Any]] = routes
