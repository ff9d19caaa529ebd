"""``POST /v1/completions``: OpenAI's legacy completions, to upstreams that have them as they are, to any other as chat."""

from __future__ import annotations

import time
from typing import Any

from handlers.base.native import NativeFirstHandler
from llm_proxy.faces.completions.face import CompletionsFace
from llm_proxy.faces.completions.request import Asked, CompletionRequest, canonical, read
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.schema import ChatRequest


class CompletionsHandler(NativeFirstHandler):
    """``stream`` defaults to false, as in that API."""

    endpoint = "/v1/completions"
    native_path = endpoint

    async def post(self) -> None:
        body = await self.json_body()
        asked = await self.judged(body, Asked, CompletionRequest)
        deployment = self.deployment(asked.model)
        if call := self.native_call(deployment):
            self.face = CompletionsFace(asked.model, int(time.time()), asked.wants_usage)
            stream = bool(asked.stream)
            await self.answer_natively(
                call, body, stream, deployment, lambda: self._translate(body, deployment)
            )
        else:
            await self._translate(body, deployment)

    async def _translate(self, body: dict[str, Any], deployment: Deployment) -> None:
        self.face = self.make_face()  # errors are OpenAI's
        form = await self.beside(read, body)
        self.face = CompletionsFace(form.model, int(time.time()), form.wants_usage, form.echoed)
        self.untranslated = form.dropped
        chat = await self.beside(canonical, form, body)
        await self.answer(await self.beside(ChatRequest.of, chat), deployment)


routes: list[tuple[str, Any]] = [("/v1/completions", CompletionsHandler)]
root_routes: list[tuple[str, Any]] = routes
