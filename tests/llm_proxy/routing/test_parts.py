"""The small deciders: ejection, budget, limits, queue, hedging, affinity's memory."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.routing.affinity import Prefixes, prompt_of, rank, session_in
from llm_proxy.routing.budget import RetryBudget
from llm_proxy.routing.ejection import Health
from llm_proxy.routing.hedging import FirstTokens, Hedging
from llm_proxy.routing.limits import allowed_at, charged
from llm_proxy.routing.queueing import PRIORITIES, Queue, Ticket
from llm_proxy.wire.policies import Hedge
from llm_proxy.wire.prompt_text import Opening


def test_half_of_twenty_within_thirty_seconds() -> None:
    """Failures that are not in a row eject too, when they are half of enough; older ones are forgotten."""
    health = Health()
    for turn in range(9):
        health.served(100.0 + turn, 99.0)
        assert not health.failed(100.0 + turn, 99.0, "it fails")
    health.served(110.0, 99.0)
    assert not health.failed(110.0, 99.0, "it fails") or health.until
    assert health.until

    slow = Health()
    for turn in range(60):
        slow.served(100.0 + 4 * turn, 99.0)
        assert not slow.failed(100.0 + 4 * turn, 99.0, "it fails")


def test_each_ejection_is_longer_and_at_most_five_minutes() -> None:
    """Ten seconds times their number; time in service makes them be forgotten."""
    health, now, spans = Health(), 1000.0, []
    for _ in range(5):
        health.failed(now, now, "it fails")
    for _ in range(40):
        spans.append(health.until - now)
        now = health.until
        assert health.failed(now, now, "it fails")

    assert spans[:3] == [10.0, 20.0, 30.0]
    assert spans[-1] == 300.0
    assert health.served(health.until, health.until)
    now = health.until or now
    for _ in range(5):
        health.failed(now + 3000, now + 3000, "it fails")
    assert health.until - (now + 3000) == 10.0


def test_what_began_before_says_nothing_new() -> None:
    """A hundred requests that were in flight do not eject twenty times, and one of them that succeeds does not heal."""
    health = Health()
    for _ in range(100):
        health.failed(50.0, 40.0, "it fails")

    assert (health.count, health.until) == (1, 60.0)
    assert not health.served(55.0, 40.0)
    assert health.until == 60.0
    assert health.served(55.0, 51.0)
    assert health.until == 0.0


def test_a_silent_probe_does_not_bar_others_for_ever() -> None:
    """After a minute another request may try."""
    health = Health()
    health.eject(0.0, "it fails")
    assert not health.may_probe(5.0)
    assert health.may_probe(10.0)
    health.probe_at = 10.0

    assert not health.may_probe(30.0)
    assert health.may_probe(70.0)


def test_the_budget_begins_full_and_earns_a_fifth() -> None:
    """Thirty at once; then three a second and one for five requests; what is saved is bounded."""
    budget = RetryBudget(0.0)
    assert sum(budget.take(0.0) for _ in range(100)) == 30
    assert sum(budget.take(1.0) for _ in range(100)) == 3
    for _ in range(100):
        budget.request(1.0)
    assert sum(budget.take(1.0) for _ in range(100)) == 20
    for _ in range(1000):
        budget.request(2.0)
    assert budget.most == pytest.approx(30 + 0.2 * 1100)
    assert sum(budget.take(100.0) for _ in range(1000)) == 30


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 20), st.integers(0, 20)), max_size=60))
def test_retries_never_exceed_their_share(steps: list[tuple[float, int, int]]) -> None:
    """Whatever comes in whatever order: a fifth of the requests, three a second, and thirty."""
    budget, now, asked, taken = RetryBudget(0.0), 0.0, 0, 0
    for pause, requests, retries in steps:
        now += pause
        asked += requests
        for _ in range(requests):
            budget.request(now)
        taken += sum(budget.take(now) for _ in range(retries))
        assert 0 <= budget.tokens <= budget.most

    assert taken <= 30 + 0.2 * asked + 3 * now + 1e-6


@given(st.integers(1, 1000), st.lists(st.tuples(st.floats(0, 10), st.integers(1, 2000)), max_size=40))
def test_a_grant_is_kept(limit: int, steps: list[tuple[float, int]]) -> None:
    """In no minute more than twice what is granted (what was saved, and what is earned), but for one that is larger."""
    arrival, now, passed, largest = 0.0, 0.0, 0, 0
    for pause, amount in steps:
        now += pause
        if allowed_at(arrival, now, limit, amount) <= now:
            arrival = charged(arrival, now, limit, amount)
            passed += amount
            largest = max(largest, amount)

    assert passed <= limit * (1 + now / 60) + largest + 1e-6


def ticket(key: str, priority: Any = "default", since: float = 0.0) -> Ticket:
    return Ticket(key, priority, since, 30.0)


def served(queue: Queue, now: float = 0.0) -> list[Ticket]:
    order = []
    while (first := queue.first(now)) is not None:
        queue.leave(first, now, served=True)
        order.append(first)
    return order


def test_the_order_in_the_queue() -> None:
    """Classes, then keys in turn, then who came first."""
    queue = Queue()
    tickets = [
        ticket("a"),
        ticket("a"),
        ticket("b"),
        ticket("c", "bulk"),
        ticket("a", "interactive"),
        ticket("b"),
    ]
    for one in tickets:
        assert queue.enter(one, 10)

    a1, a2, b1, bulk, first, b2 = tickets
    assert served(queue) == [first, a1, b1, a2, b2, bulk]


def test_who_waits_long_rises() -> None:
    """After half of its wait, so that nobody starves."""
    queue = Queue()
    old, new = ticket("a", "bulk", 0.0), ticket("b", "default", 14.0)
    queue.enter(old, 10)
    queue.enter(new, 10)

    assert queue.first(14.0) is new
    queue.leave(new, 14.0, served=True)
    newer = ticket("b", "default", 15.0)
    queue.enter(newer, 10)
    assert queue.first(16.0) in (old, newer)
    assert old.place == 1


def test_the_queue_is_bounded_and_says_when_to_come_back() -> None:
    """What it has no room for is told how long the queue has lately taken."""
    queue = Queue()
    tickets = [ticket("a") for _ in range(5)]
    assert [queue.enter(one, 4) for one in tickets] == [True] * 4 + [False]
    for number, one in enumerate(tickets[:2]):
        queue.leave(one, 2.0 * number, served=True)
    for one in tickets[3:]:
        queue.enter(one, 4)

    assert 2 <= int(queue.retry_after(2.0)) <= 8
    assert queue.first(0.0, frozenset(tickets)) is None


@given(
    st.lists(st.tuples(st.sampled_from(["enter", "leave", "serve"]), st.integers(0, 9)), max_size=80),
    st.randoms(),
)
def test_everybody_leaves_the_queue_once(steps: list[tuple[str, int]], chance: random.Random) -> None:
    """In any order of events, its length is what waits, and nobody is lost or served twice."""
    queue, inside, now = Queue(), [], 0.0
    for what, number in steps:
        now += number
        if what == "enter":
            one = ticket(str(number), chance.choice(PRIORITIES), now)
            if queue.enter(one, 20):
                inside.append(one)
        elif what == "leave" and inside:
            one = inside.pop(number % len(inside))
            queue.leave(one, now)
            queue.leave(one, now)
        elif what == "serve" and (first := queue.first(now)) is not None:
            inside.remove(first)
            queue.leave(first, now, served=True)
        assert len(queue) == len(inside)

    assert set(served(queue, now)) == set(inside)


def test_hedges_are_few() -> None:
    """None before twenty requests are known, then one in twenty; one is always allowed."""
    policy, hedging = Hedge("p95"), Hedging()
    assert hedging.after(policy) is None
    for number in range(100):
        hedging.request()
        hedging.first_tokens.add(number / 100)

    assert hedging.after(policy) == pytest.approx(0.95, abs=0.02)
    assert hedging.after(Hedge(0.3)) == 0.3
    assert sum(hedging.take(policy) for _ in range(100)) == 5
    few = Hedging()
    for _ in range(20):
        few.first_tokens.add(0.1)
    assert [few.take(Hedge(1.0, 0.0001)) for _ in range(2)] == [True, False]


def test_quantiles_follow_the_newest() -> None:
    """What was long ago is forgotten."""
    known = FirstTokens()
    assert known.quantile(0.5) is None
    for _ in range(500):
        known.add(1.0)
    for _ in range(200):
        known.add(3.0)

    assert known.quantile(0.5) == 3.0


def test_sessions_are_matched_exactly() -> None:
    """``session-1`` and ``session-12`` are two."""
    known = Prefixes()
    one, other = prompt_of("m", None, "session-1"), prompt_of("m", None, "session-12")
    assert one is not None
    assert other is not None
    known.note(one, 5)

    assert known.holders(one) == (5,)
    assert known.holders(other) == ()
    again = prompt_of("other model", None, "session-1")
    assert again is not None
    assert known.holders(again) == ()


@pytest.mark.parametrize(
    ("header", "body", "session"),
    [
        ("h", {"session_id": "b"}, "h"),
        ("", {"prompt_cache_key": "k", "user": "u"}, "prompt_cache_key:k"),
        ("", {"conversation": {"id": "c"}}, "conversation:c"),
        ("", {"metadata": {"user_id": "u"}}, "user:u"),
        ("", {"user": "u", "metadata": None}, "user:u"),
        ("", {"session_id": 5, "user": ""}, ""),
    ],
)
def test_what_names_a_session(header: str, body: dict[str, Any], session: str) -> None:
    """The header first, then the dialects' own fields."""
    assert session_in(header, body) == session


