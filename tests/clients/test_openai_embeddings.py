"""Embeddings by OpenAI's own client, from every kind of upstream that has them, by the fields that it sends by default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types import CreateEmbeddingResponse

from tests.support.gateway import RunningGateway
from tests.support.gemini_double import EMBEDDING, GeminiDouble
from tests.support.llamacpp import LlamaCpp
from tests.support.ollama_double import OllamaDouble
from tests.support.openai_double import OpenAIDouble
from tests.support.secrets import CLIENT_KEY
from tests.support.vllm_double import VllmDouble

DOUBLES: dict[str, tuple[Any, str]] = {
    "openai": (OpenAIDouble, "text-embedding-double"),
    "vllm": (VllmDouble, "text-embedding-double"),
    "ollama": (OllamaDouble, "nomic-embed-text"),
    "gemini": (GeminiDouble, EMBEDDING),
}


def rows(kind: str, host: str, model: str) -> dict[str, Any]:
    return {"up": {"e": {"api_type": kind, "api_host": host, "model": model}}}


async def embedded(proxy: RunningGateway, **fields: Any) -> CreateEmbeddingResponse:
    async with AsyncOpenAI(base_url=proxy.origin + "/v1", api_key=CLIENT_KEY, max_retries=0) as sdk:
        return await sdk.embeddings.create(model="e", **fields)


@pytest.mark.parametrize("kind", DOUBLES)
async def test_vectors(kind: str, tmp_path: Path) -> None:
    """One for each text, in order; packed, which is that client's default, they are the same as in numbers."""
    make, model = DOUBLES[kind]
    async with make() as double:
        host = getattr(double, "base", double.url)
        async with RunningGateway(tmp_path, rows(kind, host, model)) as proxy:
            packed = await embedded(proxy, input=["a", "b"])
            plain = await embedded(proxy, input=["a", "b"], encoding_format="float")
            one = await embedded(proxy, input="a")

    assert [item.index for item in packed.data] == [0, 1]
    assert len(one.data) == 1
    for item, other in zip(packed.data, plain.data, strict=True):
        assert len(item.embedding) > 1
        assert item.embedding == pytest.approx(other.embedding)


@pytest.mark.parametrize("kind", ["ollama", "gemini"])
async def test_dimensions(kind: str, tmp_path: Path) -> None:
    """Go on in the upstream's own word."""
    make, model = DOUBLES[kind]
    async with make() as double, RunningGateway(tmp_path, rows(kind, double.url, model)) as proxy:
        await embedded(proxy, input="a", dimensions=1)
        sent = double.requests[0].json()

    assert (sent.get("dimensions") or sent["requests"][0]["outputDimensionality"]) == 1


async def test_anthropic_has_none(tmp_path: Path) -> None:
    """Said at once, in words, by an error that the client does not repeat."""
    async with RunningGateway(tmp_path, rows("anthropic", "http://127.0.0.1:9", "c")) as proxy:
        with pytest.raises(openai.BadRequestError, match="anthropic have no embeddings") as caught:
            await embedded(proxy, input="a")

    assert caught.value.code == "not_supported"


async def test_the_real_server(llamacpp_embedding: LlamaCpp, tmp_path: Path) -> None:
    """llama.cpp's vectors are those that it gives without a gateway."""
    async with (
        RunningGateway(tmp_path, rows("openai", llamacpp_embedding.base, "tiny")) as proxy,
        AsyncOpenAI(base_url=llamacpp_embedding.base, api_key="x", max_retries=0) as direct,
    ):
        got = await embedded(proxy, input=["w0001 w0002", "w0003"])
        theirs = await direct.embeddings.create(model="tiny", input=["w0001 w0002", "w0003"])

    assert [item.embedding for item in got.data] == [item.embedding for item in theirs.data]
    assert len(got.data[0].embedding) > 8
