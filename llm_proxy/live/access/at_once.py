"""A request's limits and budgets in one step, where the counters are this process's own: the way that nearly all requests take.

Laws: it lets in what ``Meter`` would, counts it as that does, and never refuses: who is not let in here is judged there, in
words. Where each counter is, is found once for a plan, and again when a budget's period ends or counters were let go. A budget
that is in another period than when it was found (the clock was put back meanwhile) is left to ``Meter`` too.
"""

from __future__ import annotations

from dataclasses import dataclass

from llm_proxy.live.access.plan import READ, REQUESTS, RUNNING, SHARE, WRITTEN, Bound, BudgetAccount, Plan
from llm_proxy.live.access.reservation import CROSSED, Need, Now, Reservation
from llm_proxy.live.access.shared_counters import HELD, MARK, PERIOD, UNTIL, VALUE, Numbers


@dataclass(frozen=True, slots=True)
class ReadyPurse:
    """One budget: its counter, the period that it was in when it was found, and the counter of the slice of now if it is a
    rolling one."""

    purse: BudgetAccount
    numbers: Numbers
    period: int
    slice: Numbers | None
    limit: int
    #: What one request may reserve; from what on somebody is to be warned; whether models without a price are refused.
    most: int
    warn_from: float
    denies: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """The counters of one plan. They are that while ``since <= wall < until`` and the counters are of that ``age``."""

    bounds: tuple[tuple[Bound, Numbers], ...]
    purses: tuple[ReadyPurse, ...]
    since: float
    until: float
    age: int


def ready_purse(purse: BudgetAccount, numbers: Numbers, part: Numbers | None) -> ReadyPurse:
    """What of it is the same for each request."""
    budget = purse.budget
    warn_from = min(budget.warn) * budget.limit - 1 if budget.warn else float("inf")
    most = max(1, budget.limit // SHARE)
    return ReadyPurse(
        purse, numbers, numbers[PERIOD], part, budget.limit, most, warn_from, budget.unpriced == "deny"
    )


def take(ready: Ready, plan: Plan, need: Need, now: Now) -> Reservation | None:  # noqa: C901 (each request goes through it: one function)
    """Let the request in, all of it; None: it may not be let in, and nothing was counted."""
    steady, cost = now.steady, need.cost
    bounds, states = [], []
    for bound, numbers in ready.bounds:
        counts = bound.counts
        if counts == RUNNING:
            held = numbers[HELD]
            if held and held >= bound.size:
                return None
            bounds.append((bound, 1, numbers))
            states.append(0)
            continue
        if counts == REQUESTS:
            amount = 1
        else:
            amount, size = need.input if counts != WRITTEN else 0, bound.size
            if amount > size:
                return None
            if counts != READ:
                amount += min(need.output, bound.share)
                if amount > size:
                    amount = size
        state = numbers[VALUE]
        if state < steady:
            state = steady
        state += amount * bound.each
        if state - steady > bound.most and (amount <= bound.burst or state - steady > amount * bound.each):
            return None
        bounds.append((bound, amount, numbers))
        states.append(state)
    purses = []
    for found in ready.purses:
        amount, numbers = min(cost, found.most), found.numbers
        if numbers[VALUE] + numbers[HELD] + amount > found.limit or (found.denies and plan.price is None):
            return None
        if numbers[PERIOD] != found.period:
            return None
        purses.append((found.purse, amount, numbers))
    for (_, amount, numbers), state in zip(bounds, states, strict=False):
        if state:
            numbers[VALUE] = numbers[UNTIL] = state
        else:
            numbers[HELD] += amount
    taken = Reservation(plan, now, bounds, purses)
    for (purse, amount, numbers), found in zip(purses, ready.purses, strict=False):
        numbers[HELD] += amount
        if numbers[VALUE] + numbers[HELD] >= found.warn_from or numbers[MARK] & CROSSED:
            taken.warn(purse, numbers)
    return taken


def settle(ready: Ready, taken: Reservation, used: Need, now: Now) -> bool:
    """The request is over, and has taken ``used``. False: it is to be settled by ``Meter``, and nothing was counted."""
    steady, cost = now.steady, used.cost
    for found in ready.purses:
        if found.numbers[PERIOD] != found.period:
            return False
    for (bound, amount, _), (_, numbers) in zip(taken.bounds, ready.bounds, strict=False):
        counts = bound.counts
        if counts == RUNNING:
            held = numbers[HELD] - amount
            numbers[HELD] = max(0, held)
        elif counts != REQUESTS:
            really = (used.input if counts != WRITTEN else 0) + (used.output if counts != READ else 0)
            if really != amount:
                numbers[VALUE] = numbers[UNTIL] = bound.rate.corrected(
                    numbers[VALUE], steady, amount, really, taken.at.steady
                )
    for (_, amount, _), found in zip(taken.purses, ready.purses, strict=False):
        numbers = found.numbers
        held = numbers[HELD] - amount
        numbers[HELD] = max(0, held)
        numbers[VALUE] += cost
        if found.slice is not None:
            found.slice[VALUE] += cost
    return True
