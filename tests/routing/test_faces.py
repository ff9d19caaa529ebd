"""Every face over a failing upstream of every dialect, by its official client, whole and streamed: the client notices nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from google import genai
from google.genai import types
from ollama import AsyncClient
from openai import AsyncOpenAI

from tests.routing.kit import TEXT, Fleet, serves, status
from tests.support.peer import Exchange, Script
from tests.support.scripts import SSE, answer_json, ndjson, sse, stream

ASK: Any = [{"role": "user", "content": "hi"}]
START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "c",
        "stop_reason": None,
        "usage": {"input_tokens": 1, "output_tokens": 0},
    },
}


def event(kind: str, value: Any) -> bytes:
    return f"event: {kind}\n".encode() + sse(value, done=False)[0]


#: What each dialect sends before its first token.
BEGINNINGS: dict[str, Script] = {
    "openai": stream(
        *sse({"id": "c", "object": "chat.completion.chunk", "choices": []}, done=False), end="cut"
    ),
    "anthropic": stream(event("message_start", START), end="cut"),
    "ollama": stream(
        *ndjson({"model": "m", "message": {"role": "assistant", "content": ""}, "done": False}), end="reset"
    ),
    "gemini": stream(b": hello\n\n", end="cut", content_type=SSE),
}


def failing(dialect: str) -> Script:
    """Whole answers are refused, streams break off before their first token; anything about models is unknown."""

    async def script(exchange: Exchange) -> None:
        path, body = exchange.request.path, exchange.request.json() if exchange.request.body else {}
        if exchange.request.method == "GET" or path.endswith("/api/show"):
            await answer_json({"error": {"message": "?"}}, 404)(exchange)
        elif body.get("stream") or "streamGenerateContent" in path:
            await BEGINNINGS[dialect](exchange)
        else:
            await status(500)(exchange)

    return script


async def joined(pieces: AsyncIterator[Any], text: Callable[[Any], str | None]) -> str:
    return "".join([text(piece) or "" async for piece in pieces])


async def by_openai(origin: str) -> list[str]:
    async with AsyncOpenAI(base_url=origin + "/v1", api_key="k", max_retries=0) as sdk:
        whole = await sdk.chat.completions.create(model="m", messages=ASK)
        chunks = await sdk.chat.completions.create(model="m", messages=ASK, stream=True)
        streamed = await joined(chunks, lambda c: c.choices[0].delta.content if c.choices else "")
        vectors = await sdk.embeddings.create(model="m", input="hi", encoding_format="float")
        assert vectors.data[0].embedding == [0.5]
        return [str(whole.choices[0].message.content), streamed]


async def by_responses(origin: str) -> list[str]:
    async with AsyncOpenAI(base_url=origin + "/v1", api_key="k", max_retries=0) as sdk:
        whole = await sdk.responses.create(model="m", input="hi", store=False)
        events = await sdk.responses.create(model="m", input="hi", store=False, stream=True)
        streamed = await joined(events, lambda e: e.delta if e.type == "response.output_text.delta" else "")
        return [whole.output_text, streamed]


async def by_completions(origin: str) -> list[str]:
    async with AsyncOpenAI(base_url=origin + "/v1", api_key="k", max_retries=0) as sdk:
        whole = await sdk.completions.create(model="m", prompt="hi")
        chunks = await sdk.completions.create(model="m", prompt="hi", stream=True)
        return [whole.choices[0].text, await joined(chunks, lambda c: c.choices[0].text if c.choices else "")]


async def by_anthropic(origin: str) -> list[str]:
    async with AsyncAnthropic(base_url=origin, api_key="k", max_retries=0) as sdk:
        whole = await sdk.messages.create(model="m", messages=ASK, max_tokens=50)
        async with sdk.messages.stream(model="m", messages=ASK, max_tokens=50) as events:
            streamed = await events.get_final_text()
        return [getattr(whole.content[0], "text", ""), streamed]


async def by_ollama(origin: str) -> list[str]:
    sdk = AsyncClient(host=origin + "/ollama")
    whole = await sdk.chat("m", ASK)
    lines = await sdk.chat("m", ASK, stream=True)
    streamed = await joined(lines, lambda line: line.message.content)
    assert (await sdk.embed("m", "hi")).embeddings == [[0.5]]
    await sdk._client.aclose()
    return [str(whole.message.content), streamed]


async def by_google(origin: str) -> list[str]:
    sdk = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=origin + "/gemini")).aio
    whole = await sdk.models.generate_content(model="m", contents="hi")
    pieces = await sdk.models.generate_content_stream(model="m", contents="hi")
    streamed = await joined(pieces, lambda piece: piece.text)
    await sdk.aclose()
    return [str(whole.text), streamed]


CLIENTS: list[Callable[[str], Awaitable[list[str]]]] = [
    by_openai,
    by_responses,
    by_completions,
    by_anthropic,
    by_ollama,
    by_google,
]


@pytest.mark.parametrize("dialect", BEGINNINGS)
async def test_no_client_notices(dialect: str, tmp_path: Path) -> None:
    """The upstream that is asked first fails each time, native or translated; another of OpenAI's dialect answers."""
    fields = {1: {"api_type": dialect, "order": -1}}
    async with Fleet(tmp_path, failing(dialect), serves, fields=fields) as fleet:
        for client in CLIENTS:
            fleet.router.states._upstreams.clear()  # as if nothing had been learnt
            fleet.router.states._servers.clear()
            before = fleet.asked()
            assert await client(fleet.proxy.origin) == [TEXT, TEXT], client.__name__
            asked = [now - then for now, then in zip(fleet.asked(), before, strict=True)]
            assert asked[0] >= 2, client.__name__
            assert asked[1] >= 2, client.__name__


async def test_media(tmp_path: Path) -> None:
    """Speech and uploads go to another upstream as well; what an upstream keeps does not."""

    async def speaks(exchange: Exchange) -> None:
        await answer_json({"text": exchange.request.path})(exchange)

    fields = {1: {"order": -1}}
    async with Fleet(tmp_path, status(503), speaks, fields=fields) as fleet:
        got = await fleet.ask({"model": "m", "input": "hi", "voice": "x"}, "/v1/audio/speech")
        assert (got.status, got.json()) == (200, {"text": "/v1/audio/speech"})
        assert got.headers["x-llm-attempts"].startswith("gpu-1:503:")
        kept = await fleet.proxy.request("GET", "/v1/files/file-1?model=m")
        assert (kept.status, fleet.asked()) == (503, [2, 1])
