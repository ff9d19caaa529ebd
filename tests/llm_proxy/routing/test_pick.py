"""Which upstream takes a request."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from llm_proxy.errors import RateLimited, UpstreamAuth, UpstreamError
from llm_proxy.routing.affinity import prompt_of
from llm_proxy.routing.outcomes import judge
from llm_proxy.routing.pick import Choice, Nobody, Wait, pick
from llm_proxy.routing.states import Running, States
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.policies import DeploymentLimits, ModelPolicy, QueuePolicy
from llm_proxy.wire.prompt_text import Opening

NO_QUEUE = ModelPolicy(queue=None)
FAILED = judge(UpstreamError("it failed", kind="5xx"))


def rows(*weights: float, **more: Any) -> list[Deployment]:
    return [
        Deployment(f"p{i}", "m", "openai", f"http://h{i}.test/v1", "m", weight=w, **more)
        for i, w in enumerate(weights)
    ]


class World:
    """Virtual time, chance with a seed, and the states of one process."""

    def __init__(self, *weights: float, policy: ModelPolicy = NO_QUEUE, **more: Any) -> None:
        self.rows = rows(*(weights or (1.0, 1.0)), **more)
        self.states = States()
        self.now = 1000.0
        self.policy = policy
        self.chance = random.Random(7).random

    def pick(self, **more: Any) -> Choice | Wait | Nobody:
        return pick(
            self.rows, self.states, now=self.now, chance=self.chance, **{"policy": self.policy, **more}
        )

    def chosen(self, **more: Any) -> str:
        found = self.pick(**more)
        assert isinstance(found, Choice)
        return found.deployment.provider

    def begin(self, number: int, **more: Any) -> Running:
        running: Running | None = self.states.begin(self.rows[number], self.now, **more)
        assert running is not None
        return running

    def fail(self, number: int, times: int = 5, outcome: Any = FAILED) -> None:
        for _ in range(times):
            self.begin(number).ended(self.now, outcome)

    def streamed(self, number: int, seconds: float) -> None:
        running = self.begin(number)
        running.first_token(self.now + seconds)
        running.ended(self.now + seconds)

    def shares(self, count: int = 4000, **more: Any) -> Counter[str]:
        return Counter(self.chosen(**more) for _ in range(count))


@pytest.mark.parametrize("policy", ["balanced", "weighted"])
def test_idle_upstreams_share_by_weight(policy: Any) -> None:
    """Three to one, and never one with weight 0 or one that is inactive."""
    world = World(1, 3, 0, 5, policy=ModelPolicy(policy=policy, queue=None))
    world.rows[3] = replace(world.rows[3], active=False)

    shares = world.shares()

    assert set(shares) == {"p0", "p1"}
    assert shares["p1"] / shares["p0"] == pytest.approx(3, rel=0.15)


def test_the_less_busy_of_two() -> None:
    """In flight counts; with weights alone it does not."""
    world = World()
    world.begin(0), world.begin(0)

    assert set(world.shares(100)) == {"p1"}
    assert set(world.shares(100, policy=ModelPolicy(policy="weighted"))) == {"p0", "p1"}


def test_a_slow_upstream_that_is_idle_loses_to_a_fast_one() -> None:
    """Until the fast one has so much to do that it is worth it; costs within a fifth of each other are equal."""
    world = World()
    for _ in range(2):  # the first measurement is doubted
        world.streamed(0, 0.1)
        world.streamed(1, 0.5)
    assert set(world.shares(100)) == {"p0"}
    for _ in range(6):
        world.begin(0)
    assert set(world.shares(100)) == {"p1"}

    equal = World()
    equal.streamed(0, 0.100)
    equal.streamed(1, 0.115)
    assert set(equal.shares(100)) == {"p0", "p1"}


def test_times_that_are_noise_are_equal() -> None:
    """Milliseconds say more of the network than of an upstream; a time above them counts from there on."""
    world = World()
    for _ in range(2):
        world.streamed(0, 0.001)
        world.streamed(1, 0.009)
    assert set(world.shares(100)) == {"p0", "p1"}
    for _ in range(200):
        world.streamed(1, 0.5)
    assert set(world.shares(100)) == {"p0"}


def test_the_first_time_is_doubted() -> None:
    """It holds the connection, a model's loading and cold caches: alone it decides nothing."""
    world = World()
    world.streamed(0, 0.1)
    world.streamed(1, 1.0)
    assert set(world.shares(100)) == {"p0", "p1"}
    world.streamed(1, 1.0)
    assert set(world.shares(100)) == {"p0"}


