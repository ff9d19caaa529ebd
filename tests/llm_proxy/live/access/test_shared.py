"""Limits that several gateways hold together, by a real ``redis-server``: there, killed, paused, emptied. How long anybody waits for
that is measured in ``test_shared_waits``."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from llm_proxy.errors import BudgetSpent, LimitReached
from llm_proxy.live.access import shared as limits
from llm_proxy.live.access.accounting import Accounting, Told
from llm_proxy.live.access.meter import Meter
from llm_proxy.live.access.plan import Plan, bounds_of, purse
from llm_proxy.live.access.reservation import Need
from llm_proxy.live.access.shared import Shared
from llm_proxy.live.access.shared_counters import SharedCounters
from llm_proxy.live.access.values import Budget, Grant, Limit, Price, Team, Terms
from tests.support.logs import expect_log
from tests.support.loops import wait_until

pytestmark = [
    pytest.mark.skipif(
        shutil.which("redis-server") is None,
        reason="redis-server is not installed (apt-get install redis-server)",
    ),
    pytest.mark.timeout(seconds=90),
]
GRANT = Grant("alice", Terms(), Team(), None)


class Server:
    """One redis-server, on a free port."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.folder = folder
        self.url = f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        command = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(self.folder),
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: ASYNC220
        await wait_until(self._answers, 20)

    def _answers(self) -> bool:
        with socket.socket() as found:
            return found.connect_ex(("127.0.0.1", self.port)) == 0

    def say(self, *words: str) -> None:
        subprocess.run(["redis-cli", "-p", str(self.port), *words], check=True, stdout=subprocess.DEVNULL)

    def stop(self) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGCONT)
            self.process.kill()
        self.process.wait()


@asynccontextmanager
async def two(folder: Path) -> AsyncIterator[tuple[Server, Accounting, Accounting]]:
    """Two gateways that have seen each other."""
    server = Server(folder)
    await server.start()
    made = [Accounting(Meter(SharedCounters(1, 4096)), shared=Shared(server.url)) for _ in range(2)]
    shared = [books.shared for books in made if books.shared is not None]
    try:
        for one in shared:
            one.start()
        await wait_until(lambda: all(one.gateways == 2 for one in shared), 20)
        yield server, made[0], made[1]
    finally:
        for one in shared:
            await one.close()
        server.stop()


def plan_of(*limits: Limit, budgets: tuple[Budget, ...] = ()) -> Plan:
    purses = tuple(purse(budget, "alice") for budget in budgets)
    return Plan(GRANT, "m", bounds_of("key", "alice", limits), purses, Price(1, 1))


async def let_in(books: Accounting, plan: Plan, need: Need = Need(), *, settle: bool = True) -> bool:  # noqa: B008
    """Whether it was."""
    try:
        charge = await books.begin(plan, need)
    except (LimitReached, BudgetSpent):
        return False
    if settle:
        charge.micro_usd = need.cost
        books.close(charge, lambda: Told("x", "m"))
    return True


async def test_two_gateways_hold_one_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 requests at both, a limit of 20: 20 are let in, not one more, not one less."""
    monkeypatch.setattr(limits, "PATIENCE", 10.0)  # a busy machine is not away
    plan = plan_of(Limit("rpd", 20, 20))
    async with two(tmp_path) as (_, one, other):
        found = await asyncio.gather(*(let_in(books, plan) for _ in range(32) for books in (one, other)))
        assert sum(found) == 20


async def test_two_gateways_hold_one_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Together they spend what it says, and say when there is more."""
    monkeypatch.setattr(limits, "PATIENCE", 10.0)
    plan = plan_of(budgets=(Budget("b", 100, "month"),))
    async with two(tmp_path) as (_, one, other):
        spent = 0
        for number in range(40):
            spent += 10 * await let_in((one, other)[number % 2], plan, Need(cost=10))
        assert 80 <= spent <= 100
        with pytest.raises(BudgetSpent, match="budget b is spent"):
            await one.begin(plan, Need(cost=25))


async def test_what_is_not_used_is_given_back(tmp_path: Path) -> None:
    """A gateway that had many requests and has none any more leaves the rest to the other."""
    plan = plan_of(Limit("tpm", 10_000, 10_000))
    async with two(tmp_path) as (_, one, other):
        for _ in range(50):
            assert await let_in(one, plan, Need(50, 50))  # nothing of it is used

        async def fits() -> bool:
            return await let_in(other, plan, Need(9_000, 0), settle=False)

        until = time.monotonic() + 20
        while not await fits():
            assert time.monotonic() < until
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("how", ["killed", "paused"])
async def test_away(tmp_path: Path, how: str) -> None:
    """Said once; each gateway goes on with its half, never with all of it and never with nothing; and it comes back."""
    plan = plan_of(Limit("rpd", 20, 20))
    async with two(tmp_path) as (server, one, other):
        if how == "killed":
            server.process.kill()
            server.process.wait()
        else:
            os.kill(server.process.pid, signal.SIGSTOP)
        with expect_log("llm_proxy.live.access.shared", "are away") as told:
            found = [
                await asyncio.gather(*(let_in(books, plan) for _ in range(32))) for books in (one, other)
            ]
        assert [sum(half) for half in found] == [10, 10]
        assert len(told) == 2
        assert one.shared is not None
        assert one.shared.state == "away"
        with expect_log("llm_proxy.live.access.shared", "are back|were lost"):
            if how == "killed":
                await server.start()
            else:
                os.kill(server.process.pid, signal.SIGCONT)
            await wait_until(lambda: one.shared is not None and one.shared.state == "ok", 20)


async def test_its_memory_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Emptied, or another server that knows nothing: a spent limit is not open again."""
    monkeypatch.setattr(limits, "PATIENCE", 10.0)
    plan = plan_of(Limit("rpd", 20, 20))
    async with two(tmp_path) as (server, one, other):
        before = sum([await let_in(books, plan) for _ in range(15) for books in (one, other)])
        assert before == 20
        server.say("FLUSHALL")
        with expect_log("llm_proxy.live.access.shared", "were lost", required=False):
            after = sum([await let_in(books, plan) for _ in range(15) for books in (one, other)])
        assert after == 0


async def test_slow(tmp_path: Path) -> None:
    """A server that does not answer in time is as one that is away; running requests are shared out."""
    plan = plan_of(Limit("concurrent", 5, 5))
    async with two(tmp_path) as (server, one, _):
        server.say("CLIENT", "PAUSE", "3000")
        slow = plan_of(Limit("rpm", 20, 20))
        with expect_log("llm_proxy.live.access.shared", "are away", required=False):
            assert await let_in(one, slow)
        assert [await let_in(one, plan, settle=False) for _ in range(4)] == [True, True, False, False]


async def test_alone_from_the_start(tmp_path: Path) -> None:
    """With nobody seen yet the whole limit is this gateway's."""
    books = Accounting(Meter(SharedCounters(1, 4096)), shared=Shared("redis://127.0.0.1:1/0"))
    with expect_log("llm_proxy.live.access.shared", "are away"):
        found = [await let_in(books, plan_of(Limit("rpm", 20, 20))) for _ in range(30)]
    assert sum(found) == 20
    assert books.shared is not None
    await books.shared.close()
