"""``POST /v1/completions``: OpenAI's legacy completions over any upstream."""

from __future__ import annotations

import time
from typing import Any

from handlers.answering import AnsweringHandler, UsedPrompt
from llm_proxy.faces.completions_face import CompletionsFace
from llm_proxy.faces.completions_form import canonical, read
from llm_proxy.schema import ChatRequest
from llm_proxy.wire import Deployment


class CompletionsHandler(AnsweringHandler):
    """``stream`` defaults to false, as in that API."""

    endpoint = "/v1/completions"
    _dropped: tuple[str, ...] = ()

    async def post(self) -> None:
        body = await self.json_body()
        form = read(body)
        self.face = CompletionsFace(form.model, int(time.time()), form.wants_usage)
        self._dropped = form.dropped
        request = ChatRequest.of(canonical(form, body))
        await self.answer(request, self.deployment(form.model))

    def _say_who(self, deployment: Deployment, dropped: tuple[str, ...], prompt: UsedPrompt | None) -> None:
        super()._say_who(deployment, (*self._dropped, *dropped), prompt)


routes: list[tuple[str, Any]] = [("/v1/completions", CompletionsHandler)]
root_routes: list[tuple[str, Any]] = routes
