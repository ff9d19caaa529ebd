"""POST /chat against an upstream of the OpenAI dialect: what arrives there, and what comes back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import (
    CHAT,
    COMPLETION,
    EVENTS,
    MESSAGES,
    USAGE,
    WHOLE,
    access_lines,
    chunk,
    config,
    gateway,
)
from tests.support.client import Connection
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.scripts import answer_json, sse, stream
from tests.support.secrets import CLIENT_KEY, UPSTREAM_KEY, assert_no_secret


def asked(data: bytes) -> bytes:
    """``data`` of the upstream with the model's name that the client used: all that is changed."""
    return data.replace(b'"up"', b'"m"')


async def test_streaming_is_the_default_and_bytes_are_untouched(tmp_path: Path) -> None:
    """Without ``stream`` the answer is SSE: the upstream's own bytes but for the model's name, minus the usage chunk
    nobody asked for."""
    pieces = sse(*EVENTS)
    async with Peer(stream(*pieces)) as peer, gateway(tmp_path, peer.url) as proxy:
        answer = await proxy.request("POST", "/chat", CHAT)

    assert answer.status == 200
    assert answer.complete
    assert answer.body == asked(b"".join(pieces[:4])) + b"data: [DONE]\n\n"
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-cache, no-transform"
    assert answer.headers["x-accel-buffering"] == "no"
    assert (answer.headers["x-llm-provider"], answer.headers["x-llm-model"]) == ("peer", "up")
    assert answer.headers["x-config-generation"].startswith("1-")
    assert "connection" not in answer.headers


async def test_usage_chunk_is_there_if_asked_for(tmp_path: Path) -> None:
    """``stream_options.include_usage`` brings the upstream's usage chunk, byte for byte."""
    pieces = sse(*EVENTS)
    async with Peer(stream(*pieces)) as peer, gateway(tmp_path, peer.url) as proxy:
        answer = await proxy.request("POST", "/chat", {**CHAT, "stream_options": {"include_usage": True}})

    assert answer.body == asked(b"".join(pieces))


async def test_usage_on_the_last_content_chunk_is_taken_off(tmp_path: Path) -> None:
    """A server that puts usage on a chunk with content loses only the usage."""
    events = [chunk({"content": "x"}, "stop", usage=USAGE)]
    async with Peer(stream(*sse(*events))) as peer, gateway(tmp_path, peer.url) as proxy:
        answer = await proxy.request("POST", "/chat", CHAT)

    assert answer.events() == [{**chunk({"content": "x"}, "stop"), "model": "m"}, "[DONE]"]


async def test_each_token_arrives_when_it_was_sent(tmp_path: Path) -> None:
    """The client has the first token while the upstream has not sent the second."""
    gates = [asyncio.Event(), asyncio.Event()]
    pieces = sse(*EVENTS)
    script = stream(pieces[0], gates[0], pieces[1], gates[1], *pieces[2:])
    async with Peer(script) as peer, gateway(tmp_path, peer.url) as proxy, Connection(proxy.url) as client:
        await client.send("POST", "/chat", CHAT)
        answer = await client.head()
        assert await client.piece(answer) == asked(pieces[0])
        gates[0].set()
        assert await client.piece(answer) == asked(pieces[1])
        gates[1].set()
        await client.rest(answer)

    assert answer.complete


async def test_non_streaming_is_a_real_non_streaming_call(tmp_path: Path) -> None:
    """``stream: false`` goes upstream as such, and the completion comes back as it was."""
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        answer = await proxy.request("POST", "/chat", WHOLE)
        sent = peer.requests[0].json()

    assert not sent.get("stream")
    assert "stream_options" not in sent
    assert answer.headers["content-type"] == "application/json"
    assert answer.body == asked(json.dumps(COMPLETION).encode())


async def test_what_the_upstream_gets(tmp_path: Path) -> None:
    """Our key instead of the client's, the upstream's model name, defaults filled in, unknown fields passed."""
    fields = {"options": {"temperature": 0.2, "top_p": 0.5}, "headers": {"X-Team": "blue"}}
    async with Peer(stream(*sse(*EVENTS))) as peer, gateway(tmp_path, peer.url, fields=fields) as proxy:
        body = {**CHAT, "temperature": 0.9, "new_vendor_field": {"a": [1, 2.5, None]}}
        await proxy.request(
            "POST", "/chat", body, headers={"Authorization": f"Bearer {CLIENT_KEY}", "Cookie": "a=b"}
        )
        (request,) = peer.requests

    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.header("Authorization") == f"Bearer {UPSTREAM_KEY}"
    assert request.header("X-Team") == "blue"
    assert request.header("Cookie") is None
    assert request.header("Host") == peer.url.removeprefix("http://")
    sent = request.json()
    assert (sent["model"], sent["temperature"], sent["top_p"], sent["stream"]) == ("up", 0.9, 0.5, True)
    assert sent["new_vendor_field"] == {"a": [1, 2.5, None]}
    assert sent["stream_options"]["include_usage"] is True
    assert sent["messages"] == MESSAGES


