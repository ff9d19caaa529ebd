"""The usual choice, made at once, is the choice that ``pick`` would make."""

from __future__ import annotations

import random
import sys
from collections import Counter
from itertools import chain

import pytest

from llm_proxy.errors import UpstreamError
from llm_proxy.routing.affinity import Prompt
from llm_proxy.routing.outcomes import judge
from llm_proxy.routing.pick import Choice, pick
from llm_proxy.routing.pool import kept, pool_of, usual
from llm_proxy.routing.states import Running, States
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.policies import DeploymentLimits, ModelPolicy


def rows(*weights: float, **more: object) -> list[Deployment]:
    """Upstreams of those weights."""
    return [
        Deployment(f"p{at}", "m", "vllm", f"http://p{at}.test/v1", "up", weight=weight, **more)  # type: ignore[arg-type]
        for at, weight in enumerate(weights)
    ]


@pytest.mark.parametrize("policy", ["balanced", "weighted"])
@pytest.mark.parametrize("weights", [(1,), (1, 1), (1,) * 8, (2, 1, 1, 5), (0, 1, 1)])
def test_it_is_the_same_choice(weights: tuple[float, ...], policy: str) -> None:
    """Requests come and go at upstreams of different speed: with the same chances both choose the same, every time."""
    states, fates = States(), random.Random(3)
    given = rows(*weights)
    how = ModelPolicy(policy=policy)  # type: ignore[arg-type]
    running = []
    for step in range(300):
        now = 100.0 + step / 10
        chances = [fates.random(), fates.random()]
        pool = pool_of(given, states, now, how)
        assert pool is not None
        at_once = usual(pool, now, iter(chances).__next__)
        thought = pick(given, states, now=now, chance=iter(chances).__next__, policy=how)

        assert isinstance(thought, Choice)
        assert at_once is not None
        assert at_once[0] is thought.deployment
        running.append(Running(at_once[1], at_once[0], now))
        if len(running) > 6:
            one = running.pop(fates.randrange(len(running)))
            one.first_token(now + int(one.state.key, 16) % 7 / 10)
            one.served(now + 1.0, {})


