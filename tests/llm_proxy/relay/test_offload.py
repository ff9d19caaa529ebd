"""Work beside the event loop: order, bounds, and those who leave."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from llm_proxy.errors import ClientGone, Overloaded
from llm_proxy.relay.offload import HEAVY, Offload
from tests.support.loops import wait_until


class Owner:
    """A connection."""


@pytest.fixture
def offload() -> Iterator[Offload]:
    made = Offload(threads=2, waiting=4)
    yield made
    made.close()


async def test_a_small_body_overtakes_large_ones(offload: Offload) -> None:
    """Four large bodies of others wait or are worked on: a small one is read at once, on the thread that they leave free."""
    go_on = threading.Event()
    large = [offload.run(Owner(), HEAVY, go_on.wait, 10) for _ in range(4)]

    assert await offload.run(Owner(), 1000, lambda: "small") == "small"
    assert offload.running == 1
    go_on.set()
    assert await asyncio.gather(*large) == [True] * 4


async def test_who_asks_for_more_waits_longer() -> None:
    """One connection's second body comes after another's first, although it was there before it."""
    offload = Offload(threads=1)  # so that the order of the turns is that of the work
    go_on, order, one, other = threading.Event(), list[str](), Owner(), Owner()
    busy = offload.run(Owner(), 1, go_on.wait, 10)
    jobs = [
        offload.run(one, 1000, order.append, "one"),
        offload.run(one, 1000, order.append, "one again"),
        offload.run(other, 1000, order.append, "other"),
    ]
    go_on.set()
    await asyncio.gather(busy, *jobs)
    offload.close()

    assert order == ["one", "other", "one again"]


async def test_a_large_body_is_not_overtaken_for_ever() -> None:
    """Bytes of small ones that came later count: once they are as many, the large one is next."""
    offload = Offload(threads=1, waiting=1000)
    go_on, order = threading.Event(), list[int]()
    offload.run(Owner(), 1, go_on.wait, 10)
    large = offload.run(Owner(), 10_000, order.append, 0)
    owner = Owner()
    small = [offload.run(owner, 1000, order.append, number) for number in range(1, 30)]
    go_on.set()
    await asyncio.gather(large, *small)
    offload.close()

    assert 5 < order.index(0) < 15


async def test_more_than_may_wait(offload: Offload) -> None:
    """The next one is refused with a time to come back; an answer never is; those that were given up make room."""
    go_on = threading.Event()
    busy = [offload.run(Owner(), 1, go_on.wait, 10) for _ in range(2)]
    waiting = [offload.run(Owner(), 1, lambda: 1) for _ in range(4)]
    with pytest.raises(Overloaded) as refused:
        offload.run(Owner(), 1, lambda: 1)
    answer = offload.run(Owner(), 1, lambda: 2, paid=True)
    for job in waiting:
        job.set_exception(ClientGone("gone"))
        job.exception()
    later = offload.run(Owner(), 1, lambda: 3)
    go_on.set()

    assert (refused.value.status, refused.value.retry_after) == (503, "1")
    assert await asyncio.gather(answer, later, *busy) == [2, 3, True, True]


async def test_who_leaves_while_waiting_costs_nothing(offload: Offload) -> None:
    """A job whose client has left before it began is never done; one that has begun disturbs nobody."""
    go_on, done = threading.Event(), list[int]()
    busy = [offload.run(Owner(), 1, go_on.wait, 10) for _ in range(2)]
    for job in (busy[0], offload.run(Owner(), 1, done.append, 1)):
        job.set_exception(ClientGone("gone"))
        job.exception()
    go_on.set()
    await wait_until(lambda: not offload.running)

    assert await offload.run(Owner(), 1, lambda: "next") == "next"
    assert done == []


async def test_what_fails_is_raised_where_it_is_awaited(offload: Offload) -> None:
    """And the thread goes on."""
    with pytest.raises(ZeroDivisionError):
        await offload.run(Owner(), 1, lambda: 1 // 0)

    assert await offload.run(Owner(), 1, lambda: 1) == 1
