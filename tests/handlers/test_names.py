"""Names end to end: aliases, patterns and ``provider/model`` on every face, in answers and in lists."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import COMPLETION, EVENTS, MESSAGES
from tests.support.client import Answer, request
from tests.support.gateway import RunningGateway
from tests.support.logs import expect_log
from tests.support.peer import Exchange, Peer
from tests.support.scripts import answer_json, sse, stream

ASKED = {"content": "hello", "role": "user"}
NAMES = {
    "fast": {"alias": "small"},
    "faster": {"alias": "fast"},
    "claude-*": {"alias": "small"},
    "canary-of-b": {"alias": "b/canary"},
}


async def speaks(exchange: Exchange) -> None:
    """OpenAI's dialect, for any model: answers say which one was asked for. It lists nothing."""
    if exchange.request.method == "GET":
        await answer_json({"error": {"message": "no list"}}, 404)(exchange)
        return
    body = json.loads(exchange.request.body)
    if body.get("stream"):
        await stream(*sse(*({**event, "model": body["model"]} for event in EVENTS)))(exchange)
    else:
        await answer_json({**COMPLETION, "model": body["model"]})(exchange)


@asynccontextmanager
async def two(folder: Path, **names: Any) -> AsyncIterator[tuple[RunningGateway, Peer, Peer]]:
    """Two providers of that dialect behind one gateway."""
    async with Peer(speaks) as a, Peer(speaks) as b:
        kind = {"api_type": "openai"}
        config = {
            "$models": names or NAMES,
            "a": {
                "defaults": {**kind, "api_host": a.url + "/v1"},
                "small": {"model": "up-small"},
                "gpt-*": {},
            },
            "b": {
                "defaults": {**kind, "api_host": b.url + "/v1"},
                "canary": {"weight": 0, "model": "up-canary"},
                "llama-*": {"model": "meta/Llama-*"},
                "off": {"active": False},
            },
        }
        async with RunningGateway(folder, config) as proxy:
            yield proxy, a, b


def posted(peer: Peer) -> list[str]:
    """The models that it was asked for."""
    return [json.loads(seen.body)["model"] for seen in peer.requests if seen.method == "POST"]


WAYS: dict[str, tuple[str, Any]] = {
    "chat": ("/v1/chat/completions", {"messages": MESSAGES}),
    "stream": ("/v1/chat/completions", {"messages": MESSAGES, "stream": True}),
    "messages": ("/v1/messages", {"messages": [ASKED], "max_tokens": 9}),
    "responses": ("/v1/responses", {"input": "hello"}),
    "ollama": ("/ollama/api/chat", {"messages": [ASKED], "stream": False}),
    "gemini": ("/v1beta/models/{}:generateContent", {"contents": [{"parts": [{"text": "hello"}]}]}),
}
MEANT = {
    "small": ("a", "up-small"),
    "fast": ("a", "up-small"),
    "faster": ("a", "up-small"),
    "claude-3": ("a", "up-small"),
    "a/small": ("a", "up-small"),
    "gpt-4o": ("a", "gpt-4o"),
    "a/gpt-5": ("a", "gpt-5"),
    "b/canary": ("b", "up-canary"),
    "canary-of-b": ("b", "up-canary"),
    "llama-3.2": ("b", "meta/Llama-3.2"),
}


