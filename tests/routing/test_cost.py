"""What routing costs a request: nothing where a model has one upstream, little where it has eight. Counted in calls of functions,
which are the same on every machine."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from tests.routing.kit import STREAM, WHOLE, Fleet, serves

#: Modules of routing, but for the words of one header.
_ROUTING = (
    "llm_proxy/routing/",
    "relay/attempts",
    "relay/choosing",
    "relay/trying",
    "relay/router",
    "relay/waiting",
    "base/routed",
)
#: Function calls that routing may make for a request with eight upstreams: some ten microseconds.
_MOST = 220


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


async def test_eight_upstreams_cost_little(tmp_path: Path) -> None:
    """With eight upstreams routing makes so many function calls for a request."""
    async with Fleet(tmp_path, *[serves] * 8) as fleet:
        calls = await cost(fleet, WHOLE, 20)

    made = sum(count for name, count in calls.items() if any(part in name for part in _ROUTING)) / 20
    assert 20 < made < _MOST
