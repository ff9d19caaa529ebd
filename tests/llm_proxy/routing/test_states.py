"""What a process knows of upstreams, in any order of events."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_proxy.errors import RateLimited, UpstreamAuth, UpstreamError, UpstreamUnreachable
from llm_proxy.routing.outcomes import SERVED, judge
from llm_proxy.routing.pick import Choice, Nobody, Wait, pick
from llm_proxy.routing.signals import Signal
from llm_proxy.routing.standing import seen, standing
from llm_proxy.routing.states import Running, States
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.policies import DeploymentLimits, ModelPolicy

ENDS = [
    SERVED,
    judge(UpstreamError("m", kind="5xx")),
    judge(UpstreamUnreachable("m")),
    judge(RateLimited("m")),
    judge(UpstreamAuth("m")),
    judge(UpstreamError("m", status=503, kind="5xx")),
]
POOL = [
    Deployment("a", "m", "openai", "http://a.test/v1", "m", max_concurrent=2),
    Deployment("b", "m", "openai", "http://b.test/v1", "m", order=1, weight=0.5),
    Deployment("c", "m", "openai", "http://a.test/v1", "n", limits=DeploymentLimits(rpm=30, tpm=1000)),
]


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(st.sampled_from(["ask", "token", "end", "leave"]), st.integers(0, 99), st.floats(0, 20)),
        max_size=120,
    )
)
def test_whatever_happens_everything_is_let_go(steps: list[tuple[str, int, float]]) -> None:
    """Counts are what is in flight, never negative and never above a limit; whoever is chosen can take it."""
    states, chance, now = States(), random.Random(3), 100.0
    flying: list[Running] = []
    for what, number, pause in steps:
        now += pause
        if what == "ask":
            found = pick(POOL, states, now=now, chance=chance.random, last_resort=number % 2 == 0)
            if not isinstance(found, Choice):
                assert isinstance(found, Wait | Nobody)
                assert len(found.skipped) == 3
                continue
            assert found.ejected or standing(found.deployment, found.state, now).state == "ok"
            running = states.begin(found.deployment, now, tokens=number, probe=found.probe)
            assert running is not None
            flying.append(running)
        elif flying:
            one = flying[number % len(flying)]
            if what == "token":
                one.first_token(now)
                continue
            flying.remove(one)
            for _ in range(2):  # the second time changes nothing
                if what == "end":
                    one.ended(now, ENDS[number % len(ENDS)], prompt_tokens=number, output_tokens=5)
                else:
                    one.left(now)
        for row in POOL:
            state = states.of(row, now)
            assert state.in_flight == sum(one.state is state for one in flying)
            assert row.max_concurrent is None or state.in_flight <= row.max_concurrent
    for one in flying:
        one.left(now)

    assert [states.of(row, now).in_flight for row in POOL] == [0, 0, 0]
    now += 4000.0
    assert isinstance(pick(POOL, states, now=now, chance=chance.random), Choice)


def test_an_edit_changes_nothing() -> None:
    """Prompts, weights, names, tiers: the sick upstream stays out. A new key makes it another one."""
    states = States()
    sick = POOL[1]
    for _ in range(5):
        running = states.begin(sick, 100.0)
        assert running is not None
        running.ended(100.0, ENDS[1])

    edited = replace(sick, provider="other", name="x", weight=9.0, order=0, prompt="p", options={"t": 1})
    assert standing(edited, states.known(edited, 100.0), 100.0).state == "ejected"
    assert states.known(replace(sick, api_host="http://b2.test/v1"), 100.0) is None


def test_what_is_known_is_bounded() -> None:
    """Clients choose names where a pattern serves them: the longest unused are forgotten, the sick and busy last."""
    states = States(most=40)
    sick, busy = POOL[0], POOL[1]
    for _ in range(5):
        one = states.begin(sick, 1.0)
        assert one is not None
        one.ended(1.0, ENDS[1])
    held = states.begin(busy, 1.0)
    assert held is not None
    for number in range(500):
        one = states.begin(replace(POOL[2], model=f"n{number}", limits=None), 2.0 + number)
        assert one is not None
        one.ended(2.0 + number)
        states.model(f"n{number}", 1.0)

    assert len(states) <= 40
    assert states.known(sick, 600.0) is not None
    assert states.known(busy, 600.0) is held.state
    for number in range(3000):
        states.model(str(number), 1.0)
    assert len(states._models) <= 1024


def test_a_hundred_refusals_at_once_are_one_nap() -> None:
    """Without a word on how long, it sleeps for a second, then for two; not longer because many were in flight."""
    states, row = States(), POOL[1]
    flying = [states.begin(row, 10.0) for _ in range(100)]
    for one in flying:
        assert one is not None
        one.ended(10.5, ENDS[3])
    state = states.of(row, 10.5)
    assert state.asleep_until == 11.5

    later = states.begin(row, 12.0)
    assert later is not None
    later.ended(12.0, ENDS[3])
    assert state.asleep_until == 14.0


def test_what_was_measured_is_told() -> None:
    """Percentiles of the first token, speed, share of cached tokens; None where nothing is known."""
    states, row = States(), POOL[1]
    assert seen(row, states.known(row, 1.0), 1.0)[1:] == (0, None, None, None, None, None, None)
    for number in range(20):
        one = states.begin(row, 10.0)
        assert one is not None
        one.first_token(10.0 + number / 10)
        one.ended(20.0 + number / 10, prompt_tokens=100, cached_tokens=75, output_tokens=50)
    silent = states.begin(row, 10.0)  # an upstream that does not tell says nothing of its cache
    assert silent is not None
    silent.ended(10.0, prompt_tokens=100)
    states.of(row, 20.0).polled(20.0, Signal(3))

    told = seen(row, states.known(row, 22.0), 22.0)

    assert told.first_token_p50 == pytest.approx(1.0)
    assert told.first_token_p95 == pytest.approx(1.9)
    assert told.tokens_per_second == pytest.approx(5.0)
    assert told.cache_hits == pytest.approx(0.75)
    assert (told.waiting, told.polled) == (3, 2.0)
    assert seen(row, states.known(row, 30.0), 30.0).waiting is None


def test_waiting_there_counts_while_it_is_fresh() -> None:
    """A poll that is older than five seconds is ignored."""
    states = States()
    rows: Any = [replace(POOL[1], provider=str(n), api_host=f"http://{n}.test", order=0) for n in range(2)]
    states.of(rows[0], 10.0).polled(10.0, Signal(8))

    def chosen(now: float) -> set[str]:
        chance = random.Random(1)
        found = [pick(rows, states, now=now, chance=chance.random, policy=ModelPolicy()) for _ in range(40)]
        return {one.deployment.provider for one in found if isinstance(one, Choice)}

    assert chosen(11.0) == {"1"}
    assert chosen(16.0) == {"0", "1"}


def test_models_that_wait_are_not_forgotten() -> None:
    """Their queue is theirs, however many other names are asked for."""
    from llm_proxy.routing.queueing import Ticket

    states = States()
    mine = states.model("mine", 0.0)
    mine.queue.enter(Ticket("k", "default", 0.0, 30.0), 5)
    for number in range(5000):
        states.model(str(number), 1.0)

    assert states.model("mine", 2.0) is mine


def test_a_cold_model_is_avoided_and_a_restart_forgets() -> None:
    """An Ollama that has the model loaded comes first; counters that go backwards tell of an empty cache."""
    states = States()
    state = states.of(POOL[1], 1.0)
    state.polled(1.0, Signal(warm=False, counter=50.0))
    assert state.load(2.0) == 2.0
    tag = state.tag
    state.polled(2.0, Signal(warm=True, counter=60.0))
    assert (state.load(2.0), state.tag) == (0.0, tag)
    state.polled(3.0, Signal(counter=5.0))
    assert state.tag != tag
