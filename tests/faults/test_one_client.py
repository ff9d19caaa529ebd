"""What one client's request may cost the others: the loop's time, memory that stays, the executor, the answer's length.

The loop's time is measured in its own CPU time, callback by callback, so that a busy machine counts little.
"""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from asyncio import events
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.relay.offload import Offload
from llm_proxy.upstreams.relayed_request import RelayPlanner
from tests.faults.kit import healthy
from tests.handlers.kit import CHAT, COMPLETION, WHOLE, access_lines, config, gateway
from tests.support.client import Connection, request
from tests.support.gateway import RunningGateway
from tests.support.hostile import CHAT as HOSTILE
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Peer
from tests.support.scripts import answer_json

#: How long the loop may be busy with one thing, in seconds of its CPU time; what another client waits is not much more.
BUSY = 0.050
#: How often something is asked before the loop's time is believed; it ends with the first that holds.
TRIES = 7


class Loop:
    """The longest time that the loop of this thread spent on one callback."""

    longest = 0.0


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    found, run = Loop(), events.Handle._run

    def timed(self: Any) -> None:
        began = time.thread_time()
        run(self)
        found.longest = max(found.longest, time.thread_time() - began)

    with monkeypatch.context() as patch:
        patch.setattr(events.Handle, "_run", timed)
        yield found


def _vectors(count: int) -> Mapping[str, Any]:
    rows = [{"object": "embedding", "index": n, "embedding": [0.123456] * 256} for n in range(count)]
    return {"object": "list", "model": "up", "data": rows, "usage": {"prompt_tokens": 1, "total_tokens": 1}}


#: By name: the path, the body, and the status of its answer.
REQUESTS: Mapping[str, tuple[str, Any, int]] = {
    "a small body with many wrong items": ("/chat", HOSTILE["wrong messages"](20_000), 400),
    "a large one": ("/chat", HOSTILE["wrong messages"](250_000), 400),
    "empty messages": ("/chat", HOSTILE["empty messages"](250_000), 400),
    "many messages": ("/chat", {**HOSTILE["users"](50_000), "stream": False}, 200),
    "many unknown names": ("/chat", {**HOSTILE["unknown names"](5000), "stream": False}, 200),
    "more of them": ("/chat", {**HOSTILE["unknown names"](16_000), "stream": False}, 200),
    "many tools": ("/chat", {**HOSTILE["tools of odd names"](5000), "stream": False}, 200),
    "many calls": ("/chat", {**HOSTILE["calls backwards"](5000), "stream": False}, 200),
    "a long path": ("/passthrough", {"provider": "peer", "path": "/" + "a" * 1_000_000}, 414),
    "a long header": (
        "/passthrough",
        {"provider": "peer", "path": "/a", "headers": {"a": "b" * 1_000_000}},
        431,
    ),
    "many headers": (
        "/passthrough",
        {"provider": "peer", "path": "/a", "headers": {f"k{i}": "v" for i in range(16_000)}},
        431,
    ),
    "unknown names of passthrough": (
        "/passthrough",
        {"provider": "peer", "path": "/a", **{f"k{i}": 1 for i in range(16_000)}},
        400,
    ),
    "many texts": ("/v1/embeddings", {"model": "m", "input": ["x"] * 100_000}, 200),
    "many variables": (
        "/prompts/conversation/render",
        {"prompt_vars": {f"k{i}": 1 for i in range(16_000)}},
        400,
    ),
    "wrong variables": (
        "/prompts/conversation/render",
        {"prompt_vars": {f"k{i}": [] for i in range(16_000)}},
        400,
    ),
    "wrong items of input": ("/v1/responses", {"model": "m", "input": [0] * 100_000}, 400),
    "an unknown model of a long name": ("/chat", {**CHAT, "model": "m" * 1_000_000}, 404),
}


