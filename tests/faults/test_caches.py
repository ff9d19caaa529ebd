"""What a client chose is in no cache: it would stay there, and push out what is used."""

from __future__ import annotations

import functools
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faults.kit import healthy
from tests.handlers.kit import WHOLE, config
from tests.support.client import Connection
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.peer import Peer

OURS = ("llm_proxy", "handlers", "providers")
MARK = "chosen-by-a-client"


def _caches() -> dict[str, int]:
    """How many entries each cache of ours has."""
    return {
        f"{found.__module__}.{found.__qualname__}": found.cache_info().currsize
        for found in gc.get_objects()
        if isinstance(found, functools._lru_cache_wrapper) and str(found.__module__).split(".")[0] in OURS
    }


def _kept() -> Iterator[str]:
    """What has a client's text for its key."""
    for found in gc.get_objects():
        if isinstance(found, dict | set | frozenset):
            for key in list(found):
                parts = key if isinstance(key, tuple) else (key,)
                if any(isinstance(part, str | bytes) and _marked(part) for part in parts):
                    yield f"{key!r:.100}"


def _marked(text: str | bytes) -> bool:
    return MARK in (text if isinstance(text, str) else text.decode("latin-1"))


async def _ask(client: Connection, number: int) -> None:
    """A request for each place where a client may write what it likes."""
    mark = f"{MARK}-{number}"
    host = {"Host": f"{mark}.localhost"}
    asked: list[tuple[str, str, Any, dict[str, str]]] = [
        ("GET", "/ping", None, host),
        ("GET", f"/{mark}", None, {}),
        ("GET", f"/ping?{mark}={mark}", None, {}),
        ("GET", "/openapi.json", None, {"X-Forwarded-Prefix": f"/{mark}"}),
        ("GET", "/ping", None, {mark: "a", "X-Request-Id": mark, "Origin": f"http://{mark}.localhost", "User-Agent": mark}),
        ("GET", f"/v1/models/{mark}", None, {}),
        ("POST", "/chat", {**WHOLE, "model": mark}, {}),
        ("POST", "/chat", {**WHOLE, mark: 1, "user": mark}, {}),
        ("POST", "/chat", {**WHOLE, "tools": [{"type": "function", "function": {"name": mark}}], "stop": [mark]}, {}),
        ("POST", "/passthrough", {"provider": "peer", "path": f"/{mark}", "headers": {mark: mark}}, {}),
        ("POST", "/passthrough", {"provider": mark, "path": "/"}, {}),
        ("POST", f"/passthrough/peer/{mark}?{mark}", {}, {mark: mark}),
        ("POST", f"/prompts/{mark}/render", {"language": mark, "prompt_vars": {mark: mark}}, {}),
        ("POST", "/prompts/conversation/render", {"language": mark, "prompt_vars": {mark: mark}}, {}),
        ("POST", "/v1/embeddings", {"model": "m", "input": mark, mark: 1}, {}),
        ("POST", "/v1/responses", {"model": "m", "input": mark, "metadata": {mark: mark}}, {}),
        ("POST", "/v1/messages", {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": mark}]}, {"anthropic-beta": mark}),
        ("POST", "/v1/audio/speech", {"model": "m", "input": mark, "voice": mark}, {}),
    ]  # fmt: skip
    for method, path, body, headers in asked:
        got = await client.request(method, path, body, headers=headers)
        assert got.status != 500, (path, got.body)


def _gateway(folder: Path, url: str) -> RunningGateway:
    return RunningGateway(folder, config(url), trusted_proxies="127.0.0.1")


async def test_no_cache_has_what_a_client_chose(tmp_path: Path) -> None:
    """Whatever it writes, and wherever: no cache grows, and nothing is kept under its texts when its connection is gone."""
    async with Peer(healthy) as peer, _gateway(tmp_path, peer.url) as proxy:
        async with Connection(proxy.url) as client:
            await _ask(client, 0)
        before = _caches()
        for number in range(1, 4):
            async with Connection(proxy.url) as client:
                await _ask(client, number)
        await wait_until(lambda: not proxy.service.server._connections)
        after = _caches()
        peer.requests.clear()
        peer.links.clear()
        gc.collect()
        kept = list(_kept())

    assert {name: size for name, size in after.items() if size > before.get(name, 0)} == {}
    assert kept == []
