"""OpenAI's own paths: change an application's base URL and it talks to any configured model.

``/v1/...``, and the same below the prefix. Here ``stream`` has that API's default: false.
"""

from __future__ import annotations

from typing import Any

from handlers.base.answering import AnsweringHandler
from handlers.base.prepared import Prepared
from handlers.faces.models import ModelHandler, ModelsHandler
from llm_proxy.faces.face import OpenAIFace
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.schema import EmbeddingsRequest


class ChatCompletionsHandler(AnsweringHandler):
    """``POST /v1/chat/completions``."""

    dialect = "openai"
    endpoint = "/v1/chat/completions"

    async def post(self) -> None:
        await self.complete_chat(await self.json_body(), stream=False)


class EmbeddingsHandler(AnsweringHandler):
    """``POST /v1/embeddings``."""

    dialect = "openai"
    endpoint = "/v1/embeddings"

    async def post(self) -> None:
        body = await self.json_body()
        request = await self.beside(EmbeddingsRequest.of, body)

        async def prepare(_: Deployment) -> Prepared:
            return Prepared(request, OpenAIFace())

        await self.answer(self.route(request.model, body), prepare)


_PATHS: list[tuple[str, Any]] = [
    ("/v1/chat/completions", ChatCompletionsHandler),
    ("/v1/embeddings", EmbeddingsHandler),
    ("/v1/models", ModelsHandler),
    (r"/v1/models/(.+)", ModelHandler),
]
routes: list[tuple[str, Any]] = [*_PATHS, ("/chat/completions", ChatCompletionsHandler)]
#: Outside the prefix.
root_routes: list[tuple[str, Any]] = _PATHS
