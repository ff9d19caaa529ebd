"""What a request needs is given back by counting references: objects that hold each other wait for the collector, which
then costs every request a share."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import CHAT, COMPLETION, EVENTS, MESSAGES, WHOLE, gateway
from tests.support.access_kit import bearer, row, write_access
from tests.support.client import Connection
from tests.support.gateway import RunningGateway
from tests.support.peer import Peer, Script
from tests.support.scripts import answer_json, silent, sse, stream

OURS = ("llm_proxy", "handlers", "providers")
TIMES = 20
STREAM = stream(*sse(*EVENTS))
REFUSED = answer_json({"error": {"message": "no"}}, 429)
MESSAGE = {"model": "m", "max_tokens": 9, "messages": MESSAGES}
CASES: dict[str, tuple[str, dict[str, Any], Script]] = {
    "whole": ("/chat", WHOLE, answer_json(COMPLETION)),
    "streamed": ("/chat", {**CHAT, "stream": True}, STREAM),
    "messages": ("/v1/messages", MESSAGE, answer_json(COMPLETION)),
    "messages, streamed": ("/v1/messages", {**MESSAGE, "stream": True}, STREAM),
    "responses, streamed": ("/v1/responses", {"model": "m", "input": "q", "stream": True}, STREAM),
    "ollama, streamed": ("/ollama/api/chat", CHAT, STREAM),
    "passthrough": ("/passthrough/peer/x", {}, answer_json(COMPLETION)),
    "refused": ("/chat", WHOLE, REFUSED),
    "refused, streamed": ("/chat", {**CHAT, "stream": True}, REFUSED),
    "unknown model": ("/chat", {**WHOLE, "model": "none"}, silent()),
    "no path": ("/none", WHOLE, silent()),
}


@contextmanager
def rings() -> Iterator[Counter[str]]:
    """Counts, at the end of the block, what of ours only the collector could have freed."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        names = (f"{type(thing).__module__}.{type(thing).__qualname__}" for thing in gc.garbage)
        found.update(name for name in names if name.startswith(OURS))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        gc.collect()


@pytest.mark.parametrize("case", CASES)
async def test_a_request_leaves_no_rings(case: str, tmp_path: Path) -> None:
    """Whole or streamed, in each dialect, answered or refused. (A broken call may: its failure knows where it was raised.)"""
    path, body, script = CASES[case]
    async with Peer(script) as peer, gateway(tmp_path, peer.url) as proxy:
        with rings() as found:
            for _ in range(TIMES):
                async with Connection(
                    proxy.origin if path.startswith(("/v1", "/ollama")) else proxy.url
                ) as client:
                    await client.request("POST", path, body)

    assert {name: count for name, count in found.items() if count >= TIMES} == {}


@pytest.mark.parametrize("case", CASES)
async def test_nor_does_one_with_a_key(case: str, tmp_path: Path) -> None:
    """With limits and a budget, whatever becomes of it: who holds an account is not held by it."""
    path, body, script = CASES[case]
    fields = {"limits": {"rpm": 1000, "tpm": 10**6, "concurrent": 9}, "passthrough": True}
    budgets = {"b": {"usd": 9, "per": "month", "unpriced": "free"}}
    keys = {"alice": row("alice", **fields, budgets=[] if case == "passthrough" else ["b"])}
    access = write_access(tmp_path, {"keys": keys, "budgets": budgets})
    async with Peer(script) as peer, gateway(tmp_path, peer.url, access=access) as proxy:
        with rings() as found:
            for _ in range(TIMES):
                async with Connection(
                    proxy.origin if path.startswith(("/v1", "/ollama")) else proxy.url
                ) as client:
                    await client.request("POST", path, body, headers=bearer("alice"))

    assert {name: count for name, count in found.items() if count >= TIMES} == {}


@pytest.mark.parametrize("streamed", [False, True])
async def test_nor_does_one_that_has_a_choice(streamed: bool, tmp_path: Path) -> None:
    """Of three upstreams."""
    async with Peer(STREAM if streamed else answer_json(COMPLETION)) as peer:
        host = {"api_type": "openai", "api_host": peer.url + "/v1"}
        rows = {f"p{at}": {"m": {**host, "api_token": f"k{at}"}} for at in range(3)}
        async with RunningGateway(tmp_path, rows) as proxy:
            with rings() as found:
                for _ in range(TIMES):
                    async with Connection(proxy.url) as client:
                        await client.request("POST", "/chat", {**CHAT, "stream": streamed})

    assert {name: count for name, count in found.items() if count >= TIMES} == {}


@pytest.mark.parametrize("case", CASES)
async def test_nor_does_one_that_is_traced(case: str, tmp_path: Path) -> None:
    """Each of them is recorded for a collector."""
    path, body, script = CASES[case]
    async with Peer(script) as peer, Peer(answer_json({})) as collector:
        rows = {"peer": {"defaults": {"api_type": "openai", "api_host": peer.url + "/v1"}, "m": {}}}
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        async with RunningGateway(tmp_path, rows, env=env) as proxy:
            with rings() as found:
                for _ in range(TIMES):
                    async with Connection(
                        proxy.origin if path.startswith(("/v1", "/ollama")) else proxy.url
                    ) as client:
                        await client.request("POST", path, body)

    assert {name: count for name, count in found.items() if count >= TIMES} == {}
