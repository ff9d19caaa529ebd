"""A client that leaves while its request waits for an upstream, or in its second attempt: all is let go at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.handlers.kit import access_lines
from tests.routing.kit import WHOLE, Fleet, status
from tests.routing.test_queue import Gate, waiting
from tests.support.loops import wait_until
from tests.support.scripts import silent


async def leaves(fleet: Fleet, ready: Callable[[], bool]) -> dict[str, Any]:
    """The access line of a request whose client leaves when it is ``ready``; what it held is let go soon."""
    with access_lines() as lines:
        task = asyncio.create_task(fleet.ask(WHOLE))
        await wait_until(ready)
        task.cancel()
        began = time.monotonic()
        await asyncio.gather(task, return_exceptions=True)
        await wait_until(lambda: bool(lines))
        assert time.monotonic() - began < 5
    (line,) = lines
    assert (line["status"], line["code"]) == (499, "client_gone")
    return line


async def test_in_the_queue(tmp_path: Path) -> None:
    """It waits for room."""
    gate = Gate()
    async with Fleet(tmp_path, gate, fields={1: {"max_concurrent": 1}}) as fleet:
        first = asyncio.create_task(fleet.ask(WHOLE))
        await wait_until(lambda: gate.now == 1)
        await leaves(fleet, lambda: waiting(fleet) == 1)
        assert not waiting(fleet)
        gate.release()
        assert (await first).status == 200
        assert fleet.asked() == [1]


async def test_in_the_pause(tmp_path: Path) -> None:
    """It waits before it asks the same upstream again."""
    async with Fleet(tmp_path, status(500), models={"m": {"retries": 5}}) as fleet:
        fleet.router.chance = lambda: 0.999
        await leaves(fleet, lambda: fleet.asked() == [4])  # the pause is 0.8 s then
        asked = fleet.asked()
        await asyncio.sleep(0.2)
        assert fleet.asked() == asked


async def test_in_the_second_attempt(tmp_path: Path) -> None:
    """It is with another upstream, whose connection is closed at once."""
    async with Fleet(tmp_path, status(500), silent(), fields={1: {"order": -1}}) as fleet:
        await leaves(fleet, lambda: fleet.asked() == [1, 1])
        await fleet.peers[1].closed_by_client()
