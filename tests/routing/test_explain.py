"""``POST /explain`` says what would be sent, whom to and why, in every dialect; it sends nothing, and shows no secret."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import COMPLETION, access_lines
from tests.routing.kit import MESSAGES, Fleet, serves, status
from tests.support.access_kit import bearer, row, write_access
from tests.support.client import Answer, request
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Peer
from tests.support.scripts import answer_json
from tests.support.secrets import UPSTREAM_KEY

ASKED = {"role": "user", "content": "hello"}
#: What is asked, by endpoint; ``{}`` is the model.
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/chat", {"messages": MESSAGES, "temperature": 0.5, "stream": False}),
    "streamed": ("/v1/chat/completions", {"messages": MESSAGES, "stream": True}),
    "conversation": ("/conversation_with_model", {"user_last_statement": "hello", "stream": False}),
    "completions": ("/v1/completions", {"prompt": "hello"}),
    "responses": ("/v1/responses", {"input": "hello", "store": False}),
    "messages": ("/v1/messages", {"messages": [ASKED], "max_tokens": 9, "top_k": 3}),
    "ollama": ("/ollama/api/chat", {"messages": [ASKED], "stream": False, "options": {"num_ctx": 2048}}),
    "generate": ("/ollama/api/generate", {"prompt": "hello", "stream": False}),
    "gemini": ("/v1beta/models/{}:generateContent", {"contents": [{"parts": [{"text": "hello"}]}]}),
    "gemini streamed": (
        "/gemini/v1/models/{}:streamGenerateContent?alt=sse",
        {"contents": [{"parts": [{"text": "hello"}]}]},
    ),
    "embeddings": ("/v1/embeddings", {"input": ["hello"]}),
    "embed": ("/ollama/api/embed", {"input": "hello"}),
    "speech": ("/v1/audio/speech", {"input": "hello", "voice": "alto", "stream_format": "sse"}),
    "images": ("/v1/images/generations", {"prompt": "a house"}),
    "moderations": ("/v1/moderations", {"input": "hello"}),
    "passthrough": ("/passthrough", {"path": "/some/where?x=1", "headers": {"X-A": "b"}, "body": {"a": [1]}}),
}
KINDS = ("openai", "vllm", "ollama", "anthropic", "gemini")


def named(way: str, model: str = "m") -> tuple[str, dict[str, Any]]:
    path, body = WAYS[way]
    if "{}" in path:
        return path.format(model), body
    return path, {("model_name" if "statement" in str(body) else "model"): model, **body}


async def explain(proxy: RunningGateway, path: str, body: Any, **more: Any) -> Answer:
    return await proxy.request("POST", "/explain", {"path": path, "body": body, **more})


@asynccontextmanager
async def every_kind(folder: Path) -> AsyncIterator[tuple[RunningGateway, Peer]]:
    """A model of each kind at one peer, which refuses everything."""
    async with Peer(answer_json({"error": {"message": "no"}}, 418)) as peer:
        config: dict[str, Any] = {}
        for kind in KINDS:
            base = "/v1" if kind in ("openai", "vllm") else ""
            defaults = {"api_type": kind, "api_host": peer.url + base, "api_token": UPSTREAM_KEY}
            row = {"model": "up", "options": {"seed": 7}}
            config[f"p-{kind}"] = {"defaults": defaults, f"m-{kind}": row}
        async with RunningGateway(folder, config) as proxy:
            yield proxy, peer


async def test_it_is_what_would_be_sent(tmp_path: Path) -> None:
    """For every endpoint and every kind of upstream the call that is shown is the one that is made, but for the key and the
    address; what is refused is refused in the same words."""
    compared = 0
    async with every_kind(tmp_path) as (proxy, peer):
        for kind in KINDS:
            for way in WAYS:
                path, body = named(way, f"m-{kind}")
                before = len(peer.requests)
                shown = await explain(proxy, path, body)
                assert len(peer.requests) == before
                url = proxy.url if path.startswith(("/chat", "/conv", "/pass")) else proxy.origin
                with access_lines() as lines:
                    made = await request(url, "POST", path, body)
                if len(peer.requests) == before:
                    assert shown.status == made.status, (kind, way, shown.body, made.body)
                    continue
                sent, told = peer.requests[before], shown.json()
                call = told["call"]
                assert shown.status == 200, (kind, way, shown.body)
                assert call["body"] == json.loads(sent.body), (kind, way)
                assert call["method"] == sent.method
                assert call["url"].startswith("***/")
                assert sent.path.endswith(call["url"][3:])
                given = {name.lower(): value for name, value in sent.headers}
                for name, value in call["headers"].items():
                    assert given[name.lower()] == value.replace("***", UPSTREAM_KEY), (kind, way, name)
                assert lines[-1].get("dropped", []) == told["dropped"], (kind, way)
                assert UPSTREAM_KEY not in shown.body.decode()
                assert peer.url.removeprefix("http://") not in shown.body.decode()
                compared += 1
    assert compared > 45


async def test_a_provider_is_named(tmp_path: Path) -> None:
    """Passthrough by a provider's name, with and without the prefix: the one call that there can be; no key without
    ``passthrough`` is told."""
    keys = {"alice": row("alice"), "bob": row("bob", passthrough=True)}
    (tmp_path / "keys").mkdir()
    access = write_access(tmp_path / "keys", {"keys": keys})
    async with Fleet(tmp_path, serves, access=access) as fleet:
        for path in ("/passthrough/gpu-1/a/b?c=d", "/api/passthrough/gpu-1/a/b?c=d"):
            form = {"path": path, "body": {"x": 1}}
            told = (await fleet.proxy.request("POST", "/explain", form, headers=bearer("bob"))).json()
            refused = await fleet.proxy.request("POST", "/explain", form, headers=bearer("alice"))
            assert (told["model"], [one["provider"] for one in told["candidates"]]) == ("gpu-1", ["gpu-1"])
            assert (told["call"]["url"], told["call"]["body"]) == ("***/a/b?c=d", {"x": 1})
            assert refused.status == 403
        assert fleet.asked() == [0]


TEXT = "Hello there, how are you today?"
#: What a request is about, and how many tokens that are.
SIZES: list[tuple[str, dict[str, Any], int | None]] = [
    ("/v1beta/models/m:embedContent", {"content": {"parts": [{"text": TEXT}]}}, 8),
    ("/v1/embeddings", {"model": "m", "input": [[1, 2, 3], [4]]}, 4),
    ("/api/passthrough", {"model": "m", "path": "/x", "body": {"prompt": TEXT}}, 8),
    ("/api/passthrough", {"model": "m", "path": "/x", "body": TEXT}, None),
    ("/api/passthrough", {"model": "m", "path": "/x"}, None),
    ("/api/passthrough/gpu-1/x", {"odd": TEXT}, None),
]


async def test_how_large_it_is(tmp_path: Path) -> None:
    """Tokens of whatever form, and unknown where the form is; nothing is said of what they cost then."""
    async with Fleet(tmp_path, serves) as fleet:
        for path, body, tokens in SIZES:
            told = (await explain(fleet.proxy, path, body)).json()
            assert told["estimate"] == {"input_tokens": tokens, "usd": None}, path


async def test_the_whole_answer(tmp_path: Path) -> None:
    """Every field, for a request with a prompt of the library."""
    async with Fleet(tmp_path, serves, models={"fast": {"alias": "m"}}) as fleet:
        body = {"model_name": "fast", "user_last_statement": "hello there", "stream": False}
        told = (await explain(fleet.proxy, "/api/conversation_with_model", body)).json()
        assert fleet.asked() == [0]

    assert (told["model"], told["resolved"], told["waits"]) == ("fast", "m", False)
    assert told["candidates"] == [
        {
            "provider": "gpu-1",
            "model": "up-1",
            "state": "ok",
            "chosen": True,
            "why": "the only one",
            "cost": 1.0,
        }
    ]
    assert told["prompt"]["ref"].startswith("conversation@")
    assert told["prompt"]["language"] in ("en", "pl")
    assert told["relay"] == "bytes"
    assert told["call"]["body"]["messages"][0]["role"] == "system"
    # Of the prompt and what the user says, as they would be sent.
    sent = sum(len(one["content"]) for one in told["call"]["body"]["messages"])
    assert sent // 4 <= told["estimate"]["input_tokens"] <= sent
    assert told["estimate"]["usd"] is None


@pytest.mark.parametrize(
    ("way", "kind", "relay"),
    [
        ("chat", "openai", "bytes"),
        ("chat", "ollama", "events"),
        ("messages", "anthropic", "bytes"),
        ("messages", "openai", "events"),
        ("ollama", "ollama", "bytes"),
        ("gemini", "gemini", "bytes"),
    ],
)
async def test_how_it_is_relayed(way: str, kind: str, relay: str, tmp_path: Path) -> None:
    """As bytes where both sides speak the same dialect."""
    async with every_kind(tmp_path) as (proxy, _):
        told = (await explain(proxy, *named(way, f"m-{kind}"))).json()

    assert told["relay"] == relay


@pytest.mark.parametrize(
    ("kind", "relay"), [("openai", "bytes"), ("vllm", "bytes"), ("anthropic", "events"), ("gemini", "events")]
)
async def test_how_it_is_relayed_with_other_names(kind: str, relay: str, tmp_path: Path) -> None:
    """A tool's name that no vendor takes makes no dialect another."""
    path, body = named("chat", f"m-{kind}")
    tool = {"type": "function", "function": {"name": "a.b/c d", "parameters": {"type": "object"}}}
    async with every_kind(tmp_path) as (proxy, _):
        told = (await explain(proxy, path, {**body, "tools": [tool]})).json()

    assert told["relay"] == relay


