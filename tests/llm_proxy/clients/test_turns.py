"""Who has sent ahead of its turn is served in turn, a few at a time."""

from __future__ import annotations

import asyncio

from llm_proxy.clients import turns
from llm_proxy.clients.turns import Turns


async def test_a_few_in_each_turn_of_the_loop() -> None:
    """In order, no more than ``_MANY`` before others, and those that come meanwhile behind them."""
    loop, waiting = asyncio.get_running_loop(), Turns()
    served: list[int] = []
    count = 3 * turns._MANY

    def serve(number: int) -> None:
        served.append(number)
        if number == 0:
            waiting.wait(loop, lambda: serve(count))

    for number in range(count):
        waiting.wait(loop, lambda number=number: serve(number))  # type: ignore[misc]
    between = []
    while len(served) <= count:
        await asyncio.sleep(0)
        between.append(len(served))

    assert served == [*range(count + 1)]
    assert all(after - before <= turns._MANY for before, after in zip([0, *between], between, strict=False))
    assert len(between) >= 4