def test_a_slow_upstream_gets_another_chance() -> None:
    """What was measured once does not count for ever."""
    world = World()
    world.streamed(0, 0.1)
    world.streamed(1, 5.0)
    world.now += 900
    world.streamed(0, 0.1)

    assert set(world.shares(100)) == {"p0", "p1"}


def test_tiers() -> None:
    """A higher one is asked only when no lower one can take the request."""
    world = World(1, 1, 1)
    world.rows[1:] = [replace(row, order=1) for row in world.rows[1:]]
    assert set(world.shares(50)) == {"p0"}

    world.fail(0)

    assert set(world.shares(50)) == {"p1", "p2"}


def test_one_that_failed_in_this_request_comes_last() -> None:
    """Its tier does not matter then; when all have failed, it may be asked again."""
    world = World(1, 1)
    world.rows[1] = replace(world.rows[1], order=3)
    keys = [row.upstream_key for row in world.rows]

    assert world.chosen(tried=keys[:1]) == "p1"
    again = world.pick(tried=keys)
    assert isinstance(again, Choice)
    assert (again.deployment.provider, again.again) == ("p0", True)


def test_ejected_after_five_failures_in_a_row_and_probed_by_one() -> None:
    """Out for ten seconds, then one request tries it while others go elsewhere; its success brings it back."""
    world = World()
    world.fail(0, 4)
    assert set(world.shares(50)) == {"p0", "p1"}
    world.fail(0, 1)
    assert set(world.shares(50)) == {"p1"}
    world.now += 10
    world.begin(1), world.begin(1)

    probe = world.pick()
    assert isinstance(probe, Choice)
    assert (probe.deployment.provider, probe.probe) == ("p0", True)
    running = world.begin(0, probe=True)
    assert set(world.shares(50)) == {"p1"}
    assert running.first_token(world.now + 0.1) == "returned"
    assert "p0" in world.shares(50)


def test_the_last_one_is_asked_all_the_same() -> None:
    """Never a 503 while a server might answer; but a fallback comes first."""
    world = World()
    world.fail(0)
    world.fail(1)

    nobody = world.pick()
    assert isinstance(nobody, Nobody)
    assert nobody.kinds == {"unavailable"}
    assert {one.state for one in nobody.skipped} == {"ejected"}
    found = world.pick(last_resort=True)
    assert isinstance(found, Choice)
    assert found.ejected


def test_a_refused_key_concerns_every_model_of_that_host() -> None:
    """For a minute. As a last resort, those that take our key come first."""
    world = World()
    other = replace(world.rows[0], name="n", model="n")
    event = world.begin(0).ended(world.now, judge(UpstreamAuth("no")))

    assert event == "refused"
    found = pick([other], world.states, now=world.now, chance=world.chance)
    assert isinstance(found, Nobody)
    assert found.kinds == {"unavailable", "auth"}
    world.fail(1)
    assert world.chosen(last_resort=True) == "p1"
    world.now += 60
    assert isinstance(pick([other], world.states, now=world.now, chance=world.chance), Choice)


