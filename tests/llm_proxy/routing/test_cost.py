"""What routing costs, counted in calls of functions: time is measured elsewhere."""

from __future__ import annotations

import random
import sys
from typing import Any

from llm_proxy.routing.pick import Choice, pick
from llm_proxy.routing.states import States
from llm_proxy.wire.calls import Deployment


def calls(upstreams: int) -> float:
    """Python functions that one request calls, in the mean."""
    rows = [Deployment(f"p{n}", "m", "openai", f"http://h{n}.test/v1", "m") for n in range(upstreams)]
    states, chance = States(), random.Random(1).random
    count = 0

    def counted(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    def request(now: float) -> None:
        found = pick(rows, states, now=now, chance=chance)
        assert isinstance(found, Choice)
        running = states.begin(found.deployment, now, probe=found.probe)
        assert running is not None
        running.first_token(now + 0.01)
        running.ended(now + 0.02, prompt_tokens=10, output_tokens=3)

    for warm in range(200):
        request(warm / 100)
    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        for turn in range(100):
            request(10 + turn / 100)
    finally:
        sys.setprofile(before)
    return count / 100


def test_eight_upstreams_cost_little() -> None:
    """Some fifty calls for a request; three more for each further upstream."""
    eight, more = calls(8), calls(64)

    assert eight < 70
    assert (more - eight) / 56 < 4
