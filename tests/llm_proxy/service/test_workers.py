"""Several processes on one socket: what they share, and what happens when one of them, or their parent, dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from llm_proxy.service.scoreboard import Scoreboard
from llm_proxy.service.workers import restart_delay
from llm_proxy.telemetry.process_report import ProcessReport, differ
from tests.support.client import Connection, request
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.program import PATIENCE, ROOT, Program, is_alive
from tests.support.scripts import answer_json, sse, stream

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "up"}
EVENTS = [
    {**CHUNK, "choices": [{"index": 0, "delta": {"content": "one"}, "finish_reason": None}]},
    {**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
]


def config(url: str = "http://127.0.0.1:9", temperature: float = 0.5) -> dict[str, Any]:
    """The model ``m`` at an OpenAI-dialect upstream."""
    defaults = {"api_type": "openai", "api_host": url + "/v1", "api_token": "k"}
    return {"peer": {"defaults": defaults, "m": {"options": {"temperature": temperature}}}}


def facts(pid: int = 1, digest: str = "a" * 64) -> ProcessReport:
    return ProcessReport(pid, digest, 3, 1700000000.5, "applied", 7, False, 12.5)


def test_a_row_is_read_as_it_was_written() -> None:
    """A scoreboard gives back what each worker has published, and forgets who is gone."""
    board = Scoreboard(3)
    board.publish(0, facts(10))
    board.publish(2, facts(12, "b" * 64))

    assert board.read() == [facts(10), facts(12, "b" * 64)]
    assert differ(board.read())

    board.clear(2)

    assert board.read() == [facts(10)]
    assert not differ(board.read())


def test_half_a_row_is_never_read() -> None:
    """What a writer left that was killed in the middle of a row is not taken for facts."""
    board = Scoreboard()
    board.publish(0, facts(10))
    board._page[-1] ^= 1

    assert board.read() == []

    board.publish(0, facts(11))

    assert board.read() == [facts(11)]


def test_restarts_become_slower() -> None:
    """Two early deaths are forgiven; after that each pause is longer, up to half a minute."""
    pauses = [restart_delay(deaths) for deaths in range(1, 12)]

    assert pauses == [0.0, 0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


_DYING = """
from llm_proxy.telemetry import log
from llm_proxy.service.scoreboard import Scoreboard
from llm_proxy.service.workers import Supervisor
log.setup_direct("INFO", "json")
nothing = lambda: None
raise SystemExit(Supervisor(Scoreboard(2), lambda row: 3, 0.0, nothing, nothing).run())
"""


async def test_workers_that_die_at_once_are_no_fork_bomb(tmp_path: Path) -> None:
    """They are restarted ever more slowly, each death is one line, and a stop signal ends it all at any time."""
    stderr = tmp_path / "stderr"
    with stderr.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-c", _DYING], cwd=ROOT, stderr=out)  # noqa: ASYNC220

    def deaths() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in stderr.read_text().splitlines()]
        return [line for line in lines if line["message"] == "worker died"]

    try:
        await wait_until(lambda: len(deaths()) >= 8, PATIENCE)
        process.terminate()
        code = await asyncio.to_thread(process.wait, PATIENCE)
    finally:
        process.kill()

    assert code == 0
    assert sorted(line["restart_in"] for line in deaths())[:8] == [0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 1.0, 1.0]
    assert {line["problem"] for line in deaths()} == {"exit status 3"}


_TALKING = """
import logging, os
from llm_proxy.telemetry import log
turn = os.memfd_create("turn")
for _ in range(3):
    if os.fork() == 0:
        log.setup("INFO", "json", turn=turn)
        for number in range(40):
            logging.info("long", extra={"changes": ["x" * 1000] * 30})
            logging.info("short")
        log.stop()
        os._exit(0)
for _ in range(3):
    os.wait()
"""


def test_lines_of_several_processes_stay_whole() -> None:
    """A pipe takes long lines in pieces; no other process's line comes to lie between them."""
    done = subprocess.run(
        [sys.executable, "-c", _TALKING], cwd=ROOT, stderr=subprocess.PIPE, timeout=PATIENCE, check=True
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]

    assert sorted(line["message"] for line in lines) == ["long"] * 120 + ["short"] * 120
    assert len({line["process"] for line in lines}) == 3