async def ask(proxy: RunningGateway, way: str, name: str) -> Answer:
    path, body = WAYS[way]
    named = {} if way == "gemini" else {"model": name}
    return await request(proxy.origin, "POST", path.format(name), {**body, **named})


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_to_name_a_model(way: str, tmp_path: Path) -> None:
    """Each spelling reaches its upstream under the upstream's own name, and the answer says what was asked."""
    async with two(tmp_path) as (proxy, a, b):
        for name, (provider, model) in MEANT.items():
            answer = await ask(proxy, way, name)
            assert answer.status == 200, (name, answer.body)
            assert answer.headers["x-llm-provider"] == provider
            assert posted(a if provider == "a" else b)[-1] == model
            told = answer.body.decode().replace("\\/", "/")
            assert f'"{name}"' in told
            assert name == model or f'"{model}"' not in told


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_no_name(way: str, tmp_path: Path) -> None:
    """404, with a near name if there is one; what is out of use is reached by no way."""
    async with two(tmp_path) as (proxy, a, b):
        for name in ("of", "off", "b/off", "b/small", "smal", "gpt", "a/"):
            answer = await ask(proxy, way, name)
            assert answer.status == 404, name
        near = await ask(proxy, way, "fastr")
        canary = await ask(proxy, way, "canary")
        assert posted(a) == posted(b) == []

    assert near.status == 404
    assert b"fast" in near.body
    assert canary.status == 503


async def test_lists(tmp_path: Path) -> None:
    """Names and aliases on every list, never a pattern; one model of each kind by its name."""
    async with two(tmp_path) as (proxy, _, _):
        listed = {
            "/api/tags": ("models", "name"),
            "/v1/models": ("data", "id"),
            "/ollama/api/tags": ("models", "model"),
            "/anthropic/v1/models": ("data", "id"),
            "/gemini/v1beta/models": ("models", "baseModelId"),
        }
        found = {}
        for path, (top, key) in listed.items():
            answer = (await request(proxy.origin, "GET", path)).json()
            found[path] = {entry[key] for entry in answer[top]}
        one = [
            (await request(proxy.origin, "GET", f"{prefix}/{name}")).status
            for prefix in ("/v1/models", "/anthropic/v1/models", "/v1beta/models")
            for name in ("small", "fast", "gpt-4o", "b/canary", "claude-7", "nothing")
        ]
        shown = await request(proxy.origin, "POST", "/ollama/api/show", {"model": "gpt-4o"})
        rows = (await request(proxy.origin, "GET", "/api/status/models")).json()["models"]

    assert set(map(frozenset, found.values())) == {
        frozenset({"small", "fast", "faster", "canary", "canary-of-b"})
    }
    assert one == [200, 200, 200, 200, 200, 404] * 3
    assert shown.status == 200
    assert {"gpt-*", "llama-*", "off"} <= {row["name"] for row in rows}


async def test_edits_of_names(tmp_path: Path) -> None:
    """An alias and a pattern come, change and go while the gateway runs; a wrong edit changes nothing."""
    async with two(tmp_path) as (proxy, a, _):
        config = json.loads(proxy.config_file.read_text("utf-8"))
        assert (await ask(proxy, "chat", "o3")).status == 404
        config["$models"]["fast"] = {"alias": "gpt-4o"}
        config["a"]["o*"] = {}
        proxy.write_config(config)
        await proxy.service.reread()
        assert (await ask(proxy, "chat", "o3")).status == (await ask(proxy, "chat", "fast")).status == 200
        assert posted(a) == ["o3", "gpt-4o"]
        config["$models"]["fast"] = {"alias": "nothing"}
        config["a"].pop("o*")
        proxy.write_config(config)
        with expect_log("llm_proxy.live.state.registry", "configuration rejected"):
            await proxy.service.reread()
        status = (await request(proxy.origin, "GET", "/api/status")).json()
        assert status["state"] == "rejected"
        assert "$models.fast.alias: names no model that can be asked for" in status["problems"][0]
        assert (await ask(proxy, "chat", "o3")).status == 200


async def test_media(tmp_path: Path) -> None:
    """What is relayed unread is found by the same names."""
    async with two(tmp_path) as (proxy, a, b):
        for name in ("fast", "gpt-4o", "b/canary", "llama-1"):
            sent = {"model": name, "input": "x"}
            assert (await request(proxy.origin, "POST", "/v1/moderations", sent)).status == 200
        assert posted(a) == ["up-small", "gpt-4o"]
        assert posted(b) == ["up-canary", "meta/Llama-1"]