@pytest.mark.parametrize("api_type", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("name", REQUESTS)
async def test_the_loop_is_never_busy_for_long(
    name: str, api_type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is asked: reading it, judging it, asking an upstream and saying what is wrong leave the loop to others, and
    answer and log are short."""
    path, body, status = REQUESTS[name]
    data = json.dumps(body, separators=(",", ":")).encode()

    async def any_dialect(exchange: Exchange) -> None:
        if api_type == "openai":
            # Not ``healthy``: it reads the request, on this loop.
            await answer_json(_vectors(1) if "embed" in exchange.request.path else COMPLETION)(exchange)
        else:
            await answer_json({"error": {"message": "no"}}, status=500)(exchange)

    async with Peer(any_dialect) as peer:
        rows = config(peer.url, api_type=api_type, vendor="mistral" if api_type == "openai" else None)
        async with RunningGateway(tmp_path, rows) as proxy:
            for _ in range(TRIES):  # the least of a few: other programs count little then
                with watched(monkeypatch) as loop, access_lines() as lines:
                    got = await proxy.request("POST", path, data)
                if loop.longest < BUSY:
                    break

    assert loop.longest < BUSY
    assert got.status == status or (api_type != "openai" and got.status >= 400)
    assert len(got.body) + len(str(got.headers)) < 20_000
    assert len(json.dumps(dict(lines[0]), default=str)) < 20_000


#: Bodies of megabytes that one call of a fast codec would take long for, or what is made of them.
LARGE_ONES: Mapping[str, Any] = {
    "a text": {**WHOLE, "user": "x" * 8_000_000},
    "escapes": {**WHOLE, "user": "\n" * 4_000_000},
    "no ASCII": {**WHOLE, "user": "\u00e9" * 4_000_000},
    "messages": {**HOSTILE["users"](60_000), "stream": False},
    "names": {**HOSTILE["unknown names"](16_000), "stream": False},
    "too many names": {**HOSTILE["unknown names"](200_000), "stream": False},
}


@pytest.mark.parametrize("name", LARGE_ONES)
async def test_nothing_holds_the_interpreter_for_long(name: str, tmp_path: Path) -> None:
    """Work in a thread lets the loop have its turn: between two turns the whole process computes for no longer than the loop
    may be busy, whatever is read, judged, written and thrown away."""
    data = json.dumps(LARGE_ONES[name], ensure_ascii=False, separators=(",", ":")).encode()
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        last = time.process_time()
        while True:
            await asyncio.sleep(0.001)
            now = time.process_time()
            longest, last = max(longest, now - last), now

    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        for _ in range(TRIES):
            gc.collect()
            longest, beating = 0.0, asyncio.create_task(beat())
            got = await proxy.request("POST", "/chat", data)
            beating.cancel()
            if longest < BUSY:
                break

    assert longest < BUSY
    assert got.status == (400 if name == "too many names" else 200)


@pytest.mark.parametrize("path", ["/v1/embeddings", "/ollama/api/embed"])
async def test_large_answers_are_worked_on_beside_the_loop(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors of many texts, as they are and in another dialect: the loop only passes the bytes on."""
    count = 2000
    body = {"model": "m", "input": ["x"] * count}
    async with Peer(answer_json(_vectors(count))) as peer, gateway(tmp_path, peer.url) as proxy:
        for _ in range(TRIES):
            with watched(monkeypatch) as loop:
                got = await request(proxy.origin, "POST", path, body)
            if loop.longest < BUSY:
                break

    assert got.status == 200
    assert loop.longest < BUSY
    assert len(got.json()["data" if path.startswith("/v1") else "embeddings"]) == count


async def test_callers_texts_are_in_no_cache(tmp_path: Path) -> None:
    """Paths and headers of passthrough make no entry; those of the configuration make one each, until it changes."""
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy:
        plan = proxy.service.gateway.upstream._http._plan
        assert isinstance(plan, RelayPlanner)
        for number in range(5):
            form = {"provider": "peer", "path": f"/a{number}", "headers": {"x-a": str(number)}}
            assert (await proxy.request("POST", "/passthrough", form)).status == 200
        kept = plan._kept.cache_info, plan._kept_with_body.cache_info
        passed = [one().currsize for one in kept]
        for _ in range(2):
            assert (await proxy.request("POST", "/chat", WHOLE)).status == 200
        asked = [one().currsize for one in kept]
        proxy.write_config(config(peer.url, api_token="another-key"))
        await wait_until(lambda: not any(one().currsize for one in kept))

    assert (passed, asked) == ([0, 0], [0, 1])


@contextmanager
def occupied(proxy: RunningGateway, waiting: int) -> Iterator[tuple[Offload, threading.Event]]:
    """Every thread is busy until the event is set; so many more may wait."""
    offload, go_on = Offload(threads=2, waiting=waiting), threading.Event()
    proxy.service.gateway.offload.close()
    proxy.service.gateway.offload = offload
    for _ in range(2):
        offload.run(threading.Event(), 1, go_on.wait, 20, paid=True)
    try:
        yield offload, go_on
    finally:
        go_on.set()


LARGE = {**WHOLE, "user": "u" * 100_000}


@pytest.mark.parametrize("path", ["/chat", "/../v1/messages", "/v1/embeddings", "/passthrough"])
async def test_more_large_bodies_than_may_wait(path: str, tmp_path: Path) -> None:
    """503 with ``Retry-After``, in the dialect of the face; small bodies are served all the same."""
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy:
        with occupied(proxy, 0):
            origin, at = (proxy.origin, path[3:]) if path.startswith("/..") else (proxy.url, path)
            refused = await request(origin, "POST", at, LARGE)
            small = await proxy.request("POST", "/chat", WHOLE)

    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert refused.json()["error"]["type"] == ("overloaded_error" if "messages" in path else "server_error")
    assert small.status == 200


async def test_who_leaves_does_not_keep_the_executor(tmp_path: Path) -> None:
    """A large body whose client has left before its turn is not read at all."""
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy:
        with occupied(proxy, 10) as (offload, go_on), access_lines() as lines:
            async with Connection(proxy.url) as client:
                await client.send("POST", "/chat", LARGE)
                await wait_until(lambda: offload.waiting == 1)
            await wait_until(lambda: len(lines) == 1)
            go_on.set()
            after = await proxy.request("POST", "/chat", LARGE)

    assert (lines[0]["status"], lines[0]["code"]) == (499, "client_gone")
    assert after.status == 200


async def test_honest_bodies_pass_large_ones(tmp_path: Path) -> None:
    """Bodies of megabytes that others have sent wait behind a usual one."""
    order: list[str] = []
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy:

        async def ask(name: str, body: Any) -> None:
            await proxy.request("POST", "/chat", body)
            order.append(name)

        with occupied(proxy, 100) as (offload, go_on):
            large = [
                asyncio.ensure_future(ask("large", {**HOSTILE["users"](100_000), "stream": False}))
                for _ in range(3)
            ]
            await wait_until(lambda: offload.waiting == 3, 20)
            small = asyncio.ensure_future(ask("small", LARGE))
            await wait_until(lambda: offload.waiting == 4, 20)
            go_on.set()
            await asyncio.gather(*large, small)

    assert order[0] == "small"
