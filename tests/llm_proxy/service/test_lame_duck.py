"""The time between a stop signal and the end of accepting, in which load balancers turn away."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from tests.llm_proxy.service.test_start_stop import CHAT, config, held, refuses
from tests.support.client import Connection, request
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.program import Program


@pytest.mark.parametrize("workers", [1, 2])
async def test_everything_is_served_and_nobody_stays(workers: int, tmp_path: Path) -> None:
    """New connections are accepted and answered, but /ping and /health say draining, kept connections are closed with
    their next answer, which a stream does not say; a second signal ends it all, and the status is 0."""
    gate = asyncio.Event()
    async with (
        Peer(held(gate)) as peer,
        Program(
            tmp_path, config(peer.url + "/v1"), lame_duck_seconds=600, drain_seconds=600, workers=workers
        ) as program,
        Connection(program.url) as kept,
        Connection(program.url) as running,
        Connection(program.url) as late,
    ):
        before = await kept.request("GET", "/tags")
        program.signal(signal.SIGTERM)
        await program.logged("stopping")
        for _ in range(8):  # whichever worker gets it
            while (await request(program.url, "GET", "/ping")).status != 503:
                await asyncio.sleep(0.01)
        health = await request(program.url.removesuffix("/api"), "GET", "/health")
        haproxy = await request(program.url.removesuffix("/api"), "OPTIONS", "/")
        status = (await request(program.url, "GET", "/status")).json()
        after = await kept.request("GET", "/tags")
        end = await kept.reader.read()
        await running.send("POST", "/chat", CHAT)
        head = await running.head()
        gate.set()
        streamed = await running.rest(head)
        gate.clear()
        await late.send("POST", "/chat", CHAT)
        head = await late.head()
        program.signal(signal.SIGTERM)
        cut = await late.rest(head)
        code = await program.ended()

    assert (before.status, before.headers.get("connection")) == (200, None)
    assert (after.status, after.headers["connection"], end) == (200, "close", b"")
    assert (health.status, health.json()) == (503, {"status": "draining"})
    assert haproxy.status == 503
    assert (status["draining"], status["lame_duck"]) == (True, True)
    assert (streamed.text(), streamed.complete) == ("one two", True)
    assert "connection" not in streamed.headers
    assert cut.events()[-1]["error"]["code"] == "draining"
    assert code == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_then_it_drains(workers: int, tmp_path: Path) -> None:
    """After its time no connection is accepted any more, and what runs may finish."""
    gate = asyncio.Event()
    async with (
        Peer(held(gate)) as peer,
        Program(tmp_path, config(peer.url + "/v1"), lame_duck_seconds=1, workers=workers) as program,
        Connection(program.url) as client,
    ):
        await client.send("POST", "/chat", CHAT)
        head = await client.head()
        began = time.monotonic()
        program.signal(signal.SIGTERM)
        await wait_until(lambda: refuses(program.url), 10)
        lasted = time.monotonic() - began
        gate.set()
        answer = await client.rest(head)
        code = await program.ended()

    assert lasted >= 1
    assert (answer.text(), answer.complete, code) == ("one two", True, 0)


async def test_workers_are_replaced_without_it(tmp_path: Path) -> None:
    """It is for the end of the whole service: the others accept, and nobody is to turn away from them."""
    async with Program(tmp_path, config(), lame_duck_seconds=600, workers=2) as program:
        for pid in program.children():
            os.kill(pid, signal.SIGTERM)
        ended = await program.logged("worker ended", 2)
        ping = await request(program.url, "GET", "/ping")

    assert len(ended) == 2
    assert ping.body == b"pong"