@pytest.mark.parametrize("weights", [(1, 1), (1,) * 8, (2, 1, 1, 5)])
def test_a_conversation_goes_where_its_beginning_lies(weights: tuple[float, ...]) -> None:
    """The same for those that are to be kept together: some begin, some go on, upstreams become too busy, one restarts."""
    states, fates, given, policy = States(), random.Random(5), rows(*weights), ModelPolicy()
    running: list[Running] = []
    found: Counter[str | None] = Counter()
    for step in range(400):
        now = 100.0 + step / 10
        talk = fates.randrange(20)
        prompt = Prompt(b"", tuple(b"%d-%d" % (talk, at) for at in range(1 + step // 100)), b"talk%d" % talk)
        chances = [fates.random(), fates.random()]
        pool = pool_of(given, states, now, policy)
        assert pool is not None
        at_once = kept(pool, states, now, iter(chances).__next__, policy, prompt)
        thought = pick(given, states, now=now, chance=iter(chances).__next__, policy=policy, prompt=prompt)

        assert isinstance(thought, Choice)
        assert at_once is not None
        assert (at_once.deployment, at_once.affinity) == (thought.deployment, thought.affinity)
        found[at_once.affinity] += 1
        running.append(Running(at_once.state, at_once.deployment, now))
        states.prefixes.note(prompt, at_once.state.tag)
        if step == 200:
            at_once.state.restarted()
        if len(running) > 12:
            running.pop(fates.randrange(len(running))).served(now, {})
    assert found["hit"] > 100
    assert found["miss"] > 10
    assert found["broken"] > 0


def test_who_is_in_trouble_is_left_to_thought() -> None:
    """One of four is ejected: whenever it is drawn nothing is chosen at once, and the others share the rest equally."""
    states, given = States(), rows(1, 1, 1, 1)
    failure = judge(UpstreamError("no", phase="head", kind="5xx"))
    for _ in range(5):
        sick = states.begin(given[2], 100.0)
        assert sick is not None
        sick.ended(100.0, failure)
    pool = pool_of(given, states, 101.0, ModelPolicy())
    assert pool is not None
    grid = [(first / 4, second / 3) for first in range(4) for second in range(3)]
    found = Counter(
        None if choice is None else choice[0].provider
        for choice in (usual(pool, 101.0, iter(pair).__next__) for pair in grid)
    )

    assert found == {None: 6, "p0": 2, "p1": 2, "p3": 2}
    assert kept(pool, states, 101.0, lambda: 0.5, ModelPolicy(), Prompt(b"a", (), b"a")) is None
    uneven = pool_of(rows(1, 2, 1, 1), states, 101.0, ModelPolicy())
    assert uneven is not None
    assert usual(uneven, 101.0, lambda: 0.0) is None


def test_a_conversation_among_a_thousand() -> None:
    """Whether an upstream is too busy for its conversation is found out without a call for each of the others."""
    states, policy, given = States(), ModelPolicy(), rows(*[1.0] * 1000)
    prompt = Prompt(b"", (b"block",), b"talk")
    pool = pool_of(given, states, 1.0, policy)
    assert pool is not None
    states.prefixes.note(prompt, pool.pairs[7][1].tag)
    for pair in pool.pairs:
        pair[1].in_flight = 5
    pool.pairs[7][1].in_flight = 9
    found = []

    def ask() -> None:
        found.append(kept(pool, states, 1.0, lambda: 0.5, policy, prompt))

    before = sys.getprofile()
    calls: Counter[str] = Counter()
    sys.setprofile(lambda frame, event, argument: calls.update([event]))
    try:
        ask()
        pool.pairs[3][1].in_flight = 2
        ask()
    finally:
        sys.setprofile(before)

    assert [choice and choice.affinity for choice in found] == ["hit", "broken"]
    assert calls["call"] < 60
    # Who is in trouble and idle may be well again: that is thought about.
    pool.pairs[3][1].health.eject(0.0, "it fails")
    assert kept(pool, states, 1.0, lambda: 0.5, policy, prompt) is None


def test_one_that_has_restarted_holds_nothing() -> None:
    """Also where the pool was made before."""
    states, policy, given = States(), ModelPolicy(), rows(1, 1, 1, 1)
    prompt = Prompt(b"", (b"block",), b"talk")
    pool = pool_of(given, states, 1.0, policy)
    assert pool is not None
    states.prefixes.note(prompt, pool.pairs[2][1].tag)
    before = kept(pool, states, 1.0, lambda: 0.5, policy, prompt)
    pool.pairs[2][1].restarted()
    after = kept(pool, states, 1.0, iter([0.0, 0.0]).__next__, policy, prompt)
    thought = pick(given, states, now=1.0, chance=iter([0.0, 0.0]).__next__, policy=policy, prompt=prompt)

    assert before is not None
    assert after is not None
    assert isinstance(thought, Choice)
    assert (before.affinity, before.deployment) == ("hit", given[2])
    assert (
        (after.affinity, after.deployment) == (thought.affinity, thought.deployment) == ("broken", given[0])
    )


def test_limits_are_thought_about() -> None:
    """Where an upstream has a limit of its own, or none is in use, there is no pool; a higher tier is not in it."""
    states = States()
    assert pool_of(rows(1, 1, max_concurrent=4), states, 1.0, ModelPolicy()) is None
    assert pool_of(rows(1, 1, limits=DeploymentLimits(rpm=5)), states, 1.0, ModelPolicy()) is None
    assert pool_of(rows(0, 0), states, 1.0, ModelPolicy()) is None
    mixed = list(chain(rows(1, 1), rows(3, order=1)))
    pool = pool_of(mixed, states, 1.0, ModelPolicy())
    assert pool is not None
    assert [pair[0] for pair in pool.pairs] == mixed[:2]
    assert pool.even
