"""``POST /chat``: OpenAI's chat completions with ``stream`` defaulting to true."""

from __future__ import annotations

from typing import Any

from handlers.base.answering import AnsweringHandler


class ChatHandler(AnsweringHandler):
    """The body is OpenAI's, every field of it; ``model_name`` is accepted for ``model``."""

    endpoint = "/chat"

    async def post(self) -> None:
        body = await self.json_body()
        if "model" not in body and "model_name" in body:
            body["model"] = body.pop("model_name")
        await self.complete_chat(body, stream=True)


routes: list[tuple[str, Any]] = [("/chat", ChatHandler)]
