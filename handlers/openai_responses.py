"""``POST /v1/responses``: OpenAI's Responses API over any upstream, without keeping anything between requests."""

from __future__ import annotations

import time
from typing import Any

from handlers.answering import AnsweringHandler, UsedPrompt
from llm_proxy.faces.responses_face import ResponsesFace
from llm_proxy.faces.responses_form import canonical, read
from llm_proxy.schema import ChatRequest
from llm_proxy.wire import Deployment


class ResponsesHandler(AnsweringHandler):
    """``stream`` defaults to false, as in that API."""

    endpoint = "/v1/responses"
    _dropped: tuple[str, ...] = ()

    async def post(self) -> None:
        body = await self.json_body()
        form = read(body)
        self.face = ResponsesFace(form, int(time.time()))
        chat = canonical(form, body)
        self._dropped = tuple(chat.dropped)
        request = ChatRequest.of(chat.sent)
        await self.answer(request, self.deployment(form.model))

    def _say_who(self, deployment: Deployment, dropped: tuple[str, ...], prompt: UsedPrompt | None) -> None:
        super()._say_who(deployment, (*self._dropped, *dropped), prompt)


routes: list[tuple[str, Any]] = [("/v1/responses", ResponsesHandler)]
root_routes: list[tuple[str, Any]] = routes
