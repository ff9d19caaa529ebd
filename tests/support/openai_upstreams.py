"""A gateway in front of a strict double of each dialect, for the tests of OpenAI's newer and older endpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.anthropic_double import AnthropicDouble
from tests.support.gateway import RunningGateway
from tests.support.gemini_double import GeminiDouble
from tests.support.ollama_double import OllamaDouble
from tests.support.openai_double import OpenAIDouble

KINDS = pytest.mark.parametrize("kind", ["openai", "ollama", "anthropic", "gemini"])
_DOUBLES: dict[str, Any] = {
    "openai": OpenAIDouble,
    "ollama": OllamaDouble,
    "anthropic": AnthropicDouble,
    "gemini": GeminiDouble,
}
_MODELS = {
    "openai": "gpt-double",
    "ollama": "qwen3:8b",
    "anthropic": "claude-double-4-5",
    "gemini": "gemini-3-double",
}
_PLAIN = {**_MODELS, "ollama": "llama3.2"}


@asynccontextmanager
async def over(
    kind: str, folder: Path, *, model: str = "", thinks: bool = True
) -> AsyncIterator[tuple[RunningGateway, Any]]:
    """A gateway whose model ``m`` is ``model`` at a double of ``kind``, and the double; by default one that answers, and
    ``thinks`` unasked if its dialect can."""
    async with _DOUBLES[kind]() as double:
        host = double.base if kind == "openai" else double.url
        name = model or (_MODELS if thinks else _PLAIN)[kind]
        rows = {"up": {"defaults": {"api_type": kind, "api_host": host}, "m": {"model": name}}}
        async with RunningGateway(folder, rows) as proxy:
            yield proxy, double


def turns(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The turns of a request as a double got it, whatever its dialect calls them."""
    found: list[dict[str, Any]] = body.get("messages") or body["contents"]
    return found
