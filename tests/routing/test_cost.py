"""What routing costs a request: nothing where a model has one upstream, little where it has eight. Counted in calls of functions
and in steps of the interpreter, which are the same on every machine."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.handlers.kit import EVENTS
from tests.routing.kit import STREAM, WHOLE, Fleet, serves
from tests.support.counting import STEP, is_ours, steps, usual
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Script
from tests.support.scripts import SSE, head, sse

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
#: And microseconds.
_MOST = 10
#: And steps for a stream, which has a first token to be waited for and timed.
_STREAM = 800
#: Of how many requests the cheapest is the usual one: for some time each of them may leave its trace in a histogram.
_MANY = 40


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


@pytest.mark.one_python("what is counted are the steps of one Python's interpreter")
async def test_eight_upstreams_cost_little(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With eight upstreams a request costs about ten microseconds more, whatever they are for, streamed (in one piece, or each event
    on its own) or whole: so many function calls and steps of the interpreter."""
    caplog.set_level("INFO", "llm_proxy.relay.choosing")  # where it is told of each why it was chosen
    fleets: list[Fleet] = []
    for body, script, most in (
        (WHOLE, serves, _MOST / STEP),
        (STREAM, serves, _STREAM),
        (STREAM, _apart(fleets), _STREAM),
    ):
        calls, made = [], []
        for count in (1, 8):
            async with Fleet(tmp_path, *[script] * count) as fleet:
                fleets[:] = [fleet]
                fleet.router.chance = _in_turn()
                for _ in range(2 * count):  # so that there is a connection to each
                    assert (await fleet.ask(body)).status == 200
                # The usual request: what is done once a second, or for bytes that come in other portions, is not in it.
                calls.append(await usual(lambda fleet=fleet, body=body: _calls(fleet, body), _MANY))  # type: ignore[misc]
                made.append(await usual(lambda fleet=fleet, body=body: steps(lambda: fleet.ask(body)), _MANY))  # type: ignore[misc]

        assert 10 < calls[1] - calls[0] < _CALLS
        assert 100 < made[1] - made[0] < most


def _apart(fleets: list[Fleet]) -> Script:
    """A stream of which each event is relayed before the next is sent."""

    async def script(exchange: Exchange) -> None:
        (handler,) = fleets[0].proxy.service.gateway.running
        mine, size = handler.exchange, 0  # type: ignore[attr-defined]
        await exchange.send(head(200, {"Content-Type": SSE, "Transfer-Encoding": "chunked"}))
        for piece in (b"", *sse(*EVENTS)):
            if piece:
                await exchange.chunk(piece)
            size += len(piece)
            await wait_until(lambda size=size: mine.head and mine.received == size and mine._asleep)  # type: ignore[misc]
        await exchange.chunk(b"")

    return script


async def _calls(fleet: Fleet, body: dict[str, Any]) -> int:
    """How many calls the gateway makes for one request."""
    with counted() as calls:
        await fleet.ask(body)
    return sum(count for name, count in calls.items() if is_ours(name))


def _in_turn() -> Callable[[], float]:
    numbers = cycle(range(16))
    return lambda: next(numbers) / 16
