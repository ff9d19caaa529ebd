"""Questions of one worker to the others: answered by those that are there, in time, whatever their size."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llm_proxy.service.worker_messages import Mailboxes, WorkerMessages
from tests.support.logs import expect_log


@contextmanager
def workers(count: int, up: set[int] | None = None) -> Iterator[list[WorkerMessages]]:
    """So many of them, in one loop; those that are not ``up`` have not begun."""
    boxes = Mailboxes(count)
    there = set(range(count)) if up is None else up
    found = [WorkerMessages(boxes, row, lambda row: row in there) for row in range(count)]
    for row in there:
        found[row].start()
    try:
        yield found
    finally:
        for row in there:
            found[row].stop()
        boxes.close()


async def test_the_others_answer() -> None:
    """At once or later; one that has no answer, or fails, is left out."""
    with workers(4) as (one, two, three, four):
        two.answers["add"] = lambda given: given + 1

        async def later(given: int) -> int:
            await asyncio.sleep(0)
            return given + 2

        def fails(given: int) -> int:
            raise RuntimeError("no")

        three.answers["add"] = later
        four.answers["add"] = fails
        with expect_log("llm_proxy.service.worker_messages", "could not be answered"):
            assert sorted(await one.ask("add", 5, 5.0)) == [6, 7]
        assert await one.ask("nothing", None, 5.0) == []
        four.answers["add"] = lambda given: None
        assert len(await one.ask("add", 5, 5.0)) == 3


async def test_who_is_not_there_is_not_waited_for() -> None:
    """Nor one that is silent for longer than was said; its answer is nobody's then."""
    with workers(3, {0, 1}) as (one, two, _):
        never = asyncio.Event()

        async def silent(_: Any) -> None:
            await never.wait()

        two.answers["x"] = silent
        assert await one.ask("x", None, 0.01) == []
        never.set()
        two.answers["x"] = lambda _: "now"
        assert await one.ask("x", None, 5.0) == ["now"]
    with workers(1) as (alone,):
        assert await alone.ask("x", None, 5.0) == []


async def test_large_answers_and_many_of_them() -> None:
    """Beyond what a datagram holds, and more than a queue does."""
    with workers(3) as found:
        for worker in found:
            worker.answers["big"] = lambda size: "x" * size
        sizes = await asyncio.gather(*(found[n % 3].ask("big", 1000 * n, 20.0) for n in range(120)))

    assert [[len(text) for text in texts] for texts in sizes] == [[1000 * n] * 2 for n in range(120)]


async def test_a_successor_begins_with_an_empty_box() -> None:
    """What was asked of a worker that died is not answered by the next one."""
    boxes = Mailboxes(2)
    asked: list[Any] = []
    one = WorkerMessages(boxes, 0, lambda row: True)
    one.start()
    assert await one.ask("x", "old", 0.01) == []
    two = WorkerMessages(boxes, 1, lambda row: True)

    def answer(given: Any) -> str:
        asked.append(given)
        return "new"

    two.answers["x"] = answer
    two.start()
    assert await one.ask("x", "new", 5.0) == ["new"]
    one.stop()
    two.stop()
    boxes.close()

    assert asked == ["new"]
