"""Workers that hang, and those that only seem to."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from llm_proxy.service.liveness import HUNG, Liveness
from tests.llm_proxy.service.test_workers import config
from tests.support.loops import wait_until
from tests.support.program import Program, is_alive


def test_silence_is_found() -> None:
    """Ten seconds without a beat, however often one looks."""
    for step in (0.02, 1.0):
        liveness, now = Liveness(), 50.0
        while not liveness.look(now, 7.0):
            now += step
        assert HUNG <= now - 50.0 < HUNG + 2 * step


def test_a_beat_makes_up_for_everything() -> None:
    """A worker that beats just in time is never judged; nor is one that is not up yet."""
    liveness = Liveness()
    assert not any(liveness.look(now, float(now // 9)) for now in range(100))
    assert not any(Liveness().look(now, None) for now in range(100))


def test_a_leap_of_the_clock_is_one_step() -> None:
    """After an hour of suspension a healthy worker has all the time that it needs to beat again."""
    liveness = Liveness()
    for now in (0.0, 1.0, 2.0, 3602.0, 3603.0, 3604.0):
        assert not liveness.look(now, 7.0)
    assert not liveness.look(3605.0, 8.0)
    assert not any(liveness.look(3605.0 + second, 8.0) for second in range(9))


async def test_a_worker_that_hangs_is_replaced(tmp_path: Path) -> None:
    """It is told in the log and killed, and another one serves in its place; the one beside it is left alone."""
    async with Program(tmp_path, config(), workers=2) as program:
        stopped, other = [worker["pid"] for worker in (await program.status())["workers"]]
        os.kill(stopped, signal.SIGSTOP)
        try:
            (line,) = await program.logged("worker hangs and is killed")
        finally:
            if is_alive(stopped):
                os.kill(stopped, signal.SIGCONT)
        await wait_until(lambda: not is_alive(stopped), 10)
        await program.logged("worker started")

    assert line["pid"] == stopped
    assert line["silent"] >= HUNG
    assert other not in {found["pid"] for found in program.lines("worker died")}


async def test_a_service_that_was_frozen_goes_on(tmp_path: Path) -> None:
    """All of its processes are stopped for longer than the parent waits at once: none of them ends, none is replaced, and
    signals still mean what they mean."""
    async with Program(tmp_path, config(), workers=2) as program:
        before = program.children()
        os.killpg(program.pid, signal.SIGSTOP)
        await asyncio.sleep(1.5)  # time is what this is about
        os.killpg(program.pid, signal.SIGCONT)
        assert (await program.status())["draining"] is False
        after = program.children()
        program.signal(signal.SIGTERM)
        code = await program.ended()

    assert (before, code) == (after, 0)
    assert not [line for line in program.lines() if line["level"] == "ERROR"]
