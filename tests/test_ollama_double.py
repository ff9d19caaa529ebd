"""The double of Ollama behaves as the official client expects, and refuses what the real server refuses."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import ollama
import pytest

from tests.support import ollama_words
from tests.support.client import request
from tests.support.ollama_double import OllamaDouble

HI: list[Any] = [{"role": "user", "content": "hi"}]
TOOLS: list[Any] = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
TEXT = "".join(ollama_words.WORDS)
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[OllamaDouble, ollama.AsyncClient]]:
    """A double and the official client, connected to it."""
    async with OllamaDouble() as double:
        client: Any = ollama.AsyncClient(double.url)
        try:
            yield double, client
        finally:
            await client.close()


async def test_client_streams() -> None:
    """The official client reads the text, the reason and the counts; a cached prompt has no prompt count."""
    async with connected() as (double, client):
        for counted in (26, None):
            parts = [part async for part in await client.chat("llama3.2", HI, stream=True)]

            assert "".join(part.message.content or "" for part in parts) == TEXT
            assert (parts[-1].done, parts[-1].done_reason, parts[-1].prompt_eval_count) == (
                True,
                "stop",
                counted,
            )
            assert parts[-1].eval_count == len(ollama_words.WORDS)
            assert not any(part.done for part in parts[:-1])
        assert double.requests[0].path == "/api/chat"


async def test_client_reads_whole_answers() -> None:
    """Chat, limits, format, thinking, images, generate, logprobs: one object each."""
    async with connected() as (_, client):
        plain = await client.chat("llama3.2", HI, options={"num_predict": 2}, logprobs=True, top_logprobs=1)
        form = await client.chat("llama3.2", HI, format="json")
        thought = await client.chat("qwen3:8b", HI)
        quick = await client.chat("qwen3:8b", HI, think=False)
        seen = await client.chat("llava:7b", [{"role": "user", "content": "what?", "images": [PIXEL]}])
        made = await client.generate("llama3.2", "hi")

    assert (plain.message.content, plain.done_reason) == ("Hello from", "length")
    assert plain.logprobs is not None
    assert json.loads(form.message.content or "") == {"answer": 42}
    assert (thought.message.thinking, thought.message.content) == ("Let me think.", TEXT)
    assert (quick.message.thinking, quick.message.content) == (None, TEXT)
    assert seen.message.content == made.response == TEXT
    assert made.context is not None


async def test_client_calls_a_tool() -> None:
    """Calls come whole, arguments as an object, reason stop; after the tool's answer there is text."""
    async with connected() as (_, client):
        parts = [part async for part in await client.chat("llama3.2", HI, tools=TOOLS, stream=True)]
        call = (parts[0].message.tool_calls or [])[0]
        turn: list[Any] = [*HI, parts[0].message, {"role": "tool", "content": "sun", "tool_name": "weather"}]
        after = await client.chat("llama3.2", turn, tools=TOOLS)

    assert (call.function.name, call.function.arguments) == ("weather", {"city": "Paris"})
    assert [part.done for part in parts] == [False, True]
    assert parts[-1].done_reason == "stop"
    assert after.message.content == TEXT


async def test_client_lists_and_loads() -> None:
    """list, show, ps, embed and version; a model is warm after its first use, until keep_alive 0 unloads it."""
    async with connected() as (double, client):
        assert [model.model for model in (await client.list()).models] == list(ollama_words.MODELS)
        assert "thinking" in ((await client.show("qwen3:8b")).capabilities or [])
        assert (await client.ps()).models == []
        assert (await client.chat("llama3.2", [])).done_reason == "load"
        assert [model.model for model in (await client.ps()).models] == ["llama3.2:latest"]
        assert (await client.chat("llama3.2", [], keep_alive="0s")).done_reason == "unload"
        assert (await client.ps()).models == []
        assert (await client.embed("nomic-embed-text", ["a", "b"])).embeddings == [[0.6, 0.8]] * 2
        assert (await request(double.url, "HEAD", "/")).status == 200
        assert (await request(double.url, "GET", "/")).body == b"Ollama is running"
        assert (await request(double.url, "GET", "/api/version")).json() == {"version": ollama_words.VERSION}


@pytest.mark.parametrize(
    ("model", "status", "stream"),
    [
        ("nobody", 404, True),
        ("busy", 503, True),
        ("broken", 500, True),
        ("dies", 200, True),
        ("dies", 500, False),
    ],
)
async def test_client_raises(model: str, status: int, stream: bool) -> None:
    """An error has its status before the first line; after it, it is a line of its own that ends the stream."""
    async with connected() as (double, client):
        with pytest.raises(ollama.ResponseError) as caught:
            await read_all(client, model, stream)
        raw = await request(
            double.url, "POST", "/api/chat", {"model": model, "messages": HI, "stream": stream}
        )

    assert raw.status == status
    assert str(caught.value).startswith(json.loads(raw.body.splitlines()[-1])["error"])
    assert raw.headers["content-type"] == (
        "application/x-ndjson" if status == 200 else "application/json; charset=utf-8"
    )


async def read_all(client: ollama.AsyncClient, model: str, stream: bool) -> None:
    if not stream:
        await client.chat(model, HI)
        return
    async for _ in await client.chat(model, HI, stream=True):
        pass


async def test_can_end_without_an_end() -> None:
    """The model mute ends cleanly, but with no done line."""
    async with OllamaDouble() as double:
        answer = await request(double.url, "POST", "/api/chat", {"model": "mute", "messages": HI})

    assert answer.complete
    assert not any(json.loads(line)["done"] for line in answer.body.splitlines())


@pytest.mark.parametrize(
    "change",
    [
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
        {"messages": [{"role": "developer", "content": "x"}]},
        {"messages": [{"role": "user", "content": "x", "images": ["data:image/png;base64," + PIXEL]}]},
        {"messages": [{"role": "user", "content": "x", "images": [PIXEL]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]},
        {"options": {"num_ctx": 4096.0}},
        {"options": {"stop": "x"}},
        {"options": {"temperature": "hot"}},
        {"stream": "yes"},
        {"format": "yaml"},
        {"keep_alive": "soon"},
        {"think": True},
        {"think": "hard"},
        {"model": "llava:7b", "tools": TOOLS},
        {"model": "nomic-embed-text"},
        {"model": ""},
        {"model": 7},
    ],
)
async def test_refuses(change: dict[str, Any]) -> None:
    """What Go's decoder, the options' types or a model's capabilities refuse is a 400 with a text."""
    async with OllamaDouble() as double:
        body = {"model": "llama3.2", "messages": HI, "unknown": 1, "options": {"unknown": 1}, **change}
        answer = await request(double.url, "POST", "/api/chat", body)

    assert answer.status == 400
    assert list(answer.json()) == ["error"]
    assert isinstance(answer.json()["error"], str)


async def test_looks_at_the_host() -> None:
    """A foreign Host is 403 with an empty body; unknown paths and methods are plain text."""
    async with OllamaDouble() as double:
        for host, status in (
            ("evil.example", 403),
            ("box.internal:11434", 200),
            ("10.0.0.7", 200),
            ("[::1]:1", 200),
        ):
            answer = await request(double.url, "GET", "/api/version", headers={"Host": host})
            assert (answer.status, answer.body == b"") == (status, status == 403)
        assert (await request(double.url, "GET", "/api/nothing")).body == b"404 page not found"
        assert (await request(double.url, "GET", "/api/chat")).body == b"405 method not allowed"
