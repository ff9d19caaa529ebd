"""A thread of one's own."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading

import pytest

from llm_proxy.live.background_thread import BackgroundThread, yielding_gil
from tests.support.loops import wait_until


async def test_jobs_run_in_order_in_one_thread() -> None:
    """Each future has its job's result."""
    worker = BackgroundThread("mine")
    futures = [
        worker.run(lambda number: (number, threading.current_thread().name), number) for number in range(3)
    ]
    found = await asyncio.gather(*futures)
    worker.close()

    assert found == [(0, "mine"), (1, "mine"), (2, "mine")]


async def test_an_exception_reaches_who_waits() -> None:
    """And the thread goes on."""
    worker = BackgroundThread("mine")
    with pytest.raises(ZeroDivisionError):
        await worker.run(lambda: 1 // 0)

    assert await worker.run(lambda: 1) == 1
    worker.close()


async def test_nobody_waits_any_more() -> None:
    """The result of a cancelled future is dropped, a good one and a bad one."""
    worker, go_on = BackgroundThread("mine"), threading.Event()
    for job in (go_on.wait, lambda: go_on.wait() and 1 // 0):
        worker.run(job, *((10,) if job is go_on.wait else ())).cancel()
    go_on.set()

    assert await worker.run(lambda: 1) == 1
    worker.close()


def test_the_loop_is_gone() -> None:
    """A job that ends after its loop disturbs nobody, and the thread ends when it is told to."""
    worker, go_on = BackgroundThread("late"), threading.Event()

    async def begin() -> None:
        worker.run(go_on.wait, 10)

    asyncio.run(begin())
    go_on.set()
    worker.close()
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "late"]
    thread.join(10)

    assert not thread.is_alive()


async def test_it_is_a_daemon_and_begins_late() -> None:
    """A process may fork before the first job, and ends in spite of a job that hangs."""
    worker = BackgroundThread("idle")
    assert not [thread for thread in threading.enumerate() if thread.name == "idle"]
    assert await worker.run(lambda: threading.current_thread().daemon)
    worker.close()
    await wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name == "idle"])


async def test_what_is_offered_is_not_piled_up() -> None:
    """While one such job runs, further ones are left out."""
    worker, go_on, done = BackgroundThread("mine"), threading.Event(), []

    def job(number: int) -> None:
        go_on.wait(10)
        done.append(number)

    for number in range(3):
        worker.offer(job, number)
    go_on.set()
    await worker.run(lambda: None)
    worker.offer(job, 3)
    await worker.run(lambda: None)
    worker.close()

    assert done == [0, 3]


def test_considerate() -> None:
    """The interpreter changes hands sooner, full collections wait, and afterwards all is as it was."""
    before = sys.getswitchinterval(), gc.get_threshold()
    inside = []

    def fails() -> None:
        with yielding_gil():
            inside.append((sys.getswitchinterval(), gc.get_threshold()))
            raise KeyError

    with pytest.raises(KeyError):
        fails()

    assert (sys.getswitchinterval(), gc.get_threshold()) == before
    ((turn, thresholds),) = inside
    assert turn < before[0]
    assert thresholds[0] == before[1][0]
    assert thresholds[1] < before[1][1]
    assert thresholds[2] > 1000 * before[1][2]
