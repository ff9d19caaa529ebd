"""What is served beside the file, and how workers know of each other's findings."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from llm_proxy.live.config.shipped import SHIPPED
from llm_proxy.service.beside import Beside
from llm_proxy.service.shared_page import SharedPage
from tests.support.client import request
from tests.support.known_servers import OLLAMA, VLLM, KnownServerPeer
from tests.support.loops import wait_until
from tests.support.program import Program, is_alive

FILE = json.dumps(SHIPPED).encode()
OWN = b'{"demo": {"demo": {}}}'
ROW: dict[str, object] = {"ollama": {"m": {}}}
LOCAL: dict[str, object] = {"local": {"smollm2": {}}}


def test_what_counts_beside_which_file() -> None:
    """What was found counts beside the shipped file alone, our own model beside any, and nothing is nothing."""
    beside = Beside()
    assert beside.added(FILE) == b""
    beside.change(found=ROW, local=LOCAL)

    assert json.loads(beside.added(FILE)) == {**ROW, **LOCAL}
    assert json.loads(beside.added(OWN)) == LOCAL
    assert json.loads(beside.added(OSError())) == LOCAL


async def test_one_finds_and_the_others_follow() -> None:
    """What one process takes note of the others learn, those that start later at once; only what is new is told."""
    page = SharedPage()
    finder, follower = Beside(page), Beside(page)
    told: list[str] = []
    finder.on_change = lambda: told.append("finder")
    follower.on_change = lambda: told.append("follower")
    follower.follow()
    finder.change(found=ROW, report={"servers": []})
    await wait_until(lambda: "follower" in told)
    finder.change(found=ROW, report={"servers": [1]})
    await wait_until(lambda: follower.report == {"servers": [1]})
    follower.stop()

    assert told == ["finder", "follower"]
    assert Beside(page).added(FILE) == finder.added(FILE) == follower.added(FILE)


def test_a_page_is_whole_or_empty() -> None:
    """What was written is read, however long; a writer that died over it leaves nothing."""
    page = SharedPage()
    assert page.take() == b""
    page.put(b"x" * 100_000)
    page.put(b"short")
    assert page.take() == b"short"
    os.pwrite(page._file, b"torn!", 48)
    assert page.take() == b""


async def test_workers_serve_what_one_of_them_found(tmp_path: Path) -> None:
    """With two workers each of them serves a server that was found, as one and the same generation, and it is told once."""
    async with (
        KnownServerPeer(OLLAMA) as ollama,
        Program(tmp_path, SHIPPED, workers=2, discover=f"{ollama.port},9") as program,
    ):
        await wait_until(lambda: len(program.lines("configuration applied")) == 2, 30.0)
        applied = program.lines("configuration applied")
        await program.logged("try it")

        assert {line["cause"] for line in applied} == {"discovery"}
        assert len({line["generation"] for line in applied}) == 1
        assert len({line["process"] for line in applied}) == 2
        (found,) = program.lines("model server found")
        assert (found["provider"], found["models"]) == ("ollama", ["qwen3:8b"])
        assert program.lines("try it")[0]["model"] == "qwen3:8b"


async def test_people_read_plain_lines(tmp_path: Path) -> None:
    """In the log's form for people the table is lines as they are, without a time, with the real port in the line to copy."""
    async with KnownServerPeer(OLLAMA) as ollama:
        ports = f"{ollama.port},9"
        async with Program(tmp_path, SHIPPED, expect="plain", log_format="text", discover=ports) as program:
            await wait_until(lambda: any(line.startswith("Keep it:") for line in program.plain()), 30.0)
            lines = program.plain()
    place = next(line for line in lines if " listening " in line).partition("url=")[2].split()[0]

    assert f"  curl -N {place}/chat -H 'Content-Type: application/json' \\" in lines
    assert f"  found  Ollama  127.0.0.1:{ollama.port}  1 model: qwen3:8b" in lines
    assert "Try it (qwen3:8b):" in lines


@pytest.mark.timeout(seconds=120)
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_new_version_serves_what_the_old_one_has_found(workers: int, tmp_path: Path) -> None:
    """A program that takes another's place knows a server that was found from its first request on: none is refused."""
    async with (
        KnownServerPeer(VLLM) as vllm,
        Program(tmp_path, SHIPPED, workers=workers, discover=f"{vllm.port},9") as program,
    ):
        await program.logged("configuration applied", workers)
        body = {"model": "tiny", "stream": False, "messages": [{"role": "user", "content": "hi"}]}
        statuses = []

        async def ask() -> None:
            while is_alive(program.pid):
                try:
                    statuses.append((await request(program.url, "POST", "/chat", body)).status)
                except OSError:
                    statuses.append(0)

        asking = asyncio.create_task(ask())
        await wait_until(lambda: len(statuses) > 5, 30.0)
        os.kill(program.pid, signal.SIGUSR2)
        await wait_until(lambda: not is_alive(program.pid), 60.0)
        await asking

    assert set(statuses) == {200}
