"""How long a request waits for the limits that machines share, however their server behaves: in the time of the event loop, which passes
only by its timers here, so that the busiest machine measures the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from handlers.base.charging import together
from llm_proxy.errors import LimitReached
from llm_proxy.live.access.accounting import Accounting
from llm_proxy.live.access.meter import Meter
from llm_proxy.live.access.plan import Plan, bounds_of
from llm_proxy.live.access.reservation import Need
from llm_proxy.live.access.shared_counters import SharedCounters
from llm_proxy.live.access.values import Grant, Limit, Team, Terms
from tests.support.logs import expect_log

shared = pytest.importorskip("llm_proxy.live.access.shared")
pytest.importorskip("redis")

#: The contract's: whatever happens there, nobody waits longer.
LONGEST = 0.25
MANY, MOST = 64, 20

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """When nothing is to be done it is at once as late as the next timer wants it."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        if not self._ready:  # type: ignore[attr-defined]
            whens = [timer.when() for timer in self._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
            self.now = max(self.now, min(whens, default=self.now))
        super()._run_once()  # type: ignore[misc]


class Server:
    """Answers by ``behave``: with what was wanted, as long as there is any of it."""

    def __init__(self, behave: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        self._behave = behave
        self._left = MOST
        self.asked = 0

    async def eval(self, script: str, count: int, *words: str) -> list[Any]:
        self.asked += 1
        await self._behave(self.asked)
        want, need = int(float(words[-2])), int(float(words[-1]))
        if need > self._left:
            return ["epoch", 1, 1e6]
        granted = max(need, min(want, self._left))
        self._left -= granted
        return ["epoch", 0, granted]

    async def aclose(self) -> None:
        """Nothing is open."""


async def silent(_: int) -> None:
    await asyncio.Event().wait()


async def refuses(_: int) -> None:
    raise ConnectionRefusedError


async def slow(_: int) -> None:
    await asyncio.sleep(shared.PATIENCE * 0.9)


async def too_slow(_: int) -> None:
    await asyncio.sleep(shared.PATIENCE * 1.5)


async def dies(number: int) -> None:
    if number > 2:
        await silent(number)


def counted_at(server: Server, changed: Callable[[Any], None] | None = None) -> Accounting:
    """The books of a machine that counts together with others, at ``server``."""
    there = shared.Shared("redis://127.0.0.1:1/0")
    if changed is not None:
        changed(there)
    there._redis = server
    return Accounting(Meter(SharedCounters(1, 4096)), shared=there)


def alone(run: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What ``run`` comes to in the loop's own time."""
    with (
        expect_log("llm_proxy.live.access.shared", "are away", required=False),
        asyncio.Runner(loop_factory=VirtualLoop) as runner,
    ):
        return runner.run(run())


@pytest.mark.parametrize("behave", [silent, refuses, slow, too_slow, dies])
def test_nobody_waits_longer(behave: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    """64 requests at once, and 64 one after the other: each is decided in time, the first ones of those that wait for a turn of others
    too; no more are let in than may be, and some are."""
    plan = Plan(
        Grant("alice", Terms(), Team(), None), "m", bounds_of("key", "alice", (Limit("rpd", MOST, MOST),))
    )

    async def run() -> tuple[list[float], int]:
        loop = asyncio.get_running_loop()
        books = counted_at(Server(behave))
        waits: list[float] = []
        let_in = 0

        async def ask() -> None:
            nonlocal let_in
            began = loop.time()
            try:
                await books.begin(plan, Need())
                let_in += 1
            except LimitReached:
                pass
            waits.append(loop.time() - began)

        await asyncio.gather(*(ask() for _ in range(MANY)))
        for _ in range(MANY):
            await ask()
        return waits, let_in

    waits, let_in = alone(run)

    assert len(waits) == 2 * MANY
    assert max(waits) <= LONGEST
    assert 0 < let_in <= MOST


def outrun(there: Any) -> None:
    """Others take what was leased for a request that is refused."""
    undo = there.undo

    def undone(*arguments: Any) -> None:
        undo(*arguments)
        for lease, _ in there._leases.values():
            lease.left = 0

    there.undo = undone


@pytest.mark.parametrize("behave", [silent, slow, too_slow, dies])
def test_nobody_waits_twice(behave: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    """Who is refused because so many are running tries once more: both tries together wait no longer than one may, also if what was leased for
    the first was taken by others meanwhile."""
    limits = Limit("rpd", MANY, MANY), Limit("concurrent", 1, 1)
    plan = Plan(Grant("alice", Terms(), Team(), None), "m", bounds_of("key", "alice", limits))

    async def run() -> tuple[list[float], int]:
        loop = asyncio.get_running_loop()
        books = counted_at(Server(behave), outrun)
        waits: list[float] = []
        running = 0

        async def ask() -> None:
            nonlocal running
            began = loop.time()
            try:
                await together(books, plan, Need())
                running += 1
            except LimitReached as error:
                assert error.running
            waits.append(loop.time() - began)

        for _ in range(4):
            await ask()
        return waits, running

    waits, running = alone(run)

    assert len(waits) == 4
    assert max(waits) <= LONGEST
    assert running == 1