async def test_all_workers_have_an_edit_under_one_number(tmp_path: Path) -> None:
    """Each worker watches for itself; the number means the same content in each, and a worker that comes later starts
    with it, even if the file is broken by then."""
    async with Program(tmp_path, config(), workers=2) as program:
        first = await program.status()
        program.write_config(config(temperature=0.7))
        second = await settled(program, 2)
        program.write_config({"peer": {"m": {"colour": "red"}}})
        await until_all(program, "rejected")
        victim = second["workers"][0]["pid"]
        os.kill(victim, signal.SIGKILL)
        await program.logged("worker started")
        third = await until_all(program, "rejected")
        program.write_config(config(temperature=0.5))
        fourth = await settled(program, 3)

    assert [worker["generation"] for worker in first["workers"]] == [1, 1]
    assert {worker["hash"] for worker in second["workers"]} == {second["hash"]}
    assert {(worker["hash"], worker["generation"]) for worker in third["workers"]} == {(second["hash"], 2)}
    assert victim not in [worker["pid"] for worker in third["workers"]]
    assert first["hash"] == fourth["hash"]


async def test_the_demo_model_answers_in_every_worker(tmp_path: Path) -> None:
    """Each process serves its own demo endpoint, although it began with the state of its parent."""
    async with Program(tmp_path, {"demo": {"demo": {}}}, workers=2) as program:
        body = {"model": "demo", "messages": [{"role": "user", "content": "hi"}], "stream": False}
        answers = [await request(program.url, "POST", "/chat", body) for _ in range(20)]

    assert {answer.status for answer in answers} == {200}


async def settled(program: Program, generation: int) -> dict[str, Any]:
    """Wait until all workers have applied that generation."""
    return await until(
        program,
        lambda status: (
            [(w["generation"], w["state"]) for w in status["workers"]] == [(generation, "applied")] * 2
        ),
    )


async def until_all(program: Program, state: str) -> dict[str, Any]:
    """Wait until two workers are in that state."""
    return await until(program, lambda status: [w["state"] for w in status["workers"]] == [state] * 2)


async def until(program: Program, condition: Any) -> dict[str, Any]:
    """Ask ``/status`` until it says so."""
    async with asyncio.timeout(PATIENCE):
        while not condition(status := await program.status()):
            await asyncio.sleep(0.01)
    return status


async def test_the_status_says_mixed_while_workers_differ(tmp_path: Path) -> None:
    """A worker that hangs keeps the old state; whoever answers shows both until it wakes up."""
    async with Program(tmp_path, config(), workers=2) as program:
        asleep, awake = program.children()
        os.kill(asleep, signal.SIGSTOP)
        program.write_config(config(temperature=0.7))
        mixed = await until(program, lambda status: status["generation"] == 2)
        os.kill(asleep, signal.SIGCONT)
        after = await settled(program, 2)

    assert (mixed["state"], mixed["mixed"]) == ("mixed", True)
    assert {w["pid"]: w["generation"] for w in mixed["workers"]} == {asleep: 1, awake: 2}
    assert (after["state"], after["mixed"]) == ("applied", False)


async def test_the_parent_has_one_thread(tmp_path: Path) -> None:
    """A worker is forked from a process in which nothing else can hold a lock, also the second time."""
    async with Program(tmp_path, config(), workers=2) as program:
        before = len(os.listdir(f"/proc/{program.pid}/task"))
        os.kill(program.children()[0], signal.SIGKILL)
        await program.logged("worker started")
        after = len(os.listdir(f"/proc/{program.pid}/task"))

    assert (before, after) == (1, 1)


async def test_a_killed_worker_takes_only_its_own_connections(tmp_path: Path) -> None:
    """Streams of the other worker go on to their end; the dead one is replaced; its death is one line."""
    gate = asyncio.Event()
    first, second, done = sse(*EVENTS)
    async with (
        Peer(stream(first, gate, second, done)) as peer,
        Program(tmp_path, config(peer.url), workers=2) as program,
    ):
        clients = [Connection(program.url) for _ in range(16)]
        for client in clients:
            await client.__aenter__()
            await client.send("POST", "/chat", CHAT)
        heads = [await client.head() for client in clients]
        await peer.received(16)
        running = {w["pid"]: w["running"] for w in (await until(program, all_running(16)))["workers"]}
        victim = max(running, key=lambda pid: running[pid])
        os.kill(victim, signal.SIGKILL)
        (death,) = await program.logged("worker died")
        await program.logged("worker started")
        gate.set()
        answers = await asyncio.gather(*(c.rest(h) for c, h in zip(clients, heads, strict=True)))
        for client in clients:
            await client.close()
        replaced = await until(program, lambda status: len(status["workers"]) == 2)

    assert sum(running.values()) == 16
    assert sum(answer.complete for answer in answers) == 16 - running[victim]
    assert all(answer.text() == "one" for answer in answers if answer.complete)
    assert (death["pid"], death["problem"]) == (victim, "signal 9 (Killed)")
    assert victim not in [w["pid"] for w in replaced["workers"]]


