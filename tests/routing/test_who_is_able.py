"""Upstreams that cannot take a request are not asked, whatever the dialect; when none can, the client hears why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import COMPLETION
from tests.routing.kit import MESSAGES, Fleet, serves
from tests.support.client import Answer, request
from tests.support.loops import wait_until
from tests.support.peer import Exchange
from tests.support.scripts import answer_json

PNG = "iVBORw0KGgo="
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
BLIND = {"capabilities": ["completion", "tools"]}
LONG = "word " * 300

#: A request that the second of two upstreams cannot take, and what makes it so.
SHAPES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "a picture": ("/v1/chat/completions", {"messages": [{"role": "user", "content": [PICTURE]}]}, BLIND),
    "tools": (
        "/v1/chat/completions",
        {"messages": MESSAGES, "tools": [TOOL]},
        {"capabilities": ["completion"]},
    ),
    "too long": (
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": LONG}]},
        {"input_size": 100},
    ),
    "too long, large": (
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": LONG * 100}]},
        {"input_size": 10_000},
    ),
    "Anthropic's picture": (
        "/v1/messages",
        {
            "max_tokens": 9,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "image",
                            "source": {"type": "base64", "media_type": "image/png", "data": PNG},
                        }
                    ],
                }
            ],
        },
        BLIND,
    ),
    "Ollama's picture": (
        "/ollama/api/chat",
        {"stream": False, "messages": [{"role": "user", "content": "x", "images": [PNG]}]},
        BLIND,
    ),
    "a long input": ("/v1/responses", {"input": LONG}, {"input_size": 100}),
    "long contents": (
        "/v1beta/models/m:generateContent",
        {"contents": [{"parts": [{"text": LONG}]}]},
        {"input_size": 100},
    ),
}


async def ask(fleet: Fleet, shape: str, **more: Any) -> Answer:
    path, body, _ = SHAPES[shape]
    named = {} if path.startswith("/v1beta") else {"model": "m"}
    return await request(fleet.proxy.origin, "POST", path, {**named, **body, **more})


@pytest.mark.parametrize("shape", SHAPES)
async def test_whoever_cannot_is_not_asked(shape: str, tmp_path: Path) -> None:
    """Of two upstreams the one that can take it gets all of it, also where it is of a higher tier; the other gets the rest."""
    async with Fleet(tmp_path, serves, serves, fields={1: {"order": 1}, 2: SHAPES[shape][2]}) as fleet:
        for _ in range(4):
            assert (await ask(fleet, shape)).status == 200
        assert fleet.asked() == [4, 0]
        body = {"model": "m", "messages": MESSAGES, "stream": False}
        assert (await fleet.ask(body)).status == 200
        assert fleet.asked() == [4, 1]


@pytest.mark.parametrize("shape", SHAPES)
async def test_when_none_can(shape: str, tmp_path: Path) -> None:
    """400, by its code or with the field, and nobody is asked."""
    unable = SHAPES[shape][2]
    async with Fleet(tmp_path, serves, serves, fields={1: unable, 2: unable}) as fleet:
        answer = await ask(fleet, shape)
        assert fleet.asked() == [0, 0]

    assert answer.status == 400
    told = answer.body.decode()
    assert ("too long" in told) == ("input_size" in unable)
    assert "'m'" in told


@pytest.mark.parametrize(
    ("shape", "on", "status"),
    [
        ("too long", ["context_length"], 200),
        ("too long", ["unavailable", "rate_limit"], 400),
        ("a picture", ["unavailable"], 200),
        ("a picture", ["context_length"], 400),
    ],
)
async def test_another_model(shape: str, on: list[str], status: int, tmp_path: Path) -> None:
    """A fallback may take what the model cannot: what is too long by ``context_length``, else by ``unavailable``."""
    models = {"m": {"fallbacks": [{"model": "n", "on": on}]}}
    names = {1: ("m",), 2: ("n",)}
    fleet = Fleet(tmp_path, serves, serves, fields={1: SHAPES[shape][2]}, models=models, names=names)
    async with fleet:
        answer = await ask(fleet, shape)
        assert fleet.asked() == [0, int(status == 200)]

    assert answer.status == status
    assert answer.headers.get("x-llm-fallback") == ("m->n" if status == 200 else None)


async def test_what_an_upstream_says_itself(tmp_path: Path) -> None:
    """Without a word in the configuration, what an upstream was heard to say of its model counts."""

    async def small(exchange: Exchange) -> None:
        if exchange.request.method == "GET":
            await answer_json({"data": [{"id": "up-2", "max_model_len": 100}]})(exchange)
        else:
            await answer_json(COMPLETION)(exchange)

    async with Fleet(tmp_path, small, small) as fleet:
        await request(fleet.proxy.origin, "POST", "/ollama/api/show", {"model": "m"})
        before, after = fleet.asked()
        for _ in range(6):
            assert (await ask(fleet, "too long")).status == 200
        assert fleet.asked() == [before + 6, after]


async def test_one_upstream_says_so_itself(tmp_path: Path) -> None:
    """A model with one upstream and nothing else configured is asked as ever."""
    async with Fleet(tmp_path, serves, fields={1: {"input_size": 100}}) as fleet:
        assert (await ask(fleet, "too long")).status == 200
        assert fleet.asked() == [1]


async def test_upstreams_are_asked_what_they_can(tmp_path: Path) -> None:
    """Nothing is said of it in the configuration: when a request comes for which it may matter the upstream is asked, once, beside it;
    whose abilities are configured is not. From then on who cannot is not asked for an answer."""

    async def small(exchange: Exchange) -> None:
        if exchange.request.path.endswith("/models"):
            await answer_json({"object": "list", "data": [{"id": "up-1", "max_model_len": 100}]})(exchange)
        else:
            await serves(exchange)

    fields = {2: {"capabilities": ["completion"]}}
    async with Fleet(
        tmp_path, small, serves, fields=fields, models={"m": {"affinity": "off", "policy": "weighted"}}
    ) as fleet:
        gateway, router = fleet.proxy.service.gateway, fleet.router
        router.chance = lambda: 0.0  # the first, if it may be
        body = {"model": "m", "messages": [{"role": "user", "content": LONG}], "stream": False}
        short = {"model": "m", "messages": MESSAGES, "stream": False}

        async def served(what: dict[str, Any]) -> str:
            return (await fleet.ask(what)).headers["x-llm-provider"]

        assert [await served(short), await served(short)] == ["gpu-1", "gpu-1"]
        assert len(fleet.peers[0].requests) == 2
        assert await served(body) == "gpu-1"
        await wait_until(lambda: not gateway.abilities._asking)
        router.views.clear()  # it is looked at once a second
        assert [await served(body), await served(short), await served(body)] == ["gpu-2", "gpu-1", "gpu-2"]
        asked = [[one.path for one in peer.requests if one.path.endswith("/models")] for peer in fleet.peers]

    assert asked == [["/v1/models", "/api/v0/models"], []]