@pytest.mark.parametrize("field", ["api_base", "base_url", "api_key", "api_host", "organization"])
async def test_a_client_cannot_choose_the_upstream(field: str, tmp_path: Path) -> None:
    """Fields that would move a request elsewhere in other gateways are not sent on, and are reported."""
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        answer = await proxy.request("POST", "/chat", {**WHOLE, field: "http://evil.example"})
        (request,) = peer.requests

    assert answer.status == 200
    assert field not in request.json()
    assert field in answer.headers["x-dropped-params"]
    assert request.header("Authorization") == f"Bearer {UPSTREAM_KEY}"


async def test_model_name_is_accepted_for_model(tmp_path: Path) -> None:
    """The other endpoints' name of the field works here too."""
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        answer = await proxy.request(
            "POST", "/chat", {"model_name": "m", "messages": MESSAGES, "stream": False}
        )

    assert answer.status == 200


async def test_a_model_at_two_providers_is_spread_by_weight(tmp_path: Path) -> None:
    """Each request goes to one of the active deployments; weight 0 and inactive ones get none."""
    async with Peer(answer_json(COMPLETION)) as one, Peer(answer_json(COMPLETION)) as two:
        both = {
            "a": {"defaults": {"api_type": "openai", "api_host": one.url}, "m": {"weight": 0}},
            "b": {"defaults": {"api_type": "vllm", "api_host": two.url}, "m": {}},
            "c": {"defaults": {"api_type": "openai", "api_host": one.url}, "m": {"active": False}},
        }
        async with RunningGateway(tmp_path, both) as proxy:
            providers = [
                (await proxy.request("POST", "/chat", WHOLE)).headers["x-llm-provider"] for _ in range(20)
            ]

        assert set(providers) == {"b"}
        assert len(two.requests) == 20


async def test_a_request_lives_on_its_snapshot(tmp_path: Path) -> None:
    """A stream goes on untouched although its model is removed; the next request gets the 404."""
    gate = asyncio.Event()
    pieces = sse(*EVENTS)
    script = stream(*pieces[:2], gate, *pieces[2:])
    async with Peer(script) as peer, gateway(tmp_path, peer.url) as proxy, Connection(proxy.url) as client:
        await client.send("POST", "/chat", CHAT)
        answer = await client.head()
        await client.piece(answer)
        proxy.write_config({"peer": {"defaults": config(peer.url)["peer"]["defaults"], "other": {}}})
        assert (await proxy.service.registry.reload("test")).state == "applied"
        assert (await proxy.request("POST", "/chat", CHAT)).status == 404
        gate.set()
        await client.rest(answer)

    assert answer.complete
    assert answer.text() == "one two"
    assert answer.headers["x-config-generation"].startswith("1-")


async def test_the_access_line(tmp_path: Path) -> None:
    """One line tells who answered, how fast and with how many tokens; no prompt, no key."""
    async with Peer(stream(*sse(*EVENTS))) as peer, gateway(tmp_path, peer.url) as proxy:
        with access_lines() as lines:
            await proxy.request("POST", "/chat", CHAT, headers={"X-Request-Id": "my-id.1"})
            await wait_until(lambda: bool(lines))

    (line,) = lines
    wanted: dict[str, Any] = {
        "request_id": "my-id.1",
        "endpoint": "/chat",
        "model": "m",
        "provider": "peer",
        "upstream_model": "up",
        "status": 200,
        "stream": True,
        "prompt_tokens": 3,
        "completion_tokens": 2,
    }
    assert {key: line[key] for key in wanted} == wanted
    assert 0 < line["first_byte_ms"] <= line["total_ms"]
    assert line["generation"].startswith("1-")
    assert_no_secret(repr(line))


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-1.2:3_4", True), ("x" * 129, False), ('a"b', False), ("a b", False), ("", False)],
)
async def test_request_id(given: str, kept: bool, tmp_path: Path) -> None:
    """A well-formed id of the client comes back; any other is replaced."""
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        answer = await proxy.request("POST", "/chat", WHOLE, headers={"X-Request-Id": given})

    assert (answer.headers["x-request-id"] == given) is kept
    assert answer.headers["x-request-id"]
