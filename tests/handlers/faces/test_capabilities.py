"""What ``/api/show`` says of a model: what its upstream says, its name, or the configuration; soon, and whatever fails."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import gateway
from tests.support.client import Answer, request
from tests.support.gateway import RunningGateway
from tests.support.ollama_client import client, over, post
from tests.support.peer import Exchange, Peer, Script
from tests.support.scripts import answer, answer_json, in_turn, silent

OPENROUTER = {
    "id": "up",
    "context_length": 8192,
    "architecture": {"input_modalities": ["text"]},
    "supported_parameters": ["tools", "reasoning"],
}
PLAIN = ["completion", "tools", "vision"]


async def shown(proxy: RunningGateway, model: str = "m") -> Any:
    """What ``/api/show`` says."""
    return (await post(proxy, "/api/show", {"model": model})).json()


@pytest.mark.parametrize(
    ("model", "listed"),
    [
        ("qwen3:8b", ["completion", "tools", "thinking"]),
        ("llama3.2", ["completion", "tools"]),
        ("llava:7b", ["completion", "vision"]),
        ("nomic-embed-text", ["embedding"]),
    ],
)
async def test_an_ollama_is_asked_itself(model: str, listed: list[str], tmp_path: Path) -> None:
    """Its own words, in the client's own types; the context too, unless the configuration knows it. The list knows it
    from then on."""
    async with over("ollama", tmp_path, model) as (proxy, _), client(proxy) as sdk:
        before = (await request(proxy.origin, "GET", "/ollama/api/tags")).json()["models"][0]
        found = await sdk.show("m")
        after = (await request(proxy.origin, "GET", "/ollama/api/tags")).json()["models"][0]

    assert found.capabilities == listed
    assert found.modelinfo is not None
    assert found.modelinfo["ollama.context_length"] == 8192
    assert after["capabilities"] == listed
    assert before["capabilities"] != [] or model == "nomic-embed-text"


async def test_a_list_of_models_is_asked_for_once(tmp_path: Path) -> None:
    """Thirty clients that ask at once, and all of them again, make one call, with our key and without theirs."""
    listed = answer_json({"data": [OPENROUTER, {"id": "other"}]})
    async with Peer(listed) as peer, gateway(tmp_path, peer.url) as proxy:
        found = [*await asyncio.gather(*(shown(proxy) for _ in range(30))), await shown(proxy)]
        calls = [(seen.method, seen.path) for seen in peer.requests]

    assert {tuple(about["capabilities"]) for about in found} == {("completion", "tools", "thinking")}
    assert found[0]["model_info"]["openai.context_length"] == 8192
    assert calls.count(("GET", "/v1/models")) == 1
    assert len(calls) <= 2  # LM Studio's own list


TROUBLES: dict[str, Script] = {
    "404": answer(b"no", 404),
    "500": answer_json({"error": {"message": "x"}}, 500),
    "401": answer_json({"error": {"message": "x"}}, 401),
    "html": answer(b"<html>", content_type="text/html"),
    "nothing": answer(b""),
    "nonsense": answer_json([1, {"data": 3}]),
    "other models": answer_json({"data": [{"id": "another", "supported_parameters": ["reasoning"]}]}),
    "cut": answer(b'{"data": ['),
}


@pytest.mark.parametrize("name", TROUBLES)
async def test_an_upstream_that_does_not_say(name: str, tmp_path: Path) -> None:
    """What the gateway can carry is told, with 200, and nothing that nobody said."""
    async with Peer(TROUBLES[name]) as peer, gateway(tmp_path, peer.url) as proxy:
        assert (await shown(proxy))["capabilities"] == PLAIN


async def test_an_upstream_that_is_silent(tmp_path: Path) -> None:
    """It is not waited for longer than a client would, and not again at once."""
    async with Peer(silent()) as peer, gateway(tmp_path, peer.url) as proxy:
        first = await asyncio.wait_for(shown(proxy), 8)
        count = len(peer.requests)
        second = await shown(proxy)
        assert len(peer.requests) == count

    assert first["capabilities"] == second["capabilities"] == PLAIN


async def test_the_name_and_the_configuration(tmp_path: Path) -> None:
    """A known name says what its upstream does not; ``capabilities`` of the configuration says all; of several
    deployments what each of them can counts."""
    host = {"api_type": "openai", "api_host": "http://127.0.0.1:9/v1"}
    rows = {
        "a": {
            "defaults": host,
            "named": {"model": "qwen3:8b"},
            "told": {"model": "qwen3:8b", "capabilities": ["completion"]},
            "embeds": {"model": "text-embedding-3-small"},
            "both": {"capabilities": ["completion", "tools", "thinking"]},
        },
        "b": {"defaults": host, "both": {"capabilities": ["completion", "vision", "thinking"]}},
    }
    async with RunningGateway(tmp_path, rows) as proxy:
        found = {
            name: (await shown(proxy, name))["capabilities"] for name in ("named", "told", "embeds", "both")
        }

    assert found == {
        "named": [*PLAIN, "thinking"],
        "told": ["completion"],
        "embeds": ["embedding"],
        "both": ["completion", "thinking"],
    }


# -- thinking that is asked of a model that has none

ASKS: dict[str, tuple[str, dict[str, Any], str]] = {
    "chat": ("/v1/chat/completions", {"reasoning_effort": "high"}, "reasoning_effort"),
    "own": ("/api/chat", {"reasoning_effort": "low", "stream": False}, "reasoning_effort"),
    "own, Ollama's word": ("/api/chat", {"think": True, "stream": False}, "think"),
    "responses": ("/v1/responses", {"reasoning": {"effort": "medium"}}, "reasoning_effort"),
    "messages": (
        "/v1/messages",
        {"max_tokens": 5000, "thinking": {"type": "enabled", "budget_tokens": 2000}},
        "reasoning_effort",
    ),
}


async def ask(proxy: RunningGateway, kind: str, *, stream: bool = False, model: str = "m") -> Answer:
    """One request that asks for thinking."""
    path, fields, _ = ASKS[kind]
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **fields, "stream": stream}
    if path == "/v1/responses":
        body["input"] = body.pop("messages")
    return await request(proxy.origin, "POST", path, body)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ASKS)
async def test_it_is_given_up_once_and_remembered(kind: str, stream: bool, tmp_path: Path) -> None:
    """The refusal is asked again without it; from then on it is not sent; each time it is named. Thinking that the model
    has is untouched."""
    async with over("ollama", tmp_path, "llama3.2") as (proxy, double):
        answers = [await ask(proxy, kind, stream=stream) for _ in range(3)]
        sent = [seen.json() for seen in double.requests]

    assert [answer.status for answer in answers] == [200] * 3, answers[0].body
    assert all(answer.complete for answer in answers)
    assert [answer.headers["x-dropped-params"] for answer in answers] == [ASKS[kind][2]] * 3
    assert ["think" in body for body in sent] == [True, False, False, False]


@pytest.mark.parametrize("kind", ASKS)
async def test_it_is_sent_to_a_model_that_thinks(kind: str, tmp_path: Path) -> None:
    """Nothing is given up there."""
    async with over("ollama", tmp_path, "qwen3:8b") as (proxy, double):
        got = await ask(proxy, kind)
        (seen,) = double.requests

    assert (got.status, got.headers.get("x-dropped-params")) == (200, None)
    assert seen.json()["think"]


async def test_what_the_upstream_said_saves_the_first_try(tmp_path: Path) -> None:
    """After ``/api/show`` nothing is tried that is known to fail; options of the configuration are given up as well."""
    async with over("ollama", tmp_path, "llama3.2", options={"think": True}) as (proxy, double):
        await shown(proxy)
        got = await request(
            proxy.origin,
            "POST",
            "/v1/chat/completions",
            {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
        )
        calls = [seen for seen in double.requests if seen.path == "/api/chat"]

    assert (got.status, got.headers.get("x-dropped-params")) == (200, None)
    assert ["think" in seen.json() for seen in calls] == [False]


async def test_the_same_dialect_is_relayed_as_it_is(tmp_path: Path) -> None:
    """An Ollama's own refusal reaches an Ollama's client: nothing is translated there."""
    async with over("ollama", tmp_path, "llama3.2") as (proxy, double):
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "think": True}
        got = await post(proxy, "/api/chat", body)
        assert len(double.requests) == 1

    assert got.status == 400
    assert "does not support thinking" in got.json()["error"]


REFUSALS: dict[str, tuple[int, dict[str, Any]]] = {
    "tools": (400, {"message": '"up" does not support tools', "type": "invalid_request_error"}),
    "a level": (400, {"message": "x", "code": "unsupported_value", "param": "reasoning_effort"}),
    "another status": (404, {"message": '"up" does not support thinking'}),
    "another parameter": (400, {"message": "x", "code": "unsupported_parameter", "param": "temperature"}),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_other_refusals_are_told(name: str, tmp_path: Path) -> None:
    """With one call: only a model that does not think at all is asked again."""
    status, error = REFUSALS[name]
    async with Peer(answer_json({"error": error}, status)) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await ask(proxy, "chat")
        assert len(peer.requests) == 1

    assert got.status == status


async def test_openais_words_for_it(tmp_path: Path) -> None:
    """``unsupported_parameter`` with its name, as OpenAI's models without thinking say it."""
    error = {"message": "Unsupported parameter", "code": "unsupported_parameter", "param": "reasoning_effort"}
    good = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]
    }
    script = in_turn(answer_json({"error": error}, 400), answer_json(good), answer_json(good))
    async with Peer(script) as peer, gateway(tmp_path, peer.url) as proxy:
        answers = [await ask(proxy, "chat") for _ in range(2)]
        sent = ["reasoning_effort" in seen.json() for seen in peer.requests]

    assert [(got.status, got.headers["x-dropped-params"]) for got in answers] == [
        (200, "reasoning_effort")
    ] * 2
    assert sent == [True, False, False]


async def test_a_refusal_that_stays(tmp_path: Path) -> None:
    """A server that says so whatever it is asked is tried twice, then its word is the answer."""

    async def refuse(exchange: Exchange) -> None:
        await answer_json({"error": '"up" does not support thinking'}, 400)(exchange)

    async with Peer(refuse) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await ask(proxy, "chat")
        count = len(peer.requests)

    assert (got.status, count) == (400, 2)
