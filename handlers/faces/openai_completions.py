"""``POST /v1/completions``: OpenAI's legacy completions over any upstream."""

from __future__ import annotations

import time
from typing import Any

from handlers.base.answering import AnsweringHandler
from llm_proxy.faces.completions.face import CompletionsFace
from llm_proxy.faces.completions.request import canonical, read
from llm_proxy.wire.schema import ChatRequest


class CompletionsHandler(AnsweringHandler):
    """``stream`` defaults to false, as in that API."""

    endpoint = "/v1/completions"

    async def post(self) -> None:
        body = await self.json_body()
        form = read(body)
        self.face = CompletionsFace(form.model, int(time.time()), form.wants_usage)
        self.untranslated = form.dropped
        request = ChatRequest.of(canonical(form, body))
        await self.answer(request, self.deployment(form.model))


routes: list[tuple[str, Any]] = [("/v1/completions", CompletionsHandler)]
root_routes: list[tuple[str, Any]] = routes