async def test_why(tmp_path: Path) -> None:
    """How each upstream stands: one that failed and is left alone, one of a higher tier, one out of rotation, one that cannot."""
    fields: dict[int, dict[str, Any]] = {
        2: {"order": 1},
        3: {"weight": 0},
        4: {"capabilities": ["completion", "vision"]},
    }
    async with Fleet(
        tmp_path, status(500), serves, serves, serves, fields=fields, models={"m": {"retries": 3}}
    ) as fleet:
        tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
        body = {"model": "m", "messages": MESSAGES, "tools": [tool], "stream": False}
        for _ in range(6):
            assert (await fleet.ask(body)).status == 200
        before = fleet.asked()
        for _ in range(5):
            told = (await explain(fleet.proxy, "/v1/chat/completions", body)).json()
        assert fleet.asked() == before
        pinned = (await explain(fleet.proxy, "/v1/chat/completions", {**body, "model": "gpu-3/m"})).json()

    rows = {row["provider"]: row for row in told["candidates"]}
    assert [rows[f"gpu-{n}"]["chosen"] for n in range(1, 5)] == [False, True, False, False]
    assert rows["gpu-1"]["state"] == "ejected"
    assert rows["gpu-3"]["state"] == "out"
    assert rows["gpu-3"]["why"] == "weight 0"
    assert rows["gpu-4"]["why"] == "its model calls no tools"
    assert rows["gpu-2"]["cost"] > 0
    assert rows["gpu-2"]["why"] == "the only one left"
    assert told["call"]["body"]["model"] == "up-2"
    assert [row["provider"] for row in pinned["candidates"]] == ["gpu-3"]
    assert pinned["candidates"][0]["chosen"]


