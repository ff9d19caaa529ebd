"""Responses and conversations by their ids: relayed to the upstream that keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.native_peer import native
from tests.support.peer import Peer
from tests.support.scripts import answer, answer_json, silent, sse, stream
from tests.support.secrets import CLIENT_KEY, UPSTREAM_KEY

KEPT = {"id": "resp_1", "object": "response", "status": "queued", "output": []}
#: Method, path, body, and what the upstream sees.
CALLS: list[tuple[str, str, Any, str, Any]] = [
    ("GET", "/v1/responses/resp_1?include[]=x&model=m", None, "/responses/resp_1?include[]=x", None),
    ("DELETE", "/v1/responses/resp_1", None, "/responses/resp_1", None),
    ("GET", "/v1/responses/resp_1/input_items?limit=2", None, "/responses/resp_1/input_items?limit=2", None),
    ("POST", "/v1/responses/resp_1/cancel", None, "/responses/resp_1/cancel", None),
    ("POST", "/v1/responses/resp_1/cancel", {}, "/responses/resp_1/cancel", {}),
    (
        "POST",
        "/v1/responses/input_tokens",
        {"model": "m", "input": "x"},
        "/responses/input_tokens",
        {"model": "up", "input": "x"},
    ),
    (
        "POST",
        "/v1/responses/compact",
        {"model": "m", "x": [1.0]},
        "/responses/compact",
        {"model": "up", "x": [1.0]},
    ),
    ("POST", "/v1/conversations", {"metadata": {"a": "b"}}, "/conversations", {"metadata": {"a": "b"}}),
    ("POST", "/v1/conversations", {"model": "m", "items": []}, "/conversations", {"items": []}),
    ("GET", "/v1/conversations/conv_1", None, "/conversations/conv_1", None),
    ("POST", "/v1/conversations/conv_1", {"metadata": {}}, "/conversations/conv_1", {"metadata": {}}),
    ("DELETE", "/v1/conversations/conv_1", None, "/conversations/conv_1", None),
    ("GET", "/v1/conversations/conv_1/items?after=i", None, "/conversations/conv_1/items?after=i", None),
    ("POST", "/v1/conversations/conv_1/items", {"items": []}, "/conversations/conv_1/items", {"items": []}),
    ("GET", "/v1/conversations/conv_1/items/msg_1", None, "/conversations/conv_1/items/msg_1", None),
    ("DELETE", "/api/v1/conversations/c/items/i", None, "/conversations/c/items/i", None),
]


def client(proxy: RunningGateway) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=proxy.origin + "/v1", api_key=CLIENT_KEY, max_retries=0)


@pytest.mark.parametrize(("method", "path", "body", "target", "sent"), CALLS)
async def test_relayed(method: str, path: str, body: Any, target: str, sent: Any, tmp_path: Path) -> None:
    """As it is, with our key, the upstream's name of the model where the API has one, and nothing that speaks to us."""
    async with native(tmp_path, "vllm", answer(b' {"x": 1.50}\n')) as (proxy, peer):
        got = await request(
            proxy.origin, method, path, body, headers={"Authorization": f"Bearer {CLIENT_KEY}"}
        )
        (seen,) = peer.requests

    assert (got.status, got.body) == (200, b' {"x": 1.50}\n')
    assert (seen.method, seen.path, seen.header("authorization")) == (
        method,
        target,
        f"Bearer {UPSTREAM_KEY}",
    )
    assert (seen.json() if seen.body else None) == sent


async def test_the_official_client(tmp_path: Path) -> None:
    """Retrieves, cancels and deletes."""
    async with native(tmp_path, "vllm", answer_json(KEPT)) as (proxy, peer):
        async with client(proxy) as sdk:
            got = await sdk.responses.retrieve("resp_1")
            await sdk.responses.cancel("resp_1")
            await sdk.responses.delete("resp_1")

        assert [(seen.method, seen.path) for seen in peer.requests] == [
            ("GET", "/responses/resp_1"),
            ("POST", "/responses/resp_1/cancel"),
            ("DELETE", "/responses/resp_1"),
        ]
    assert (got.id, got.status) == ("resp_1", "queued")


