"""What was freed is given back, and what is there is not looked through again and again."""

from __future__ import annotations

import gc

from llm_proxy.live.background_thread import yielding_gil
from llm_proxy.service.heap import Heap
from tests.support.loops import wait_until


async def test_no_full_pass_while_much_is_there() -> None:
    """From the flood to a moment after the ebb, whatever threads do meanwhile, the garbage collector makes no full pass; then all
    is as it was."""
    before, heap = gc.get_threshold(), Heap()
    heap.flood()
    heap.flood()
    with yielding_gil():
        pass
    heap.give_back()
    during = gc.get_threshold()
    heap.ebb()
    await wait_until(lambda: gc.get_threshold() == before)
    heap.flood()
    heap.close()

    assert during[0] == before[0]
    assert during[2] > 1000 * before[2]
    assert gc.get_threshold() == before
