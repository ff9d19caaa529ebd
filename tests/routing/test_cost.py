"""What routing costs a request: nothing where a model has one upstream, little where it has eight. Counted in calls of functions
and in steps of the interpreter, which are the same on every machine."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.routing.kit import STREAM, WHOLE, Fleet, serves

#: Modules of routing, but for the words of one header.
_ROUTING = (
    "llm_proxy/routing/",
    "relay/attempts",
    "relay/choosing",
    "relay/first_attempt",
    "relay/view",
    "relay/trying",
    "relay/router",
    "relay/waiting",
    "base/routed",
)
#: Calls that a request with eight upstreams may make beyond those of one with a single one.
_CALLS = 40
#: Of the steps of a whole plain request, which takes 126 us (benchmarks/RESULTS.md): ten of them.
_SHARE = 10 / 126


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Calls of Python functions meanwhile, by file."""
    calls: Counter[str] = Counter()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event in ("call", "c_call"):
            calls[frame.f_code.co_filename] += 1

    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)


async def cost(fleet: Fleet, body: dict[str, Any], times: int) -> Counter[str]:
    """Of ``times`` requests."""
    for _ in range(10):
        assert (await fleet.ask(body)).status == 200
    with counted() as calls:
        for _ in range(times):
            await fleet.ask(body)
    return calls


async def test_one_upstream_costs_nothing(tmp_path: Path) -> None:
    """A model with one upstream and nothing configured: not one function of routing is called, streamed or whole."""
    async with Fleet(tmp_path, serves) as fleet:
        for body in (WHOLE, STREAM):
            calls = await cost(fleet, body, 5)

            assert sum(calls.values()) > 1000
            assert not [name for name in calls if any(part in name for part in _ROUTING)]


async def test_eight_upstreams_cost_little(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With eight upstreams a request costs ten microseconds more, whatever they are for, streamed or whole: so many function calls
    and steps of the interpreter."""
    caplog.set_level("INFO", "llm_proxy.relay.choosing")  # where it is told of each why it was chosen
    plain = 0
    for body in (WHOLE, STREAM):
        calls, steps = [], []
        for count in (1, 8):
            async with Fleet(tmp_path, *[serves] * count) as fleet:
                fleet.router.chance = _in_turn()
                for _ in range(2 * count):  # so that there is a connection to each
                    assert (await fleet.ask(body)).status == 200
                # The usual request: what is done once a second, or for bytes that come in other portions, is not in it.
                calls.append(await _usual(lambda fleet=fleet, body=body: _calls(fleet, body)))  # type: ignore[misc]
                steps.append(await _usual(lambda fleet=fleet, body=body: _steps(fleet, body)))  # type: ignore[misc]
        plain = plain or steps[0]

        assert 10 < calls[1] - calls[0] < _CALLS
        assert 100 < steps[1] - steps[0] < _SHARE * plain


async def _usual(cost: Callable[[], Awaitable[int]]) -> int:
    """The least that several of many requests cost."""
    found: Counter[int] = Counter()
    for _ in range(40):
        found[await cost()] += 1
        least = min(found)
        if found[least] > 2 and sum(found.values()) > 8:
            break
    return min(found)


async def _calls(fleet: Fleet, body: dict[str, Any]) -> int:
    """How many calls the gateway makes for one request."""
    with counted() as calls:
        await fleet.ask(body)
    return sum(count for name, count in calls.items() if _is_ours(name))


async def _steps(fleet: Fleet, body: dict[str, Any]) -> int:
    """How many steps the interpreter makes in the gateway's functions for one request."""
    steps = 0

    def step(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal steps
        if event == "opcode":
            steps += 1
        return step

    def begin(frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if not _is_ours(name) and "/tornado/" not in name:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return step

    before = sys.gettrace()
    sys.settrace(begin)
    try:
        await fleet.ask(body)
    finally:
        sys.settrace(before)
    return steps


def _is_ours(name: str) -> bool:
    """What asks, answers and looks on is not counted."""
    return (
        any(f"/{room}/" in name for room in ("llm_proxy", "handlers", "providers")) and "/tests/" not in name
    )


def _in_turn() -> Callable[[], float]:
    numbers = cycle(range(16))
    return lambda: next(numbers) / 16
