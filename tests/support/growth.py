"""How the cost of something grows with what it is given: the law of docs/failures.md is twice as much for at most 2.5 times.

Measured in CPU time of the thread, so that other programs count little, over two doublings: what grows with the square takes
sixteen times as much then, what the law allows 6.25 times. Both sizes are measured in turns, so that a machine that is slow for
a while is slow for both, and the least of each counts: other work can only add. What it adds to the large one can only make a
test turn once more; what it adds to the small one could let a bad one pass, so the small one, which is cheap, is measured twice.
A test that holds needs one turn; one that does not is tried again, and then with more to do, before it is believed: what a busy
machine adds counts less there, and what grows with the square counts more.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DOUBLINGS = 2
ALLOWED = 2.5**DOUBLINGS
#: Less than this is not measured well, and hurts nobody, in seconds.
_NOTHING = 0.010
#: After so many turns it is believed.
_TURNS = 12
#: With how many times as much it is tried at last.
_MORE = 3


def growth(
    make: Callable[[int], T], work: Callable[[T], object], size: int, *, bounded: bool = False
) -> float:
    """By what factor ``work(make(n))`` grows from ``size`` to four times as much; 0 if it costs next to nothing. ``bounded``:
    more is refused."""
    factor = _factor(make, work, size)
    return factor if bounded or factor <= ALLOWED else _factor(make, work, size * _MORE)


def _factor(make: Callable[[int], T], work: Callable[[T], object], size: int) -> float:
    small = large = float("inf")
    factor = 0.0
    for _ in range(_TURNS):
        large = min(large, cost(make, work, size << DOUBLINGS))
        if large < _NOTHING:
            return 0.0
        small = min(small, cost(make, work, size), cost(make, work, size))
        factor = large / max(small, 1e-6)
        if factor <= ALLOWED:
            break
    return factor


def cost(make: Callable[[int], T], work: Callable[[T], object], size: int) -> float:
    """The CPU seconds of ``work(make(size))``, without the collector of garbage."""
    value = make(size)
    gc.disable()
    try:
        began = time.thread_time()
        work(value)
        return time.thread_time() - began
    finally:
        gc.enable()
