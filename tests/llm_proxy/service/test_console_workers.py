"""The console with several worker processes: any of them shows all, stops any request, and knows who is signed in."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.console.kit import PAGE, Events, ask, cookie_of, post
from tests.handlers.kit import COMPLETION, WHOLE, config
from tests.support.access_kit import KEYS, bearer, row, write_access
from tests.support.client import Connection, request
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.program import PATIENCE, Program
from tests.support.scripts import answer_json, silent

REQUESTS = 8


@pytest.mark.timeout(seconds=120)
async def test_all_workers_are_one(tmp_path: Path) -> None:
    """Requests of both are seen by a page and stopped by any; a session holds in both, also in one that comes later; the last
    requests of both are one list, and an edit by one is served by both."""
    access = write_access(tmp_path, {"keys": {"root": row("root", admin="write")}})
    async with (
        Peer(silent()) as peer,
        Program(
            tmp_path, config(peer.url), workers=2, access=access, console_write=1, drain_seconds=0
        ) as program,
    ):
        origin = program.url.removesuffix("/api")
        signed = await post(origin, "/console/session", {"key": KEYS["root"]})
        cookie = {"Cookie": cookie_of(signed)}
        clients = [Connection(origin) for _ in range(REQUESTS)]
        async with Events(origin, cookie) as events:
            for number, client in enumerate(clients):
                await client.__aenter__()
                headers = {**bearer("root"), "X-Request-Id": f"r{number}"}
                await client.send("POST", "/v1/chat/completions", WHOLE, headers=headers)
            await wait_until(lambda: len(events.rows()) == REQUESTS, PATIENCE)
            workers = {one["worker"] for one in events.rows().values()}
            told = [
                (await request(origin, "POST", f"/api/requests/r{n}/stop", headers={**cookie, **PAGE})).json()
                for n in range(REQUESTS)
            ]
            answers = [await client.rest(await client.head()) for client in clients]
            await wait_until(lambda: not events.rows(), PATIENCE)
        seen: set[int] = set()
        for _ in range(20):  # of whichever worker answers
            listed = await ask(origin, "/console/api/requests", headers=cookie)
            seen.add(len(listed["rows"]))
        base = (await ask(origin, "/console/api/config", headers=cookie))["file_hash"]
        edit = {"edit": {"weight": {"provider": "peer", "model": "m", "weight": 0}}, "base": base}
        written = await post(origin, "/console/api/config", edit, {**PAGE, **cookie})

        async def generations() -> list[dict[str, Any]]:
            found = await ask(origin, "/console/api/config/generations", headers=cookie)
            rows: list[dict[str, Any]] = found["generations"]
            return rows

        for _ in range(10):
            assert [one["generation"] for one in await generations()] == [2, 1]
        old = program.children()
        os.kill(old[0], signal.SIGTERM)
        await wait_until(lambda: len(program.children()) == 2 and program.children() != old, PATIENCE)
        await program.logged("worker started")
        for _ in range(10):
            assert (await ask(origin, "/console/session", headers=cookie))["role"] == "write"
            diff = await ask(origin, "/console/api/config/diff?from=1&to=2", headers=cookie)
            assert diff["changes"] == ["model m: weight 1 -> 0"]
        assert (await post(origin, "/console/session", None, {**PAGE, **cookie}, "DELETE")).status == 204
        for _ in range(10):
            assert (await request(origin, "GET", "/console/api/config", headers=cookie)).status == 401
        for client in clients:
            await client.close()
        stopped = program.lines("an operator has stopped a request")

    assert workers <= set(old)
    assert [one["stopped"] for one in told] == [1] * REQUESTS
    assert {answer.status for answer in answers} == {503}
    assert seen == {REQUESTS}
    assert written.json()["state"] == "applied"
    assert {line["key"] for line in stopped} == {"root"}
    assert not [line for line in program.lines() if line["level"] in ("ERROR", "CRITICAL")]


@pytest.mark.timeout(seconds=60)
async def test_a_restart_signs_everybody_out(tmp_path: Path) -> None:
    """What was known of sessions ends with the service."""
    access = write_access(tmp_path, {"keys": {"root": row("root", admin="read")}})
    async with Peer(answer_json(COMPLETION)) as peer:
        async with Program(tmp_path, config(peer.url), access=access) as program:
            origin = program.url.removesuffix("/api")
            cookie = {"Cookie": cookie_of(await post(origin, "/console/session", {"key": KEYS["root"]}))}
            before = await ask(origin, "/console/session", headers=cookie)
        async with Program(tmp_path, config(peer.url), access=access) as program:
            after = await ask(program.url.removesuffix("/api"), "/console/session", headers=cookie)

    assert (before["role"], after["role"]) == ("read", None)
