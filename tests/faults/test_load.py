"""L1, L4, L5, L6, L8 in short: many at once, limits that are reached, and what must go on meanwhile.

Order is asserted, not time: whoever must not wait for somebody else is answered before that one is.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.wire.large_json import encoded
from llm_proxy.wire.strict_json import parse_object
from tests.faults.kit import (
    BODIES,
    FORMS,
    PATHS,
    PIECES,
    Suffered,
    ask,
    assert_idle,
    assert_well,
    healthy,
    once,
    pooled,
)
from tests.handlers.kit import CHAT, WHOLE, access_lines, gateway
from tests.support.addresses import black_hole_url
from tests.support.client import Connection, request
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Peer
from tests.support.program import ROOT
from tests.support.scripts import silent, stream


def descriptors() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd"))


async def test_l1_idle_streams(tmp_path: Path) -> None:
    """Three hundred streams that say nothing are held, others are served meanwhile, all end whole; afterwards there are
    as many descriptors and tasks as before."""
    gate = asyncio.Event()
    held = 300

    async def thinking(exchange: Exchange) -> None:
        if exchange.request.path.endswith("/think"):
            await stream(*PIECES[:2], gate, *PIECES[2:], end="close")(exchange)
        else:
            await healthy(exchange)

    async with Peer(thinking) as peer, gateway(tmp_path, peer.url, upstream_idle=0.2) as proxy:
        await assert_well(proxy)
        await wait_until(lambda: not pooled(proxy).pool.idle, 10)
        before = (descriptors(), len(asyncio.all_tasks()))
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(Connection(proxy.url)) for _ in range(held)]
            for client in clients:
                await client.send("GET", "/passthrough/peer/think")
            answers = [await client.head() for client in clients]
            assert len(proxy.service.gateway.running) == held
            await assert_well(proxy, "whole")
            gate.set()
            for client, answer in zip(clients, answers, strict=True):
                await client.rest(answer)
        await assert_idle(proxy)
        await wait_until(lambda: (descriptors(), len(asyncio.all_tasks())) <= before, 10)

    assert {(answer.complete, answer.body) for answer in answers} == {(True, b"".join(PIECES))}


@pytest.mark.parametrize("form", FORMS)
async def test_l4_no_connection_in_time(form: str, tmp_path: Path) -> None:
    """Above the limit of connections to one host a request waits for so long, then gets 503 and Retry-After."""
    limits: dict[str, Any] = {"upstream_connections": 1, "upstream_wait": 0.2}
    async with Peer(silent()) as peer, gateway(tmp_path, peer.url, **limits) as proxy:
        async with Connection(proxy.url) as first:
            await first.send("POST", "/chat", CHAT)
            await peer.received()
            with access_lines() as lines:
                got = await ask(proxy, form)
                await wait_until(lambda: bool(lines))
            assert pooled(proxy).pool.waiting == 0
        await assert_idle(proxy)
        assert peer.connections == 1

    met = Suffered(form, got, lines[0])
    met.refused(503, "no_upstream")
    assert got.headers["retry-after"] == "1"
    assert met.says("phase", "kind") == ("pool", "timeout")


async def test_l4_who_waits_is_served(tmp_path: Path) -> None:
    """A burst above the limit is served in turn, over no more connections than allowed."""
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url, upstream_connections=2) as proxy:
        answers = await asyncio.gather(*(ask(proxy, FORMS[n % 3]) for n in range(60)))
        await assert_idle(proxy)
        assert peer.connections == 2

    assert [(got.status, got.complete) for got in answers] == [(200, True)] * 60


def large(form: str) -> tuple[str, Any]:
    """A request of 30 MB, and where it goes."""
    body = {**BODIES[form], "messages": [{"role": "user", "content": "x" * (30 << 20)}]}
    if form == "passthrough":
        return "/passthrough", {"provider": "peer", "path": "/x", "body": body}
    return PATHS[form], body


@pytest.mark.parametrize("form", FORMS)
async def test_l5_streams_go_on(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While 30 MB are parsed a stream gets its tokens: the parser here is not done before they have arrived."""
    arrived, parsing = threading.Event(), threading.Event()

    def slow(data: bytes) -> dict[str, Any]:
        if len(data) > 1 << 20:
            parsing.set()
            assert arrived.wait(20), "the loop stood still while a large body was parsed"
        return parse_object(data)

    monkeypatch.setattr("handlers.base.body.parse_object", slow)
    gate = asyncio.Event()

    async def both(exchange: Exchange) -> None:
        if len(exchange.request.body) > 1 << 20:
            await healthy(exchange)
        else:
            await stream(*PIECES[:2], gate, *PIECES[2:])(exchange)

    async with Peer(both) as peer, gateway(tmp_path, peer.url) as proxy, Connection(proxy.url) as client:
        await client.send("POST", "/chat", CHAT)
        got = await client.head()
        await client.piece(got)
        asked = asyncio.ensure_future(proxy.request("POST", *large(form)))
        await wait_until(parsing.is_set, 20)
        gate.set()
        await client.rest(got)
        arrived.set()
        answered = await asked

    assert (got.complete, got.text()) == (True, "one two")
    assert (answered.status, answered.complete) == (200, True)


