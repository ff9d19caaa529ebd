"""For tests of the Ollama face: the official client, a gateway in front of a strict double, and lines of a stream."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from ollama import AsyncClient

from tests.support.anthropic_double import AnthropicDouble
from tests.support.client import Answer, request
from tests.support.gateway import RunningGateway
from tests.support.ollama_double import OllamaDouble
from tests.support.openai_double import OpenAIDouble

ASK: Any = [{"role": "user", "content": "hi"}]


TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "d",
        "parameters": {"type": "object", "properties": {}},
    },
}


def client(proxy: RunningGateway) -> AsyncClient:
    """The client with the base URL that its users would set."""
    return AsyncClient(host=proxy.origin + "/ollama")


@asynccontextmanager
async def over(
    kind: str, folder: Path, model: str = "", **fields: Any
) -> AsyncIterator[tuple[RunningGateway, Any]]:
    """A gateway whose model ``m`` is at a strict double of ``kind``, and the double."""
    doubles: dict[str, Any] = {"openai": OpenAIDouble, "ollama": OllamaDouble, "anthropic": AnthropicDouble}
    models = {"openai": "gpt-double", "ollama": "qwen3:8b", "anthropic": "claude-double-4-5"}
    async with doubles[kind]() as double:
        host = double.base if kind == "openai" else double.url
        rows = {
            "up": {
                "defaults": {"api_type": kind, "api_host": host},
                "m": {"model": model or models[kind], **fields},
            }
        }
        async with RunningGateway(folder, rows) as proxy:
            yield proxy, double


async def post(proxy: RunningGateway, path: str, body: Any) -> Answer:
    """One request below ``/ollama``."""
    return await request(proxy.origin, "POST", "/ollama" + path, body)


def lines_of(got: Answer) -> list[Any]:
    """The lines of a stream, each a JSON object."""
    assert got.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in got.body.split(b"\n")[:-1]]


KINDS = pytest.mark.parametrize("kind", ["openai", "ollama", "anthropic"])


BOTH = pytest.mark.parametrize("streaming", [True, False])
