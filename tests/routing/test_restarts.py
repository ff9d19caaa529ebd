"""Upstreams that come and go: one that flaps, and one that comes back somewhere else. No client hears of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from llm_proxy.routing.ejection import IN_A_ROW
from llm_proxy.routing.upstream_state import UpstreamState
from tests.routing.kit import STREAM, WHOLE, Fleet, serves, status
from tests.routing.test_status import standing
from tests.support.addresses import refused_url
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Peer


class Flapping:
    """A server that is well, or answers 500."""

    def __init__(self) -> None:
        self.well = True

    async def __call__(self, exchange: Exchange) -> None:
        await (serves if self.well else status(500))(exchange)


def state(fleet: Fleet, at: int) -> UpstreamState:
    """What the gateway knows of upstream ``at``."""
    (row,) = [
        row
        for row in fleet.proxy.service.gateway.registry.current.config.deployments
        if row.provider == f"gpu-{at}"
    ]
    found: UpstreamState = fleet.router.states.of(row, asyncio.get_running_loop().time())
    return found


async def test_one_that_flaps(tmp_path: Path) -> None:
    """It fails, comes back, fails again before it is back, and comes back: no client hears of it, and while it is out nobody asks
    it. It is tried by one request, is out for twice as long if it fails that, and is asked first again once it has served."""
    flaps = Flapping()
    now = asyncio.get_running_loop().time
    async with Fleet(tmp_path, flaps, serves, fields={2: {"order": 1}}) as fleet:

        async def ask(times: int) -> int:
            """How many of so many requests have met the flapping one."""
            before = fleet.asked()[0]
            for number in range(times):
                assert (await fleet.ask(STREAM if number % 2 else WHOLE)).status == 200
            return fleet.asked()[0] - before

        assert await ask(4) == 4
        for seconds in (10.0, 20.0):
            flaps.well = False
            # The second time it is the one request that tries it.
            assert await ask(IN_A_ROW + 4) == (IN_A_ROW if seconds == 10.0 else 1)
            assert (await standing(fleet))["gpu-1"]["state"] == "ejected"
            health = state(fleet, 1).health
            assert seconds - 10 < health.until - now() <= seconds
            assert await ask(5) == 0
            health.until = now()  # its time is over
        flaps.well = True
        assert await ask(6) == 6
        assert (await standing(fleet))["gpu-1"]["state"] == "ok"


@asynccontextmanager
async def named(folder: Path, peer: Peer, where: dict[str, str]) -> AsyncIterator[RunningGateway]:
    """The name ``model.test`` means what ``where`` says; another upstream is asked when nobody is there."""
    async with Peer(serves) as other:
        rows = {
            "named": {"m": {"api_type": "openai", "api_host": f"http://model.test:{peer.port}/v1"}},
            "other": {"m": {"api_type": "openai", "api_host": other.url + "/v1", "order": 1}},
        }
        async with RunningGateway(folder, rows) as proxy:

            def look_up(*_: object, **__: object) -> list[tuple[Any, Any, int, str, tuple[str, int]]]:
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (where["model.test"], 0))]

            proxy.service.gateway.upstream._http.dialer._resolver._lookup = look_up
            yield proxy


async def test_one_that_comes_back_at_another_address(tmp_path: Path) -> None:
    """Its name means another address after it was started anew: the name is looked up again as soon as nobody answers at the old
    one, and it serves as before; no client hears of it."""
    where = {"model.test": "127.0.0.1"}
    old = Peer(serves)
    await old.__aenter__()
    async with named(tmp_path, old, where) as proxy, Peer(serves, at=("127.0.0.2", old.port)) as new:
        try:
            for _ in range(3):
                assert (await proxy.request("POST", "/chat", WHOLE)).headers["x-llm-provider"] == "named"
        finally:
            await old.__aexit__(None, None, None)
        where["model.test"] = "127.0.0.2"
        for number in range(8):
            assert (await proxy.request("POST", "/chat", STREAM if number % 2 else WHOLE)).status == 200
        await wait_until(lambda: len(new.requests) >= 3)
        last = await proxy.request("POST", "/chat", WHOLE)

    assert last.headers["x-llm-attempts"].startswith("named:200:")


async def test_one_that_comes_back_at_another_port(tmp_path: Path) -> None:
    """The configuration is told its new port: it is another upstream, which is asked at once, whatever was known of the old."""
    async with Fleet(tmp_path, refused_url(), serves, fields={2: {"order": 1}}) as fleet, Peer(serves) as new:
        for _ in range(IN_A_ROW):
            assert (await fleet.ask(WHOLE)).status == 200
        assert (await standing(fleet))["gpu-1"]["state"] == "ejected"
        fleet.hosts[0] = new.url
        fleet.proxy.write_config(fleet.config())
        await wait_until(lambda: fleet.proxy.service.gateway.registry.current.generation > 1)
        assert (await fleet.ask(WHOLE)).headers["x-llm-attempts"].startswith("gpu-1:200:")
        assert (await standing(fleet))["gpu-1"]["state"] == "ok"
