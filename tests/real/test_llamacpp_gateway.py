"""The product in front of the real llama.cpp server, asked by the official OpenAI client and by raw sockets."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.real.conftest import Start
from tests.support.client import Connection, request
from tests.support.gateway import RunningGateway
from tests.support.llamacpp import LlamaCpp
from tests.support.logs import expect_log
from tests.support.loops import wait_until
from tests.support.secrets import CLIENT_KEY, UPSTREAM_KEY, assert_no_secret
from tests.support.tiny_model import LOOP, UTF8_TEXT, WORDS

ALL_WORDS = " ".join(f"w{i:04d}" for i in range(WORDS))
TOOLS: Any = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]


def config(running: LlamaCpp, **fields: Any) -> dict[str, Any]:
    return {
        "here": {
            "defaults": {"api_type": "openai", "vendor": "llamacpp", "api_host": running.base, **fields},
            "m": {"model": "tiny"},
        }
    }


def ask(text: str = "hi", **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def client(proxy: RunningGateway) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=proxy.origin + "/v1", api_key=CLIENT_KEY, max_retries=0)


async def test_streamed_bytes_are_the_servers_own(llamacpp: LlamaCpp, tmp_path: Path) -> None:
    """The same events as straight from the server, ids and times aside; every word once and in order."""
    async with RunningGateway(tmp_path, config(llamacpp)) as proxy:
        got = await proxy.request("POST", "/chat", ask(temperature=0))
        direct = await request(llamacpp.base, "POST", "/chat/completions", ask(temperature=0, stream=True))

    def plain(events: list[Any]) -> list[Any]:
        kept = [
            e if e == "[DONE]" else {k: v for k, v in e.items() if k in ("choices", "object")} for e in events
        ]
        return [e for e in kept if e == "[DONE]" or e["choices"]]

    assert got.complete
    assert got.text() == ALL_WORDS
    assert plain(got.events()) == plain(direct.events())


@pytest.mark.parametrize(("text", "answer"), [("hi", ALL_WORDS), ("utf8", UTF8_TEXT), ("empty", "")])
@pytest.mark.parametrize("stream", [True, False])
async def test_official_client(
    text: str, answer: str, stream: bool, llamacpp: LlamaCpp, tmp_path: Path
) -> None:
    """The official client reads both forms, usage included."""
    async with RunningGateway(tmp_path, config(llamacpp)) as proxy, client(proxy) as sdk:
        messages: Any = [{"role": "user", "content": text}]
        if stream:
            options: Any = {"include_usage": True}
            chunks = [
                chunk
                async for chunk in await sdk.chat.completions.create(
                    model="m", messages=messages, stream=True, stream_options=options
                )
            ]
            said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
            usage = chunks[-1].usage
        else:
            whole = await sdk.chat.completions.create(model="m", messages=messages)
            said, usage = whole.choices[0].message.content or "", whole.usage

    assert said == answer
    assert usage is not None
    assert usage.prompt_tokens > 0


async def test_official_client_sees_tools(llamacpp: LlamaCpp, tmp_path: Path) -> None:
    """A tool call in pieces, its result sent back, and the answer to it."""
    async with RunningGateway(tmp_path, config(llamacpp)) as proxy, client(proxy) as sdk:
        messages: Any = [{"role": "user", "content": "weather?"}]
        async with sdk.chat.completions.stream(model="m", messages=messages, tools=TOOLS) as stream:
            final = await stream.get_final_completion()
        (call,) = final.choices[0].message.tool_calls or []
        messages += [
            {"role": "assistant", "tool_calls": [call.model_dump(include={"id", "type", "function"})]},
            {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
        ]
        messages[1]["tool_calls"][0]["function"].pop("parsed_arguments", None)
        after = await sdk.chat.completions.create(model="m", messages=messages, tools=TOOLS)

    assert (final.choices[0].finish_reason, call.function.name) == ("tool_calls", "get_weather")
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    assert after.choices[0].message.content == ALL_WORDS


async def test_conversation(llamacpp: LlamaCpp, tmp_path: Path) -> None:
    """The conversation endpoint reaches the real server, with its prompt in the header."""
    async with RunningGateway(tmp_path, config(llamacpp)) as proxy:
        got = await proxy.request(
            "POST", "/conversation_with_model", {"model_name": "m", "user_last_statement": "x"}
        )

    assert got.text() == ALL_WORDS
    assert got.headers["x-prompt"].startswith("conversation@")


async def test_refusals_keep_their_status(llamacpp: LlamaCpp, tmp_path: Path) -> None:
    """A context overflow is the client's to know, with the code that clients look for."""
    async with RunningGateway(tmp_path, config(llamacpp)) as proxy, client(proxy) as sdk:
        messages: Any = [{"role": "user", "content": "x" * 20_000}]
        with pytest.raises(openai.BadRequestError) as caught:
            await sdk.chat.completions.create(model="m", messages=messages)
        with pytest.raises(openai.NotFoundError) as unknown:
            await sdk.chat.completions.create(model="mm", messages=messages)

    assert caught.value.code == "context_length_exceeded"
    assert unknown.value.code == "model_not_found"