def test_it_sleeps_as_long_as_it_asks() -> None:
    """Others are asked meanwhile; when all sleep, it is a rate limit, and waiting helps if it is short."""
    world = World()
    limited = RateLimited("slow down")
    limited.wait = 7.0
    world.begin(0).ended(world.now, judge(limited))
    assert set(world.shares(50)) == {"p1"}
    world.begin(1).ended(world.now, judge(limited))

    nobody = world.pick(last_resort=True)
    assert isinstance(nobody, Nobody)
    assert nobody.kinds == {"rate_limit"}
    waits = world.pick(policy=ModelPolicy(queue=QueuePolicy(wait=10)))
    assert isinstance(waits, Wait)
    assert waits.until == world.now + 7.0
    assert isinstance(world.pick(policy=ModelPolicy(queue=QueuePolicy(wait=5))), Nobody)
    world.now += 7.0
    assert set(world.shares(50)) == {"p0", "p1"}


def test_full_upstreams_wait() -> None:
    """``max_concurrent`` in flight are all that it takes."""
    world = World(max_concurrent=1, policy=ModelPolicy())
    world.begin(0)
    assert set(world.shares(20)) == {"p1"}
    last = world.begin(1)

    assert isinstance(world.pick(), Wait)
    assert isinstance(world.pick(policy=NO_QUEUE), Nobody)
    last.left(world.now)
    assert world.chosen() == "p1"


def test_the_vendors_grant() -> None:
    """A minute's worth at once, then it is not asked until the next one is due; tokens count when they are known."""
    world = World(1, limits=DeploymentLimits(rpm=60, tpm=6000))
    for _ in range(60):
        assert isinstance(world.pick(), Choice)
        world.begin(0).ended(world.now, prompt_tokens=10)
    nobody = world.pick(policy=ModelPolicy(queue=QueuePolicy(wait=0.5)))
    assert isinstance(nobody, Nobody)
    assert nobody.kinds == {"rate_limit"}
    world.now += 1.0
    assert isinstance(world.pick(), Choice)
    world.begin(0).ended(world.now, prompt_tokens=12000)
    world.now += 5.0
    assert isinstance(world.pick(), Nobody)


def test_pinned_reaches_weight_zero() -> None:
    """A canary is asked by its provider's name."""
    world = World(0)

    assert isinstance(world.pick(), Nobody)
    assert isinstance(world.pick(pinned=True), Choice)


def _prompt(text: str) -> Any:
    return prompt_of("m", Opening(text, 1024), "")


def test_a_conversation_stays_where_its_prefix_is() -> None:
    """Unless that upstream is busier than the others by more than four, or half."""
    world = World(1, 1, 1, policy=ModelPolicy())
    first = _prompt("a" * 3000)
    choice = world.pick(prompt=first)
    assert isinstance(choice, Choice)
    assert choice.affinity == "miss"
    number = int(choice.deployment.provider[1])
    for _ in range(5):
        world.begin(number, prompt=first)
    later = _prompt("a" * 3000 + "b" * 1500)

    held = world.pick(prompt=later)
    assert isinstance(held, Choice)
    # Five in flight, and nothing elsewhere: broken; four are still borne.
    assert held.affinity == "broken"
    world.states.of(choice.deployment, world.now).in_flight = 4
    held = world.pick(prompt=later)
    assert isinstance(held, Choice)
    assert (held.affinity, held.deployment) == ("hit", choice.deployment)


def test_workers_agree_on_a_first_choice() -> None:
    """Two processes that know nothing of each other send a conversation to the same upstream, also its later turns."""
    one, other = World(*[1.0] * 8), World(*[1.0] * 8)
    other.chance = random.Random(99).random
    texts = [chr(97 + n % 26) * 2000 + str(n) * 500 for n in range(40)]

    chosen = [
        (
            one.chosen(prompt=_prompt(t), policy=ModelPolicy()),
            other.chosen(prompt=_prompt(t + "x" * 900), policy=ModelPolicy()),
        )
        for t in texts
    ]

    assert all(a == b for a, b in chosen)
    assert len({a for a, _ in chosen}) > 4


def test_the_same_inputs_give_the_same_choice() -> None:
    """Chance and time are inputs."""
    one, other = World(1, 2, 3), World(1, 2, 3)

    assert [one.chosen() for _ in range(100)] == [other.chosen() for _ in range(100)]
