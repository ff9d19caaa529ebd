"""Limits and budgets as values: any order of events, any time; nothing is let in that is too much."""

from __future__ import annotations

import random
import re
from collections import deque
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llm_proxy.errors import BudgetSpent, GatewayError, LimitReached, RequestTooLarge
from llm_proxy.live.access import cost as cost_module
from llm_proxy.live.access import shared_counters
from llm_proxy.live.access.accounting import Accounting
from llm_proxy.live.access.cost import Habits, Tokens, cost, expected_cost, tokens_in, tokens_of
from llm_proxy.live.access.limit_headers import duration
from llm_proxy.live.access.meter import Meter
from llm_proxy.live.access.periods import period, slice_width, slices, written
from llm_proxy.live.access.plan import Plan, bounds_of, purse
from llm_proxy.live.access.rates import SECOND, Rate
from llm_proxy.live.access.reservation import Need, Now, Reservation
from llm_proxy.live.access.shared_counters import HELD, VALUE, SharedCounters, name_of
from llm_proxy.live.access.values import Budget, Grant, Limit, Price, Team, Terms

GRANT = Grant("alice", Terms(), Team(), None)
START = datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()


def at(seconds: float) -> Now:
    return Now(int((1000 + seconds) * SECOND), START + seconds)


def plan_of(*limits: Limit, budgets: tuple[Budget, ...] = (), price: Price | None = None) -> Plan:
    return Plan(
        GRANT, "m", bounds_of("key", "alice", limits), tuple(purse(b, "alice") for b in budgets), price
    )


def small() -> SharedCounters:
    return SharedCounters(2, 512)


@given(
    st.integers(1, 50),
    st.integers(1, 50),
    st.lists(st.tuples(st.floats(0, 20), st.integers(1, 3)), max_size=120),
)
def test_no_window_has_too_much(limit: int, burst: int, events: list[tuple[float, int]]) -> None:
    """In any span of time no more than the burst and what the rate gives meanwhile; and a wait that was told is exact."""
    limit = max(limit, burst)
    rate = Rate.of("rpm", limit, burst)
    now = empty_at = 0
    taken: deque[tuple[int, int]] = deque()
    for gap, amount in events:
        now += int(gap * SECOND)
        amount = min(amount, burst)
        wait = rate.wait(empty_at, now, amount)
        if wait:
            assert rate.wait(empty_at, now + wait, amount) == 0
            assert rate.wait(empty_at, now + wait - 1, amount) > 0
            continue
        empty_at = rate.after(empty_at, now, amount)
        taken.append((now, amount))
        for begin, (first, _) in enumerate(taken):
            inside = sum(count for _, count in list(taken)[begin:])
            assert inside <= burst + (now - first) / rate.each + 1e-6


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.floats(0, 30), st.integers(0, 400), st.integers(0, 400)), max_size=60
    )
)
@example(
    [
        (0, 0, 400, 0),
        (0, 25, 400, 0),
        (1, 0, 0, 0),
        *[(0, 0, 333, 0)] * 3,
        (1, 0, 0, 400),
        *[(1, 0, 0, 333)] * 3,
    ]
)
def test_corrections_never_give_more(events: list[tuple[int, float, int, int]]) -> None:
    """Whoever reserves too much and gives it back, in any order, has let in no more than limit, rate and what exceeded its reservation."""
    rate = Rate.of("tpm", 1000, 1000)
    now = empty_at = 0
    open_: list[tuple[int, int]] = []
    used: list[tuple[int, int, int]] = []
    for what, gap, reserved, really in events:
        now += int(gap * SECOND)
        if what and open_:
            since, amount = open_.pop(0)
            empty_at = rate.corrected(empty_at, now, amount, really, since)
            used.append((since, amount, really))
        elif not rate.wait(empty_at, now, reserved):
            empty_at = rate.after(empty_at, now, reserved)
            open_.append((now, reserved))
        for first, _, _ in used:
            inside = sum(count for when, _, count in used if when >= first)
            excess = sum(max(0, count - held) for when, held, count in used if when >= first)
            assert inside <= 1000 + (now - first) / rate.each + excess