@pytest.mark.parametrize("form", FORMS)
async def test_l5_nothing_large_is_done_on_the_loop(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither reading a large body nor writing it again for the upstream happens on the loop's own thread."""
    threads: list[threading.Thread] = []

    def seen(work: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def noted(data: Any) -> Any:
            threads.append(threading.current_thread())
            return work(data)

        return noted

    monkeypatch.setattr("handlers.base.body.parse_object", seen(parse_object))
    for module in ("handlers.passthrough", "providers.openai.provider"):
        monkeypatch.setattr(f"{module}.encoded", seen(encoded))
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await proxy.request("POST", *large(form))

    assert (got.status, len(threads)) == (200, 2)
    assert threading.main_thread() not in threads


async def test_l6_a_black_hole_beside_others(tmp_path: Path) -> None:
    """While requests to one provider hang, another answers; they share no queue."""
    with black_hole_url() as url:
        async with Peer(once(healthy)) as peer:
            fields = {"api_type": "openai", "timeouts": {"connect": 5}}
            rows = {"hole": {"defaults": {**fields, "api_host": url + "/v1"}, "lost": {}}}
            rows |= {"peer": {"defaults": {**fields, "api_host": peer.url + "/v1"}, "m": {"model": "up"}}}
            async with RunningGateway(tmp_path, rows) as proxy:
                body = {**BODIES["whole"], "model": "lost"}
                lost = [
                    asyncio.ensure_future(request(proxy.url, "POST", PATHS["whole"], body)) for _ in range(20)
                ]
                await wait_until(lambda: len(proxy.service.gateway.running) == 20)
                for form in FORMS:
                    await assert_well(proxy, form)
                assert not any(task.done() for task in lost)
                for task in lost:
                    task.cancel()
                await asyncio.gather(*lost, return_exceptions=True)
                await assert_idle(proxy)


@pytest.mark.timeout(seconds=60)
async def test_l8_a_log_that_nobody_reads(tmp_path: Path) -> None:
    """Standard error is a pipe that is full: requests are served all the same, and the process ends when told to."""
    async with Peer(healthy) as peer:
        (tmp_path / "prompts" / "en").mkdir(parents=True)
        rows = f'{{"peer": {{"m": {{"api_type": "openai", "api_host": "{peer.url}/v1"}}}}}}'
        (tmp_path / "models.json").write_text(rows)
        settings = {
            "MINIMUM": 1,
            "PORT": 0,
            "MODELS_CONFIG": tmp_path / "models.json",
            "PROMPTS_DIR": tmp_path / "prompts",
        }
        process = subprocess.Popen(  # noqa: ASYNC220 (it returns at once)
            [sys.executable, "-m", "llm_proxy.rest_api"],
            cwd=ROOT,
            env={**os.environ, **{f"LLM_PROXY_API_{name}": str(value) for name, value in settings.items()}},
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        try:
            line = await asyncio.to_thread(process.stderr.readline)
            while b'"listening"' not in line:
                line = await asyncio.to_thread(process.stderr.readline)
            url = parse_object(line)["url"]
            # Each request is a line of a few hundred bytes, and a pipe holds 64 KiB.
            for _ in range(5):
                answers = await asyncio.gather(*(request(url, "POST", "/chat", WHOLE) for _ in range(50)))
                assert {got.status for got in answers} == {200}
            status = (await request(url, "GET", "/status")).json()
            process.terminate()
            ended = await asyncio.to_thread(process.wait, 20)
        finally:
            process.kill()
            process.wait()
            process.stderr.close()

    assert set(status["log"]) >= {"dropped", "failed"}
    assert ended == 0
