"""Several workers of one machine: what one of them has found out of an upstream, the others know."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from tests.routing.kit import WHOLE, serves, status
from tests.support.client import request
from tests.support.peer import Exchange, Peer
from tests.support.program import PATIENCE, Program


def config(*peers: Peer, **more: Any) -> dict[str, Any]:
    """One model at several upstreams."""
    found = {}
    for at, peer in enumerate(peers, 1):
        defaults = {"api_type": "openai", "api_host": peer.url + "/v1", **more}
        found[f"gpu-{at}"] = {"defaults": defaults, "m": {"model": "up"}}
    return found


async def test_one_has_found_out_that_an_upstream_fails(tmp_path: Path) -> None:
    """Five failures in a row eject it for both workers, whichever of them they came to; no client notices."""
    async with (
        Peer(status(500)) as sick,
        Peer(serves) as good,
        Program(tmp_path, config(sick, good), workers=2) as program,
    ):
        served: set[int] = set()
        asked = 0
        while len(served) < 2 or asked < 40:
            answer = await request(program.url, "POST", "/chat", WHOLE)
            assert answer.status == 200
            asked += 1
            served = {line["process"] for line in program.lines("request")}

        assert len(sick.requests) == 5
        ejected = await program.logged("an upstream fails, and is left alone for a while")
        assert len(ejected) == 1


class Gate:
    """Serves one at a time, and knows how many were there at once; the first hangs."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def __call__(self, exchange: Exchange) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            if exchange.request.path != "/v1/chat/completions":
                raise AssertionError(exchange.request.path)
            if exchange.link.number == 0:
                await exchange.left()
            await asyncio.sleep(0.02)  # so that others would come in between
            await serves(exchange)
        finally:
            self.now -= 1


async def test_a_limit_holds_for_all_and_outlives_a_worker(tmp_path: Path) -> None:
    """``max_concurrent`` is exact over both workers; when one is killed, its share is taken back, and who waits is served."""
    gate = Gate()
    async with Peer(gate) as peer, Program(tmp_path, config(peer, max_concurrent=1), workers=2) as program:
        first = asyncio.create_task(request(program.url, "POST", "/chat", WHOLE))
        await peer.received()
        others = [asyncio.create_task(request(program.url, "POST", "/chat", WHOLE)) for _ in range(8)]
        status_now = await program.status()
        victim = next(worker["pid"] for worker in status_now["workers"] if _holds(worker["pid"], peer.port))
        assert len(peer.requests) == 1
        os.kill(victim, signal.SIGKILL)
        done = await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), PATIENCE)
        await asyncio.gather(first, return_exceptions=True)

        await program.logged("worker died")
        later = await asyncio.gather(*(request(program.url, "POST", "/chat", WHOLE) for _ in range(4)))
        # Some of the first may have waited in the worker that was killed.
        answers = [*later, *(one for one in done if not isinstance(one, BaseException))]
        assert {answer.status for answer in answers} == {200}
        assert gate.most == 1


def _holds(pid: int, port: int) -> bool:
    """Whether that process has a connection to the port of loopback."""
    mine = {os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd") if os.path.lexists(entry.path)}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[2].rpartition(":")[2], 16) == port and fields[3] == "01":
            return f"socket:[{fields[9]}]" in mine
    return False