@settings(max_examples=60)
@given(st.randoms(use_true_random=False))
def test_budgets_in_any_order(chance: random.Random) -> None:
    """``spent + reserved`` is never negative, not above when a request is let in, and is the ledger's sum at rest."""
    budgets = (Budget("a", 1_000_000, "month", zone="Europe/Warsaw"), Budget("b", 400_000, "day", each=True))
    plan = plan_of(Limit("concurrent", 6, 6), budgets=budgets, price=Price(1, 1))
    meters = [Meter(cells := small(), 0), Meter(cells, 1)]
    running: list[tuple[Meter, Reservation]] = []
    ledger: list[int] = []
    for _ in range(80):
        meter = chance.choice(meters)
        if running and chance.random() < 0.5:
            keeper, taken = running.pop(chance.randrange(len(running)))
            really = chance.randrange(0, 150_000)
            keeper.settle(taken, Need(really, 0, really), at(1))
            keeper.settle(taken, Need(really, 0, really), at(1))  # a second time is none
            ledger.append(really)
        else:
            try:
                cost_ = chance.randrange(0, 90_000)
                running.append((meter, meter.reserve(plan, Need(cost_, 0, cost_), at(1))))
                assert all(sum(meter.purse(held, at(1))) <= held.budget.limit for held in plan.purses)
            except (BudgetSpent, LimitReached):
                pass
        assert len(running) <= 6
        for held in plan.purses:
            spent, reserved = meter.purse(held, at(1))
            assert spent == sum(ledger)
            assert reserved >= 0
            assert (reserved == 0) == (
                not any(amount for _, t in running for p, amount, _ in t.purses if p == held)
            )
    while running:
        keeper, taken = running.pop()
        keeper.settle(taken, Need(0, 0, 0), at(1))
    assert [meters[0].purse(held, at(1)) for held in plan.purses] == [(sum(ledger), 0)] * 2
    assert meters[0].standing(plan, at(1))[0][1] == 6


def test_a_reservation_never_takes_it_over() -> None:
    """``spent + reserved + estimate <= usd``, to the micro-dollar."""
    budget = Budget("a", 100, "day")
    meter, plan = Meter(small()), plan_of(budgets=(budget,), price=Price(1, 1))
    for _ in range(4):
        meter.reserve(plan, Need(cost=25), at(0))
    with pytest.raises(BudgetSpent, match="there is more at 2026-11-27T00:00:00\\+00:00"):
        meter.reserve(plan, Need(cost=1), at(0))
    meter.reserve(plan, Need(cost=0), at(0))


def test_a_worker_that_died() -> None:
    """What it held is given back to the limits, by whoever follows it; the other's stays."""
    cells = small()
    plan = plan_of(Limit("concurrent", 4, 4), budgets=(Budget("a", 100, "day"),), price=Price(1, 1))
    dead, alive = Meter(cells, 0), Meter(cells, 1)
    for meter in (dead, dead, alive):
        meter.reserve(plan, Need(cost=10), at(0))
    assert alive.purse(plan.purses[0], at(0)) == (0, 30)
    assert cells.give_back(0) == 2
    assert alive.purse(plan.purses[0], at(0)) == (0, 10)
    assert alive.standing(plan, at(0))[0][1] == 3


def test_all_or_nothing() -> None:
    """A limit that refuses leaves nothing behind at the others."""
    plan = plan_of(
        Limit("rpm", 10, 10), Limit("concurrent", 1, 1), budgets=(Budget("a", 100, "day"),), price=Price(1, 1)
    )
    meter = Meter(small())
    first = meter.reserve(plan, Need(cost=10), at(0))
    for _ in range(50):
        with pytest.raises(LimitReached):
            meter.reserve(plan, Need(cost=10), at(0))
    assert meter.purse(plan.purses[0], at(0)) == (0, 10)
    meter.settle(first, Need(), at(0))
    assert [left for _, left, _ in meter.standing(plan, at(0))] == [9, 1]


