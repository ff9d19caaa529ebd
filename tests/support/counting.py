"""What a request costs, counted in calls of functions and in steps of the interpreter: the same on every machine.

``steps`` counts what the gateway's own modules and Tornado's do; what asks, answers and looks on is not counted.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

#: Microseconds for a step, of the machine of benchmarks/RESULTS.md: a plain request makes 7,400 in 126.
STEP = 126 / 7400


def is_ours(name: str) -> bool:
    """Whether a file is one of the gateway's."""
    return (
        any(f"/{room}/" in name for room in ("llm_proxy", "handlers", "providers")) and "/tests/" not in name
    )


async def steps(work: Callable[[], Awaitable[Any]]) -> int:
    """How many steps the interpreter makes meanwhile."""
    found = 0

    def step(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal found
        if event == "opcode":
            found += 1
        return step

    def begin(frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if not is_ours(name) and "/tornado/" not in name:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return step

    before = sys.gettrace()
    sys.settrace(begin)
    try:
        await work()
    finally:
        sys.settrace(before)
    return found


async def usual(cost: Callable[[], Awaitable[int]], least: int = 7) -> int:
    """The least that many requests cost, ``least`` of them or more: what is done once a second, or for bytes that come in other
    portions, is not in it."""
    found: Counter[int] = Counter()
    for _ in range(max(20, least)):
        found[await cost()] += 1
        if found[min(found)] > 2 and found.total() >= least:
            break
    return min(found)
