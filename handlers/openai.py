"""OpenAI's own paths: change an application's base URL and it talks to any configured model.

``/v1/...``, and the same below the prefix. Here ``stream`` has that API's default: false.
"""

from __future__ import annotations

from typing import Any

from handlers.answering import AnsweringHandler
from handlers.base import BaseHandler
from llm_proxy.routing import unknown_model
from llm_proxy.schema import EmbeddingsRequest
from llm_proxy.wire import Deployment


class ChatCompletionsHandler(AnsweringHandler):
    """``POST /v1/chat/completions``."""

    endpoint = "/v1/chat/completions"

    async def post(self) -> None:
        await self.complete_chat(await self.json_body(), stream=False)


class EmbeddingsHandler(AnsweringHandler):
    """``POST /v1/embeddings``."""

    endpoint = "/v1/embeddings"

    async def post(self) -> None:
        request = EmbeddingsRequest.of(await self.json_body())
        await self.embed(request, self.deployment(request.model))


class ModelsHandler(BaseHandler):
    """``GET /v1/models``."""

    endpoint = "/v1/models"

    def get(self) -> None:
        created = int(self.snapshot.loaded_at)
        models = [entry(name, rows, created) for name, rows in sorted(self.snapshot.models.items())]
        self.send_json({"object": "list", "data": models})

    head = get


class ModelHandler(BaseHandler):
    """``GET /v1/models/<id>``; an id may contain slashes."""

    endpoint = "/v1/models/"

    def get(self, name: str) -> None:
        rows = self.snapshot.models.get(name)
        if not rows:
            raise unknown_model(name, self.snapshot.models)
        self.send_json(entry(name, rows, int(self.snapshot.loaded_at)))

    head = get


def entry(name: str, rows: tuple[Deployment, ...], created: int) -> dict[str, Any]:
    """One model; ``created`` is when the configuration was loaded, since nobody knows better."""
    return {"id": name, "object": "model", "created": created, "owned_by": rows[0].provider}


_PATHS: list[tuple[str, Any]] = [
    ("/v1/chat/completions", ChatCompletionsHandler),
    ("/v1/embeddings", EmbeddingsHandler),
    ("/v1/models", ModelsHandler),
    (r"/v1/models/(.+)", ModelHandler),
]
routes: list[tuple[str, Any]] = [*_PATHS, ("/chat/completions", ChatCompletionsHandler)]
#: Outside the prefix.
root_routes: list[tuple[str, Any]] = _PATHS