async def test_who_would_wait(tmp_path: Path) -> None:
    """Nobody is chosen while all are full, and no call is shown; without a queue a fallback is."""

    async def slow(exchange: Exchange) -> None:
        await exchange.left()

    names = {1: ("m", "n"), 2: ("spare",)}
    models: dict[str, Any] = {"n": {"queue": None, "fallbacks": ["spare"]}}
    fields = {1: {"max_concurrent": 1, "model": "up"}}
    async with Fleet(tmp_path, slow, serves, fields=fields, names=names, models=models) as fleet:
        body = {"messages": MESSAGES, "stream": False}
        one = asyncio.create_task(fleet.ask({**body, "model": "gpu-1/m"}))
        await wait_until(lambda: fleet.asked()[0] == 1, 20)
        waits = (await explain(fleet.proxy, "/chat", {**body, "model": "m"})).json()
        falls = (await explain(fleet.proxy, "/chat", {**body, "model": "n"})).json()
        one.cancel()
        await asyncio.gather(one, return_exceptions=True)

    assert waits["waits"]
    assert waits["call"] is None
    assert [(row["state"], row["chosen"]) for row in waits["candidates"]] == [("full", False)]
    assert (falls["model"], falls["resolved"], falls["waits"]) == ("n", "spare", False)
    assert falls["candidates"][0]["provider"] == "gpu-2"


