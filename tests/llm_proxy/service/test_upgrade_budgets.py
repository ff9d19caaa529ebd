"""Budgets and limits while a new version takes the place of the running one: what either pays is counted once."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import COMPLETION
from tests.llm_proxy.service.test_access_workers import PRICES, config
from tests.llm_proxy.service.test_upgrade import is_gone
from tests.support.access_kit import bearer, row, write_access
from tests.support.client import request
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Peer
from tests.support.program import Program
from tests.support.scripts import answer_json

DOLLARS = 5  # of one answer
LONG = 60.0
#: Of each key's own and of all, of the calendar and of the last hours.
BUDGETS: dict[str, Any] = {
    "month": {"usd": 100_000, "per": "month"},
    "rolling": {"usd": 100_000, "per": "12h"},
    "own": {"usd": 100_000, "per": "day", "scope": "each"},
}


@pytest.mark.timeout(seconds=180)
@pytest.mark.parametrize("workers", [1, 2])
async def test_what_either_pays_is_counted_once(workers: int, tmp_path: Path) -> None:
    """Clients ask before, while and after the new version comes (and one more after it, where one process serves), and some requests of each version end long after the next one
    has read the ledger: all budgets have paid for exactly what was answered. Those that end late are of a key with limits: of these is gone what
    they took."""
    document = {
        "keys": {
            "alice": row("alice", budgets=[*BUDGETS], admin="read"),
            "bob": row("bob", budgets=[*BUDGETS], limits={"rpd": 100, "tpd": 1000}),
        },
        "budgets": BUDGETS,
        "prices": PRICES,
    }
    settings: dict[str, Any] = {
        "access": write_access(tmp_path, document),
        "state": tmp_path / "state",
        "workers": workers,
    }
    gate, done = asyncio.Event(), False
    answered: Counter[int] = Counter()
    late = 0

    async def script(exchange: Exchange) -> None:
        if b"linger" in exchange.request.body:
            await gate.wait()
        await answer_json(COMPLETION)(exchange)

    async def go_on(url: str) -> None:
        while not done:
            await ask(url, "hi")

    async def ask(url: str, text: str) -> None:
        nonlocal late
        late += text == "linger"
        headers = bearer("bob" if text == "linger" else "alice")
        body = {"model": "m", "messages": [{"role": "user", "content": text}], "max_tokens": 2}
        answered[(await request(url, "POST", "/chat", body, headers=headers)).status] += 1

    async with Peer(script) as peer, Program(tmp_path, config(peer.url), **settings) as program:
        clients = [asyncio.create_task(go_on(program.url)) for _ in range(6)]
        pids = [program.pid]
        for number in range(1, 4 - workers):
            before = answered[200]
            clients += [asyncio.create_task(ask(program.url, "linger")) for _ in range(3)]
            await wait_until(lambda before=before: answered[200] >= before + 5, LONG)  # type: ignore[misc]
            os.kill(pids[-1], signal.SIGUSR2)
            await program.logged("the new version serves", number)
            pids.append(program.lines("the new version serves")[-1]["pid"])
        before = answered[200]
        await wait_until(lambda: answered[200] > before, LONG)
        done = True
        gate.set()
        await asyncio.gather(*clients)
        for pid in pids[:-1]:
            await wait_until(partial(is_gone, pid), LONG)

        assert answered.keys() == {200}
        shared = (answered[200] * DOLLARS, 0)
        expected = {"month": shared, "rolling": shared, "own": ((answered[200] - late) * DOLLARS, 0)}
        async with asyncio.timeout(LONG):
            while (found := await spent(program)) != expected:
                assert all(paid <= expected[name][0] for name, (paid, _) in found.items()), found
                await asyncio.sleep(0.1)
        assert await spent(program) == expected
        taken = {found["kind"]: found["used"] for found in (await of_key(program, "bob"))["windows"]}
    base = sqlite3.connect(tmp_path / "state" / "usage.db")
    try:
        assert base.execute("SELECT count(*) FROM usage").fetchone() == (answered[200],)
        tokens = base.execute("SELECT sum(input + output) FROM usage WHERE \"key\" = 'bob'").fetchone()[0]
    finally:
        base.close()
    assert taken["rpd"] == late == 3 * (3 - workers)
    assert tokens - 2 <= taken["tpd"] <= tokens  # one runs out in a minute and a half


async def of_key(program: Program, name: str) -> dict[str, Any]:
    """What is told of that key."""
    got = await request(program.url, "GET", "/keys", headers=bearer("alice"))
    found: dict[str, Any] = next(one for one in got.json()["keys"] if one["name"] == name)
    return found


async def spent(program: Program) -> dict[str, tuple[float, float]]:
    """Of each budget what is spent and reserved, in dollars."""
    alice = await of_key(program, "alice")
    return {found["name"]: (found["used"], found["reserved"]) for found in alice["budgets"]}