async def test_events_of_a_response_in_the_background(tmp_path: Path) -> None:
    """``stream=true`` takes a stream up again."""
    events = sse({"type": "response.output_text.delta", "delta": "x"}, done=False)
    async with native(tmp_path, "vllm", stream(*events)) as (proxy, peer):
        got = await request(proxy.origin, "GET", "/v1/responses/resp_1?stream=true&starting_after=3")

        assert peer.requests[0].path == "/responses/resp_1?stream=true&starting_after=3"
    assert (got.complete, got.body) == (True, b"".join(events))


async def test_an_unknown_id(tmp_path: Path) -> None:
    """The upstream's 404 and words."""
    error = {
        "message": "Response with id 'resp_9' not found.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    async with (
        native(tmp_path, "vllm", answer_json({"error": error}, 404)) as (proxy, _),
        client(proxy) as sdk,
    ):
        with pytest.raises(openai.NotFoundError, match="resp_9"):
            await sdk.responses.retrieve("resp_9")


async def test_which_upstream_is_meant(tmp_path: Path) -> None:
    """With several providers a model says so: in the query, the body, a header; of its deployments the first."""
    async with Peer(answer_json(KEPT)) as first, Peer(answer_json(KEPT)) as second:
        rows = {
            "a": {"defaults": {"api_type": "vllm", "api_host": first.url}, "m": {}, "n": {}},
            "b": {"defaults": {"api_type": "vllm", "api_host": second.url}, "m": {"weight": 1000}, "k": {}},
            "c": {
                "defaults": {"api_host": "http://127.0.0.1:9", "api_type": "ollama"},
                "o": {},
                "k": {"weight": 1e6},
            },
        }
        async with RunningGateway(tmp_path, rows) as proxy:
            path = "/v1/responses/resp_1"
            none = await request(proxy.origin, "GET", path)
            wrong = await request(proxy.origin, "GET", path + "?model=o")
            unknown = await request(proxy.origin, "GET", path, headers={"X-Model": "zz"})
            assert not first.requests
            for name in ("m", "n", "k"):
                await request(proxy.origin, "GET", f"{path}?model={name}")
            await request(proxy.origin, "DELETE", path, headers={"X-Model": "k"})
            await request(proxy.origin, "POST", "/v1/conversations", {"model": "k"})

        assert (len(first.requests), len(second.requests)) == (2, 3)
    assert (none.status, none.json()["error"]["param"]) == (400, "model")
    assert "X-Model" in none.json()["error"]["message"]
    assert (wrong.status, wrong.json()["error"]["param"]) == (400, "model")
    assert (unknown.status, unknown.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/responses/resp_1", 405),
        ("GET", "/v1/responses/input_tokens", 405),
        ("PUT", "/v1/conversations/c", 405),
        ("GET", "/v1/responses/../files/x", 404),
        ("GET", "/v1/responses/a%2Fb", 404),
        ("GET", "/v1/responses/resp_1?x=\u00e9", 400),
    ],
)
async def test_what_is_not_there(method: str, path: str, status: int, tmp_path: Path) -> None:
    """Nothing is sent."""
    async with native(tmp_path, "vllm", silent()) as (proxy, peer):
        got = await request(proxy.origin, method, path, {} if method == "POST" else None)

        assert not peer.requests
    assert got.status == status


async def test_nobody_has_it(tmp_path: Path) -> None:
    """A 400 that says so."""
    async with native(tmp_path, "openai", silent()) as (proxy, _):
        got = await request(proxy.origin, "GET", "/v1/responses/resp_1")

    assert (got.status, got.json()["error"]["param"]) == (400, "model")
    assert "Responses" in got.json()["error"]["message"]