def test_whole_limits() -> None:
    """What can never fit is another error than what has to wait; more than the burst waits for an empty bucket."""
    meter = Meter(small())
    plan = plan_of(Limit("tpm", 1000, 100))
    with pytest.raises(RequestTooLarge, match="tpm of key alice is 1,000"):
        meter.reserve(plan, Need(1001, 0), at(0))
    meter.reserve(plan, Need(500, 0), at(0))
    with pytest.raises(LimitReached) as caught:
        meter.reserve(plan, Need(10, 0), at(0))
    assert caught.value.retry_after == "25"  # (500 + 10 - 100) * 60 / 1000 = 24.6
    assert dict(caught.value.headers)["retry-after-ms"] == "24600"


ZONES: list[tuple[str, str, str, int, str]] = [
    ("2026-03-29T00:30:00", "Europe/Warsaw", "day", 23, "2026-03-30T00:00:00+02:00"),
    ("2026-10-25T12:00:00", "Europe/Warsaw", "day", 25, "2026-10-26T00:00:00+01:00"),
    ("2026-03-10T12:00:00", "Europe/Warsaw", "month", 31 * 24 - 1, "2026-04-01T00:00:00+02:00"),
    ("2026-10-10T12:00:00", "Europe/Warsaw", "month", 31 * 24 + 1, "2026-11-01T00:00:00+01:00"),
    ("2026-11-26T12:00:00", "UTC", "week", 168, "2026-11-30T00:00:00+00:00"),
    ("2024-02-10T12:00:00", "UTC", "month", 29 * 24, "2024-03-01T00:00:00+00:00"),
    ("2026-12-31T23:30:00", "UTC", "month", 31 * 24, "2027-01-01T00:00:00+00:00"),
    ("2026-12-31T23:30:00", "Asia/Kolkata", "hour", 1, "2027-01-01T06:00:00+05:30"),
    ("2026-12-31T23:40:00", "Asia/Kolkata", "hour", 1, "2027-01-01T06:00:00+05:30"),
    ("2026-09-06T12:00:00", "America/Santiago", "day", 23, "2026-09-07T00:00:00-03:00"),
]


@pytest.mark.parametrize(("now", "zone", "per", "hours", "end"), ZONES)
def test_calendars(now: str, zone: str, per: str, hours: int, end: str) -> None:
    """Days of 23 and 25 hours, months over them, leap years, weeks from Monday, zones of half an hour."""
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp()
    start, stop = period(Budget("b", 1, per, zone=zone), moment)
    assert start <= moment < stop
    assert written(stop, zone) == end
    assert stop - start == hours * 3600