def all_running(count: int) -> Any:
    """Whether so many requests run in all workers together (others' figures are up to a second old)."""
    return lambda status: sum(w["running"] for w in status["workers"]) == count


async def test_no_worker_outlives_the_parent(tmp_path: Path) -> None:
    """When the parent is killed its workers end at once, running streams are told, and the port is free again."""
    gate = asyncio.Event()
    first, *_ = sse(*EVENTS)
    async with (
        Peer(stream(first, gate)) as peer,
        Program(tmp_path, config(peer.url), workers=2, drain_seconds=600) as program,
        Connection(program.url) as client,
    ):
        await client.send("POST", "/chat", CHAT)
        head = await client.head()
        workers = program.children()
        program.signal(signal.SIGKILL)
        answer = await client.rest(head)
        await wait_until(lambda: not any(is_alive(pid) for pid in workers), PATIENCE)

    assert len(workers) == 2
    assert not answer.complete
    assert answer.events()[-1]["error"]["code"] == "draining"


async def test_a_stop_while_a_worker_is_restarted(tmp_path: Path) -> None:
    """A worker that is only just coming up hears of it too; the status is 0 and nobody is left."""
    async with Program(tmp_path, config(), workers=2) as program:
        os.kill(program.children()[0], signal.SIGKILL)
        await program.logged("worker started")
        workers = program.children()
        program.signal(signal.SIGTERM)
        code = await program.ended()

    assert code == 0
    assert not any(is_alive(pid) for pid in workers)


async def test_signals_to_every_process_are_one_stop(tmp_path: Path) -> None:
    """A service manager or a terminal signals the parent and each worker: that is still the first signal, and a running
    stream has its time."""
    gate = asyncio.Event()
    first, second, done = sse(*EVENTS)
    async with (
        Peer(stream(first, gate, second, done)) as peer,
        Program(tmp_path, config(peer.url), workers=2) as program,
        Connection(program.url) as client,
    ):
        await client.send("POST", "/chat", CHAT)
        head = await client.head()
        workers = program.children()
        for number in (signal.SIGINT, signal.SIGTERM):
            for pid in workers:
                os.kill(pid, number)
        program.signal(signal.SIGTERM)
        await program.logged("stopping")
        gate.set()
        answer = await client.rest(head)
        code = await program.ended()

    assert answer.complete
    assert code == 0


COMPLETION = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "up",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "one"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


async def test_a_rolling_restart_loses_nothing(tmp_path: Path) -> None:
    """Workers that are told to end one after the other are followed by others, under load, and no request fails, be it on a new connection or on a
    kept one that the server did not announce to close."""
    done = False
    failures: list[str] = []
    answered = 0

    async def fresh(url: str) -> None:
        nonlocal answered
        while not done:
            got = await request(url, "POST", "/chat", {**CHAT, "stream": False})
            answered += 1
            if got.status != 200 or not got.complete:
                failures.append(f"new connection: {got.status}")

    async def kept(url: str) -> None:
        nonlocal answered
        while not done:
            async with Connection(url) as connection:
                while not done:
                    got = await connection.request("POST", "/chat", {**CHAT, "stream": False})
                    answered += 1
                    if got.status != 200 or not got.complete:
                        failures.append(f"kept connection: {got.status}")
                    if got.headers.get("connection") == "close":
                        break

    async with (
        Peer(answer_json(COMPLETION)) as peer,
        Program(tmp_path, config(peer.url), workers=2) as program,
    ):
        before = program.children()
        clients = [asyncio.create_task(work(program.url)) for work in (fresh, fresh, kept, kept)]
        for number, pid in enumerate(before, 1):
            os.kill(pid, signal.SIGTERM)
            await program.logged("worker started", number)
            await until(program, lambda status: len(status["workers"]) == 2)
        await wait_until(lambda: answered > 200, PATIENCE)
        done = True
        await asyncio.gather(*clients)
        after = program.children()

    assert failures == []
    assert not set(before) & set(after)
