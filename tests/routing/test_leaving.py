"""A client that leaves while its request waits for an upstream, or in its second attempt: all is let go at once.

At once: within a few turns of the loop from the one in which its going was noticed, none of which waits for a timer. That is far
below 100 ms on any machine, and no clock has to be read, which would say how busy the machine is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.handlers.kit import access_lines
from tests.routing.kit import STREAM, WHOLE, Fleet, status
from tests.routing.test_hedging import hedged
from tests.routing.test_queue import Gate, waiting
from tests.support.loops import still, wait_until
from tests.support.scripts import silent

#: The task is woken, raises, ends; its coroutines end one in the other; the access line is written.
_TURNS = 12


async def leaves(
    fleet: Fleet, ready: Callable[[], bool], kept: int = 0, body: dict[str, Any] = WHOLE
) -> dict[str, Any]:
    """The access line of a request whose client leaves when it is ``ready``; what it held is let go at once. ``kept``: so many
    requests are at upstreams for others."""
    running = fleet.proxy.service.gateway.running
    others = set(running)
    with access_lines() as lines:
        task = asyncio.create_task(fleet.ask(body))
        await wait_until(ready)
        handler: Any
        (handler,) = set(running) - others
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(20):
            while not handler.gone:
                await asyncio.sleep(0)
        turns = 0
        while waiting(fleet) or fleet.in_flight() > kept or set(running) != others or not lines:
            await asyncio.sleep(0)  # one turn
            turns += 1
            assert turns < _TURNS, (waiting(fleet), fleet.in_flight(), len(running), lines)
    (line,) = lines
    assert (line["status"], line["code"]) == (499, "client_gone")
    return line


async def test_in_the_queue(tmp_path: Path) -> None:
    """It waits for room."""
    gate = Gate()
    async with Fleet(tmp_path, gate, fields={1: {"max_concurrent": 1}}) as fleet:
        first = asyncio.create_task(fleet.ask(WHOLE))
        await wait_until(lambda: gate.now == 1)
        await leaves(fleet, lambda: waiting(fleet) == 1, kept=1)
        assert not waiting(fleet)
        gate.release()
        assert (await first).status == 200
        assert fleet.asked() == [1]


async def test_in_the_pause(tmp_path: Path) -> None:
    """It waits before it asks the same upstream again."""
    async with Fleet(tmp_path, status(500), models={"m": {"retries": 5}}) as fleet:
        fleet.router.chance = lambda: 0.999
        await leaves(fleet, lambda: fleet.asked() == [4])  # the pause is 0.8 s then
        assert await still(fleet.asked) == [4]


async def test_in_the_second_attempt(tmp_path: Path) -> None:
    """It is with another upstream, whose connection is closed at once."""
    async with Fleet(tmp_path, status(500), silent(), fields={1: {"order": -1}}) as fleet:
        await leaves(fleet, lambda: fleet.asked() == [1, 1])
        await fleet.peers[1].closed_by_client()


async def test_in_a_race(tmp_path: Path) -> None:
    """It is with two upstreams at once, both of which are closed."""
    fleet = await hedged(tmp_path, silent(), silent())
    await leaves(fleet, lambda: fleet.asked() == [1, 1], body=STREAM)
    for peer in fleet.peers:
        await peer.closed_by_client()
    await fleet.__aexit__(None, None, None)
