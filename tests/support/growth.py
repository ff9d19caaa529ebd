"""How the cost of something grows with what it is given: the law of docs/failures.md is twice as much for at most 2.5 times.

Measured in CPU time of the thread, so that other programs count little, as the least of a few runs, and over two doublings:
what grows with the square takes sixteen times as much then, what the law allows 6.25 times.
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
_TRIES = 4


def growth(make: Callable[[int], T], work: Callable[[T], object], size: int) -> float:
    """By what factor ``work(make(n))`` grows from ``size`` to four times as much; 0 if it costs next to nothing."""
    best = float("inf")
    for _ in range(_TRIES):
        large = _cost(make, work, size << DOUBLINGS)
        if large < _NOTHING:
            return 0.0
        best = min(best, large / max(_cost(make, work, size), 1e-6))
        if best <= ALLOWED:
            break
    return best


def _cost(make: Callable[[int], T], work: Callable[[T], object], size: int) -> float:
    least = float("inf")
    for _ in range(2):
        value = make(size)
        gc.collect()
        gc.disable()
        try:
            began = time.thread_time()
            work(value)
            least = min(least, time.thread_time() - began)
        finally:
            gc.enable()
    return least