@pytest.mark.parametrize(
    ("form", "status_", "words"),
    [
        ({"path": "/v1/chat/completions"}, 400, "body"),
        ({"path": "v1/chat", "body": {}}, 400, "path"),
        ({"path": "/nothing", "body": {}}, 404, "nothing at this path asks a model"),
        ({"path": "/api/tags", "body": {}}, 404, "nothing at this path asks a model"),
        ({"path": "/api/explain", "body": {}}, 404, "nothing at this path asks a model"),
        ({"path": "/v1/audio/speech", "body": {"input": "hi"}}, 400, "model"),
        ({"path": "/api/passthrough/gpu-9/x", "body": {}}, 404, "'gpu-9' does not exist"),
        ({"path": "/passthrough", "body": {"model": "m", "path": "/../x"}}, 400, "'..'"),
        ({"path": "/chat", "body": {"model": "n", "messages": MESSAGES}}, 404, "'n' does not exist"),
        ({"path": "/chat", "body": {"model": "m", "messages": 3}}, 400, "messages"),
        ({"path": "/chat", "body": {"model": "m"}, "headers": {"a b": "c"}}, 400, "headers"),
        ({"path": "/chat", "body": {"model": "m"}, "more": 1}, 400, "more"),
        ({"path": "/chat?x=" + "y" * 9000, "body": {}}, 400, "path"),
    ],
)
async def test_what_cannot_be_explained(
    form: dict[str, Any], status_: int, words: str, tmp_path: Path
) -> None:
    """One clear error, and nobody is asked."""
    async with Fleet(tmp_path, serves) as fleet:
        answer = await fleet.proxy.request("POST", "/explain", form)
        assert fleet.asked() == [0]

    assert answer.status == status_
    assert words in answer.json()["error"]["message"]


async def test_no_secret_is_shown(tmp_path: Path) -> None:
    """Keys, configured headers, and texts from the environment, wherever they would be sent."""
    secret = "planted-secret-option"
    async with Peer(answer_json(COMPLETION)) as peer:
        defaults = {
            "api_type": "openai",
            "api_host": peer.url + "/account-4711/v1",
            "api_token": UPSTREAM_KEY,
            "headers": {"X-Org": "planted-org"},
            "options": {"user": "${WHO}", "logit_bias": {"1": 2}},
        }
        config = {"p": {"defaults": defaults, "m": {}}}
        async with RunningGateway(tmp_path, config, env={"WHO": secret}) as proxy:
            answer = await explain(
                proxy, "/chat", {"model": "m", "messages": [{"role": "user", "content": f"I am {secret}"}]}
            )
    told = answer.json()["call"]
    shown = answer.body.decode()

    assert told["url"] == "***/chat/completions"
    assert told["headers"]["X-Org"] == told["body"]["user"] == "***"
    assert told["headers"]["Authorization"] == "Bearer ***"
    for hidden in (secret, UPSTREAM_KEY, "planted-org", "account-4711", str(peer.url)):
        assert hidden not in shown


async def test_it_counts_for_nothing(tmp_path: Path) -> None:
    """Neither a request of the model, nor its budget of retries, nor anything in flight."""
    async with Fleet(tmp_path, serves, serves) as fleet:
        for _ in range(50):
            answer = await explain(fleet.proxy, "/chat", {"model": "m", "messages": MESSAGES})
            assert answer.status == 200
        assert fleet.in_flight() == 0
        assert fleet.asked() == [0, 0]
        assert not fleet.router.states._models
        assert not fleet.proxy.service.gateway.running


async def test_whoever_may_call_the_model_may_ask(tmp_path: Path) -> None:
    """The key of the request is the one that counts, and a key for other models hears that there is no such model."""
    keys = {"keys": {"alice": row("alice", models=["m"]), "bob": row("bob", models=["n"])}}
    access = write_access(tmp_path, keys)
    async with Fleet(tmp_path, serves, access=access) as fleet:
        body = {"path": "/chat", "body": {"model": "m", "messages": MESSAGES}, "headers": bearer("alice")}
        found = [
            (await fleet.proxy.request("POST", "/explain", body, headers=headers)).status
            for headers in (bearer("alice"), bearer("bob"), {})
        ]

    assert found == [200, 404, 401]
