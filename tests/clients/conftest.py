"""The official clients in front of the gateway, whose model ``m`` is at a strict double of each dialect and at the real
llama.cpp server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.clients.kit import Serve, Served
from tests.real import conftest as real
from tests.support.gateway import RunningGateway
from tests.support.llamacpp import LlamaCpp
from tests.support.ollama_words import WORDS as SAID
from tests.support.openai_upstreams import over
from tests.support.tiny_model import WORDS

# LangChain reports to its vendor where the environment of the person who runs the tests says so.
os.environ.update({"LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false"})

start_llamacpp = real.start_llamacpp
llamacpp, llamacpp_embedding = real.llamacpp, real.llamacpp_embedding

UPSTREAMS = ("openai", "ollama", "anthropic", "gemini", "llamacpp")


@pytest.fixture(params=UPSTREAMS)
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Serve:
    """A gateway in front of each kind of upstream in turn."""
    if request.param == "llamacpp":
        running: LlamaCpp = request.getfixturevalue("llamacpp")
        return lambda: _real(running, tmp_path)
    return lambda: _double(request.param, tmp_path)


@asynccontextmanager
async def _double(kind: str, folder: Path) -> AsyncIterator[Served]:
    async with over(kind, folder) as (gateway, _):
        yield Served(gateway, "".join(SAID))


@asynccontextmanager
async def _real(running: LlamaCpp, folder: Path) -> AsyncIterator[Served]:
    rows = {"here": {"defaults": {"api_type": "openai", "api_host": running.base}, "m": {"model": "tiny"}}}
    async with RunningGateway(folder, rows) as gateway:
        yield Served(gateway, " ".join(f"w{number:04d}" for number in range(WORDS)), is_real=True)