@pytest.mark.parametrize(("key", "status"), [(UPSTREAM_KEY, 200), ("sk-planted-wrong", 502)])
async def test_key(key: str, status: int, llamacpp_locked: LlamaCpp, tmp_path: Path) -> None:
    """The configured key opens the server whatever the client sent; a wrong one is our fault, and not shown."""
    async with RunningGateway(
        tmp_path, config(llamacpp_locked, api_token="${KEY}"), env={"KEY": key}
    ) as proxy:
        more = {"headers": {"Authorization": f"Bearer {CLIENT_KEY}"}}
        with expect_log("handlers", "rejects our key", required=status != 200):
            got = await proxy.request("POST", "/chat", ask(max_tokens=3, stream=False), **more)

    assert got.status == status
    assert status == 200 or got.json()["error"]["code"] == "upstream_auth"
    assert_no_secret(got.body)


async def test_leaving_stops_the_generation(llamacpp_slow: LlamaCpp, tmp_path: Path) -> None:
    """The server's slot is free again soon after the client has left an endless answer."""
    async with RunningGateway(tmp_path, config(llamacpp_slow)) as proxy:
        async with Connection(proxy.url) as leaving:
            await leaving.send("POST", "/chat", ask("loop"))
            got = await leaving.head()
            for _ in range(3):
                await leaving.piece(got)
        await wait_until(lambda: not proxy.service.gateway.running)
        origin = llamacpp_slow.base.removesuffix("/v1")
        for _ in range(100):
            slots = (await request(origin, "GET", "/slots")).json()
            if not any(slot["is_processing"] for slot in slots):
                break
            await asyncio.sleep(0.02)

    assert not any(slot["is_processing"] for slot in slots)


async def test_a_killed_server_is_a_visible_break(start_llamacpp: Start, tmp_path: Path) -> None:
    """SIGKILL in mid-stream: the words so far, an error event that the official client raises on, and a cut."""
    with start_llamacpp(layers=400) as running:
        async with RunningGateway(tmp_path, config(running)) as proxy, client(proxy) as sdk:
            messages: Any = [{"role": "user", "content": "loop"}]
            words: list[str] = []

            async def read() -> None:
                async for chunk in await sdk.chat.completions.create(
                    model="m", messages=messages, stream=True
                ):
                    words.append(chunk.choices[0].delta.content or "")
                    if len(words) == 5:
                        os.kill(running.pid, signal.SIGKILL)

            with pytest.raises(openai.APIError) as caught:
                await read()
            after = await proxy.request("POST", "/chat", ask())

    said = "".join(words).split()
    assert said == [f"l{i % LOOP:04d}" for i in range(len(said))]
    assert caught.value.code == "upstream_error"
    assert (after.status, after.json()["error"]["code"]) == (502, "upstream_unreachable")


async def test_embeddings_through_passthrough(llamacpp_embedding: LlamaCpp, tmp_path: Path) -> None:
    """What the chat endpoints do not cover is reachable as it is."""
    async with RunningGateway(tmp_path, config(llamacpp_embedding)) as proxy:
        body = {"provider": "here", "path": "/embeddings", "body": {"model": "tiny", "input": "x"}}
        got = await proxy.request("POST", "/passthrough", body)

    assert len(got.json()["data"][0]["embedding"]) > 8
