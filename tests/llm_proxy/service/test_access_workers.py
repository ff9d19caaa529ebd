"""Limits, budgets and the ledger with several workers, and over the end of any of them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import COMPLETION
from tests.support.access_kit import bearer, row, write_access
from tests.support.client import Answer, request
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.program import PATIENCE, Program
from tests.support.scripts import answer_json

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
PRICES = {"m": {"input": 1_000_000, "output": 1_000_000}}  # an answer is five dollars


def config(url: str) -> dict[str, Any]:
    return {"peer": {"defaults": {"api_type": "openai", "api_host": url + "/v1"}, "m": {}}}


async def ask(program: Program) -> Answer:
    origin = program.url.removesuffix("/api")
    return await request(origin, "POST", "/v1/chat/completions", CHAT, headers=bearer("alice"))


@pytest.mark.timeout(seconds=120)
async def test_four_workers_hold_one_limit(tmp_path: Path) -> None:
    """64 clients at once, a limit of 20: 20 are let in, by four workers together."""
    path = write_access(tmp_path, {"keys": {"alice": row("alice", limits={"rpm": 20})}})
    async with Peer(answer_json(COMPLETION)) as peer:
        async with Program(tmp_path, config(peer.url), workers=4, access=path) as program:
            answers = await asyncio.gather(*(ask(program) for _ in range(64)))
            assert sorted(one.status for one in answers) == [200] * 20 + [429] * 44
        assert len(peer.requests) == 20


@pytest.mark.timeout(seconds=180)
async def test_killed_at_any_moment(tmp_path: Path) -> None:
    """No more than a second of rows is lost, and limits and budgets go on where they were."""
    document = {
        "keys": {"alice": row("alice", budgets=["b"], limits={"rpd": 1000})},
        "budgets": {"b": {"usd": 1000, "per": "month"}},
        "prices": PRICES,
    }
    path, state = write_access(tmp_path, document), tmp_path / "state"
    answered = 0
    async with Peer(answer_json(COMPLETION)) as peer:
        for workers in (1, 2):
            async with Program(
                tmp_path, config(peer.url), workers=workers, access=path, state=state
            ) as program:
                for _ in range(3):
                    found = await asyncio.gather(*(ask(program) for _ in range(5)))
                    assert [one.status for one in found] == [200] * 5
                    answered += 5
                await wait_until(lambda count=answered: rows(state) == count, PATIENCE)  # type: ignore[misc]
                found = await asyncio.gather(*(ask(program) for _ in range(5)))
                answered += 5
                os.killpg(program.pid, signal.SIGKILL)
            assert answered - 5 <= rows(state) <= answered
            answered = rows(state)
        async with Program(tmp_path, config(peer.url), access=path, state=state) as program:
            got = await ask(program)
            left = int(got.headers["x-ratelimit-remaining-requests"])
            assert abs(left - (1000 - answered - 1)) <= 1  # an hour's worth comes back in 1.4 minutes each
    assert (state.stat().st_mode & 0o777, (state / "usage.db").stat().st_mode & 0o777) == (0o700, 0o600)


def rows(state: Path) -> int:
    base = sqlite3.connect(state / "usage.db", timeout=5)
    try:
        return int(base.execute("SELECT count(*) FROM usage").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        base.close()


@pytest.mark.timeout(seconds=120)
async def test_a_spent_budget_stays_spent(tmp_path: Path) -> None:
    """Over a kill and a start."""
    document = {
        "keys": {"alice": row("alice", budgets=["b"])},
        "budgets": {"b": {"usd": 12, "per": "month"}},
        "prices": PRICES,
    }
    path, state = write_access(tmp_path, document), tmp_path / "state"
    async with Peer(answer_json(COMPLETION)) as peer:
        async with Program(tmp_path, config(peer.url), access=path, state=state) as program:
            statuses = [(await ask(program)).status for _ in range(6)]
            assert statuses[0] == 200
            assert statuses[-1] == 429
            await wait_until(lambda: rows(state) == statuses.count(200), PATIENCE)
            os.killpg(program.pid, signal.SIGKILL)
        async with Program(tmp_path, config(peer.url), workers=2, access=path, state=state) as program:
            assert (await ask(program)).status == 429


async def test_a_start_that_cannot_be(tmp_path: Path) -> None:
    """A directory that is none, a file of keys that is not there: one sentence, exit status 1."""
    (tmp_path / "file").write_text("")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"state": tmp_path / "file" / "x"}, "LLM_PROXY_API_STATE"),
        ({"access": tmp_path / "nowhere.json"}, "nowhere.json"),
    ]
    for settings, words in cases:
        async with Program(tmp_path, {"demo": {"demo": {}}}, expect="end", **settings) as program:
            assert await asyncio.get_running_loop().run_in_executor(None, program.process.wait, PATIENCE) == 1
            assert words in "".join(program.plain())


async def test_open_to_everybody_is_said(tmp_path: Path) -> None:
    """A start that listens beyond loopback without a file of keys has one WARNING."""
    for host, count in (("127.0.0.1", 0), ("0.0.0.0", 1)):
        async with Program(tmp_path, {"demo": {"demo": {}}}, host=host) as program:
            told = [line for line in program.lines() if "everybody who reaches" in line["message"]]
            assert len(told) == count, json.dumps(told)


@pytest.mark.timeout(seconds=180)
async def test_a_large_file_and_a_worker_that_starts_later(tmp_path: Path) -> None:
    """It serves the keys that were accepted last, though the file was let go and is broken now."""
    others = {
        f"key-{n}": {"hash": f"sha256:{n:064x}", "metadata": {"for": "a team" * 20}} for n in range(6000)
    }
    document = {"keys": {**others, "alice": row("alice")}}
    path = write_access(tmp_path, document)
    async with (
        Peer(answer_json(COMPLETION)) as peer,
        Program(tmp_path, config(peer.url), workers=2, access=path) as program,
    ):
        document["keys"]["bob"] = row("bob", admin="read")
        write_access(tmp_path, document)
        await program.logged("configuration applied", 2)
        write_access(tmp_path, json.dumps(document)[:-1])
        await program.logged("configuration rejected, the last good one goes on", 2)
        assert path.stat().st_size > 1024 * 1024
        for pid in program.children():  # both, one after the other
            started = len(program.lines("worker started"))
            os.kill(pid, signal.SIGKILL)
            await program.logged("worker started", started + 1)
        origin = program.url.removesuffix("/api")
        for name in ("alice", "bob") * 4:
            got = await request(origin, "GET", "/v1/models", headers=bearer(name))
            assert (name, got.status) == (name, 200)