@given(
    st.floats(0, 4e9),
    st.sampled_from(["hour", "day", "week", "month"]),
    st.sampled_from(["UTC", "Europe/Warsaw", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_periods_follow_each_other(now: float, per: str, zone: str) -> None:
    """Each moment is in one, and the next begins where it ends."""
    budget = Budget("b", 1, per, zone=zone)
    start, stop = period(budget, now)
    assert start <= now < stop
    assert period(budget, stop)[0] == stop
    assert period(budget, start) == (start, stop)


def test_a_new_period_begins_with_nothing_spent() -> None:
    """And what is reserved over its border is paid in it."""
    budget = Budget("a", 100, "hour")
    meter, plan = Meter(small()), plan_of(budgets=(budget,), price=Price(1, 1))
    taken = meter.reserve(plan, Need(cost=25), at(0))
    meter.settle(taken, Need(cost=100), at(1))
    with pytest.raises(BudgetSpent):
        meter.reserve(plan, Need(cost=1), at(2))
    later = meter.reserve(plan, Need(cost=25), at(3600))
    assert meter.purse(plan.purses[0], at(3600)) == (0, 25)
    with pytest.raises(BudgetSpent):  # a clock that is put back gives nothing back
        meter.reserve(plan, Need(cost=1), at(0))
    meter.settle(later, Need(cost=30), at(0))
    assert meter.purse(plan.purses[0], at(0)) == (130, 0)
    assert meter.purse(plan.purses[0], at(3600)) == (0, 0)


def test_a_rolling_window() -> None:
    """What was spent leaves it when it is older than the window; the refusal says when something fits again."""
    budget = Budget("a", 100, "1h", rolling=3600)
    meter, plan = Meter(small()), plan_of(budgets=(budget,), price=Price(1, 1))
    width = slice_width(budget)
    for number in range(4):
        taken = meter.reserve(plan, Need(cost=25), at(number * 600))
        meter.settle(taken, Need(cost=25), at(number * 600))
    with pytest.raises(BudgetSpent) as caught:
        meter.reserve(plan, Need(cost=1), at(2400))
    told = datetime.fromisoformat(str((caught.value.beside or {})["resets_at"])).timestamp()
    assert START + 3600 <= told <= START + 3600 + 2 * width
    with pytest.raises(BudgetSpent):
        meter.reserve(plan, Need(cost=1), at(told - START - 1))
    assert meter.seen_purse(plan.purses[0], at(told - START)) == (100, 0)
    assert meter.seen_purse(plan.purses[0], at(3 * 3600)) == (
        0,
        0,
    )  # whoever looks on at a budget that nobody uses
    meter.reserve(plan, Need(cost=25), at(told - START))
    assert slices(budget) == 61


def test_warnings_are_told_once() -> None:
    """For each share and period; answers say it as long as it is so."""
    budget = Budget("a", 100, "hour", warn=(0.5, 0.9))
    meter, plan = Meter(small()), plan_of(budgets=(budget,), price=Price(1, 1))
    said: list[tuple[str, int]] = []
    shown = []
    for _ in range(10):
        taken = meter.reserve(plan, Need(cost=10), at(0))
        meter.settle(taken, Need(cost=10), at(0))
        said += taken.news
        shown.append(taken.warning)
    assert said == [("a", 50), ("a", 90)]
    assert shown[3] is None
    assert shown[4:] == [("a", percent) for percent in range(50, 101, 10)]
    assert meter.reserve(plan, Need(cost=10), at(3600)).warning is None


def test_a_crowded_page() -> None:
    """What says nothing any more makes room; what is held stays."""
    cells = SharedCounters(1, 64)
    meter = Meter(cells)
    held = plan_of(Limit("concurrent", 1, 1))
    meter.reserve(held, Need(), at(0))
    for number in range(500):
        bound = bounds_of("key", f"k{number}", (Limit("rpm", 60, 60),))
        meter.reserve(Plan(GRANT, "m", bound), Need(), at(number * 10))
    with pytest.raises(LimitReached):
        meter.reserve(held, Need(), at(5000))
    place = cells.find(name_of("limit", "concurrent", "key", "alice"), 0)
    assert cells.get(place)[HELD] == 1
    assert cells.get(place)[VALUE] == 0


USAGES: list[tuple[Any, Tokens | None]] = [
    ({"prompt_tokens": 3, "completion_tokens": 2}, Tokens(3, 2)),
    (
        {"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
        Tokens(10, 2, 4),
    ),
    (
        {"prompt_tokens": 1, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 8}},
        Tokens(1, 9, reasoning=8),
    ),
    ({"prompt_tokens": -1, "completion_tokens": True}, Tokens()),
    ({"prompt_tokens": 5, "prompt_tokens_details": None}, Tokens(5)),
    ({}, None),
]


@pytest.mark.parametrize(("usage", "tokens"), USAGES)
def test_usages(usage: Any, tokens: Tokens | None) -> None:
    """As vendors tell them, sound or not."""
    assert tokens_in(usage) == tokens


def test_costs() -> None:
    """Whole micro-dollars; cached tokens at their own price; no estimate of something is nothing."""
    price = Price(2.5, 10, 1.25)
    assert cost(price, Tokens(100, 10, 40)) == 60 * 2.5 + 40 * 1.25 + 100
    assert cost(Price(0.075, 0.3), Tokens(1, 0)) == 0
    assert expected_cost(Price(0.075, 0.3), Tokens(1, 0)) == 1
    assert cost(None, Tokens(1000, 1000)) == 0
    assert tokens_of(b"a" * 400) == 100
    assert tokens_of(b'{"text": "' + b"word " * 4000 + b'", "image": "' + b"A" * 4_000_000 + b'"}') < 7000


def test_habits() -> None:
    """A thousand and twenty-four until ten answers are known, then what is usual; never more than was asked for."""
    habits = Habits()
    habit = habits.of("k", "m")
    plan = Plan(Grant("k", Terms(), Team(), None), "m", habit=habit)

    def usual(most: int | None) -> int:
        return Accounting().wanted(plan, 0, most, blind=False).output

    assert [usual(most) for most in (None, 5, 5000)] == [1024, 5, 1024]
    for number in range(9):
        habit.note(number)
    assert usual(None) == 1024
    for number in range(9, 100):
        habit.note(number)
    assert 90 <= usual(None) <= 99
    assert habits.of("k", "m") is habit
    assert habits.of("k", "other").expected == 1024


def test_habits_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were asked for last are remembered."""
    monkeypatch.setattr(cost_module, "_PAIRS", 2)
    habits = Habits()
    first, second = habits.of("a", "m"), habits.of("b", "m")
    assert habits.of("a", "m") is first
    habits.of("c", "m")
    assert habits.of("a", "m") is first
    assert habits.of("b", "m") is not second


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (12_000_000, "12ms"),
        (1_000_000_000, "1s"),
        (1_500_000_000, "1.5s"),
        (360 * SECOND, "6m0s"),
        (3725 * SECOND, "1h2m5s"),
    ],
)
def test_durations(nanoseconds: int, text: str) -> None:
    """As Go writes them, which OpenAI's clients read."""
    assert duration(nanoseconds) == text


@pytest.mark.parametrize(
    ("micro", "text"), [(200_000_000, "$200.00"), (1_234_567_890, "$1,234.56789"), (1, "$0.000001")]
)
def test_what_is_said_of_a_spent_budget(micro: int, text: str) -> None:
    """How much it was, as people write it."""
    meter, budget = Meter(), Budget("b", micro, "month")
    plan = plan_of(budgets=(budget,), price=Price(1, 1))
    meter.settle(meter.reserve(plan, Need(cost=1), at(0)), Need(cost=micro), at(0))
    with pytest.raises(BudgetSpent, match=re.escape(f"budget b is spent: {text} per month")):
        meter.reserve(plan, Need(cost=micro), at(0))


@settings(max_examples=30)
@given(st.integers(0, 1 << 32))
@example(4)
@example(296)
@example(408)
@example(1956)
def test_counters_of_one_process_and_of_several(seed: int) -> None:
    """The short way, which requests take where nobody shares the counters, lets in, counts, warns and tells exactly what the long one does.
    In 4, 296, 408 and 1956 the clock is put back into another period while plans that share a budget are asked for in turns."""
    chance = random.Random(seed)
    warned = Budget("a", 2_000, "hour", warn=(0.5, 0.9))
    budgets = (
        warned,
        Budget("b", 5_000, "1h", rolling=3600),
        Budget("c", 900, "day", each=True, unpriced="free"),
    )
    kinds = ("rpm", "concurrent", "tpm", "input_tpm", "output_tpm", "rpd", "tpd")
    limits = [Limit(kind, size := chance.randrange(1, 60), chance.randrange(1, size + 1)) for kind in kinds]  # type: ignore[arg-type]
    plans = [
        plan_of(
            *chance.sample(limits, chance.randrange(1, 4)),
            budgets=tuple(chance.sample(budgets, chance.randrange(4))),
            price=chance.choice((Price(1, 1), Price(1, 1), None)),
        )
        for _ in range(3)
    ]
    short, long = Meter(), Meter(SharedCounters(1, 2048))
    running: list[tuple[Plan, Reservation, Reservation]] = []
    steady = wall = 0.0
    for _ in range(100):
        steady += (step := chance.choice((0, 0.1, 5, 90, 2000)))
        wall += chance.choice((step, step, -500))  # clocks are put back too; the steady one is not
        now = Now(at(steady).steady, START + wall)
        if running and chance.random() < 0.45:
            plan, *pair = running.pop(chance.randrange(len(running)))
            used = Need(chance.randrange(50), chance.randrange(50), chance.randrange(700))
            for meter, taken in zip((short, long), pair, strict=True):
                meter.settle(taken, used, now)
        else:
            plan = chance.choice(plans)
            need = Need(chance.randrange(70), chance.randrange(70), chance.randrange(700))
            found: list[Any] = []
            for meter in (short, long):
                try:
                    found.append(meter.reserve(plan, need, now))
                except GatewayError as error:
                    found.append((type(error), error.message, error.headers))
            if isinstance(found[0], Reservation):
                assert (found[0].warning, found[0].news) == (found[1].warning, found[1].news)
                running.append((plan, *found))
            else:
                assert found[0] == found[1]
        assert short.standing(plan, now) == long.standing(plan, now)
        for purse_ in plan.purses:
            assert short.purse(purse_, now) == long.purse(purse_, now)


def test_counters_that_were_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room is made for others between a reservation and its end: nothing is lost of either."""
    monkeypatch.setattr(shared_counters, "_MANY", 8)
    cells = shared_counters.LocalCounters()
    meter, plan = (
        Meter(cells),
        plan_of(Limit("tpm", 1000, 1000), budgets=(Budget("a", 100, "day"),), price=Price(1, 1)),
    )
    taken = meter.reserve(plan, Need(100, 0, 10), at(0))
    for number in range(50):
        meter.reserve(
            Plan(GRANT, "m", bounds_of("key", f"k{number}", (Limit("rpm", 60, 60),))), Need(), at(number * 3)
        )
    assert cells.age > 0
    meter.settle(taken, Need(600, 0, 30), at(150))
    assert meter.purse(plan.purses[0], at(150)) == (30, 0)
    assert meter.standing(plan, at(150))[0][1] == 500


@pytest.mark.parametrize("cells", [None, SharedCounters(2, 512)], ids=["alone", "shared"])
def test_clocks_that_jump(cells: SharedCounters | None) -> None:
    """The wall clock goes weeks ahead, or back, and is set right again: no limit notices, and what budgets have paid is neither forgotten
    nor paid twice."""
    for jump in (40 * 86_400, -20 * 86_400, 2 * 3600):
        budgets = (
            Budget(f"month {jump}", 100, "month"),
            Budget(f"hour {jump}", 100, "hour"),
            Budget(f"rolling {jump}", 100, "30d", rolling=30 * 86_400),
            Budget(f"short {jump}", 100, "1h", rolling=3600),
        )
        meter = Meter(cells)
        for budget in budgets:
            plan = plan_of(budgets=(budget,), price=Price(1, 1))

            def pay(seconds: float, wall: float, cost: int, meter: Meter = meter, plan: Plan = plan) -> None:
                now = Now(at(seconds).steady, START + wall)
                meter.settle(meter.reserve(plan, Need(cost=0), now), Need(cost=cost), now)

            pay(0, 0, 60)
            pay(1, 1 + jump, 5)
            pay(2, 2, 7)
            spent, _ = meter.purse(plan.purses[0], Now(at(3).steady, START + 3))
            past = 5 if 0 < budget.rolling < -jump else 0  # it left the window with its time
            assert spent == 72 - past, budget
    plan = plan_of(Limit("rpm", 2, 2))
    meter = Meter(cells)
    for wall in (0, 10**6):
        meter.reserve(plan, Need(), Now(at(0).steady, START + wall))
    for wall in (0, 10**7, -(10**7)):
        with pytest.raises(LimitReached) as caught:
            meter.reserve(plan, Need(), Now(at(10).steady, START + wall))
        assert caught.value.retry_after == "20"
    meter.reserve(plan, Need(), Now(at(30).steady, START - 10**7))