def test_half_of_a_prompt_is_held() -> None:
    """By whole blocks; short prompts say nothing."""
    known = Prefixes()
    text = "".join(chr(97 + n % 26) for n in range(10_240))

    def of(characters: str) -> Any:
        return prompt_of("m", Opening(characters, 1024), "")

    assert of(text[:1023]) is None
    known.note(of(text[:6000]), 3)
    assert known.holders(of(text)) == (3,)
    assert known.holders(of(text[:4000] + "!" * 6240)) == ()
    assert known.holders(of("!" + text)) == ()


def test_what_is_remembered_is_bounded() -> None:
    """The oldest is forgotten first, and of many holders the oldest too."""
    known = Prefixes(most=10)
    prompts: list[Any] = [prompt_of("m", None, str(number)) for number in range(20)]
    for one in prompts:
        known.note(one, 1)
    for tag in range(30):
        known.note(prompts[-1], tag)

    assert len(known) == 10
    assert known.holders(prompts[0]) == ()
    assert known.holders(prompts[-1]) == tuple(range(29, 21, -1))


def test_first_choices_share_by_weight() -> None:
    """A rendezvous hash gives each its share, and an upstream that leaves moves only its own."""
    weights = {"a": 1.0, "b": 1.0, "c": 2.0}
    names = [str(number).encode() for number in range(4000)]

    def best(name: bytes, keys: list[str]) -> str:
        return max(keys, key=lambda key: rank(name, key, weights[key]))

    chosen = [best(name, ["a", "b", "c"]) for name in names]
    assert chosen.count("c") / 4000 == pytest.approx(0.5, abs=0.05)
    assert all(best(name, ["b", "c"]) == was for name, was in zip(names, chosen, strict=True) if was != "a")
