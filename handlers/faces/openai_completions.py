"""``POST /v1/completions``: OpenAI's legacy completions, to upstreams that have them as they are, to any other as chat."""

from __future__ import annotations

import time
from typing import Any

from handlers.base.native import NativeFirstHandler
from handlers.base.prepared import Prepared
from llm_proxy.faces.completions.face import CompletionsFace
from llm_proxy.faces.completions.request import Asked, CompletionRequest, canonical, read
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.schema import ChatRequest


class CompletionsHandler(NativeFirstHandler):
    """``stream`` defaults to false, as in that API."""

    dialect = "openai"
    endpoint = "/v1/completions"
    native_path = endpoint

    async def post(self) -> None:
        body = await self.json_body()
        asked = await self.judged(body, Asked, CompletionRequest)

        async def translated() -> Prepared:
            form = await self.beside(read, body)
            request = await self.beside(ChatRequest.of, await self.beside(canonical, form, body))
            face = CompletionsFace(form.model, int(time.time()), form.wants_usage, form.echoed)
            return Prepared(request, face, form.dropped)

        async def prepare(deployment: Deployment) -> Prepared:
            call = self.native_call(deployment)
            if call is None:
                return await translated()
            face = CompletionsFace(asked.model, int(time.time()), asked.wants_usage)
            return self.natively(call, body, bool(asked.stream), face, instead=translated)

        await self.answer(self.route(asked.model, body, stream=bool(asked.stream)), prepare)


routes: list[tuple[str, Any]] = [("/v1/completions", CompletionsHandler)]
root_routes: list[tuple[str, Any]] = routes
