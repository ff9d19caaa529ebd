"""An event loop of a test's own that fails on what it leaves behind, and waiting without sleeping blindly."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tornado.ioloop import IOLoop

T = TypeVar("T")

#: How long tasks that are about to end (a closing connection's) may take before they count as leaked.
GRACE = 2.0


@contextmanager
def own_loop() -> Iterator[IOLoop]:
    """A new current loop. Afterwards: every task has ended, and nothing raised where nobody looked."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    unhandled: list[str] = []
    loop.set_exception_handler(lambda _, context: unhandled.append(_describe(context)))
    io_loop = IOLoop.current()
    yield io_loop
    leaked = loop.run_until_complete(_leftovers())
    loop.run_until_complete(loop.shutdown_asyncgens())
    io_loop.close()
    asyncio.set_event_loop(None)
    gc.collect()  # an exception that nobody fetched is reported when its task is collected
    gc.freeze()  # what is still there is a module's, and would be looked at again after each test: a third of the run

    assert not leaked, "tasks were left running:\n" + "\n".join(leaked)
    assert not unhandled, "raised in the background:\n" + "\n".join(unhandled)


async def _leftovers() -> list[str]:
    """Wait a moment for tasks that are ending; cancel the others and say which they were."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    if not tasks:
        return []
    _, running = await asyncio.wait(tasks, timeout=GRACE)
    found = [repr(task) for task in running]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    return found


def _describe(context: dict[str, Any]) -> str:
    return ", ".join(f"{key}: {value!r}" for key, value in context.items() if key != "source_traceback")


async def wait_until(condition: Callable[[], T], deadline: float = 5.0) -> T:
    """Wait until ``condition()`` is true and return its value; fails after ``deadline`` seconds."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        if time.monotonic() > end:
            code = condition.__code__ if hasattr(condition, "__code__") else None
            where = f"{code.co_filename}:{code.co_firstlineno}" if code else repr(condition)
            raise AssertionError(f"not true within {deadline} s: {where}")
        await asyncio.sleep(0.005)
    return value


async def still(value: Callable[[], T], turns: int = 30) -> T:
    """Wait until ``value()`` has not changed for so many turns of the loop, and return it. A machine that is busy takes longer for
    them, as it does for whatever else the loop has to do."""
    last, same = value(), 0
    while same < turns:
        await asyncio.sleep(0.002)  # threads and other processes have their turn too
        now = value()
        same = same + 1 if now == last else 0
        last = now
    return last
