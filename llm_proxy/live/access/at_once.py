"""A request's limits and budgets in one step, where the counters are this process's own: the way that nearly all requests take.

Laws: it lets in what ``Meter`` would, counts it as that does, and never refuses: who is not let in here is judged there, in
words, and nothing of it stays counted. Where each counter is, is found once for a plan, and again when a budget's period ends or
counters were let go. Each request goes through ``take`` and ``settle``, so they have no calls in them.
"""

# ruff: noqa: FURB136 (a call of max or min takes longer than the comparison)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import inf
from typing import Any, NamedTuple

from llm_proxy.live.access.plan import READ, REQUESTS, RUNNING, SHARE, WRITTEN, Bound, BudgetAccount, Plan
from llm_proxy.live.access.reservation import CROSSED, Need, Now, Reservation
from llm_proxy.live.access.shared_counters import HELD, MARK, UNTIL, VALUE, Numbers


class ReadyTokens(NamedTuple):
    """A limit of tokens and its counter; whether what is read, and what is written, counts."""

    numbers: Numbers
    size: int
    each: int
    most: int
    burst: int
    share: int
    reads: bool
    writes: bool
    bound: Bound


class ReadyPurse(NamedTuple):
    """One budget: its counter, and that of the slice of now if it is a rolling one; what one request may reserve at most."""

    numbers: Numbers
    slice: Numbers | None
    limit: int
    most: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The counters of one plan. They are that while ``since <= wall < until`` and the counters are of that ``age``."""

    #: In the plan's order.
    bounds: tuple[tuple[Bound, Numbers], ...]
    accounts: tuple[tuple[BudgetAccount, Numbers], ...]
    since: float
    until: float
    age: int
    #: The same by kind: of requests with what one of them takes and how much there may be (nanoseconds); of those that run with how
    #: many; budgets that warn, and from what on.
    requests: tuple[tuple[Numbers, int, int], ...]
    running: tuple[tuple[Numbers, int], ...]
    tokens: tuple[ReadyTokens, ...]
    purses: tuple[ReadyPurse, ...]
    warns: tuple[tuple[BudgetAccount, Numbers, float], ...]
    #: Whether a budget refuses the model because nobody knows its price.
    refuses: bool
    #: What others work out of it, by their own keys.
    memo: dict[Any, Any] = field(default_factory=dict, compare=False)


def ready(
    plan: Plan,
    bounds: Sequence[tuple[Bound, Numbers]],
    accounts: Sequence[tuple[BudgetAccount, Numbers, Numbers | None]],
    since: float,
    until: float,
    age: int,
) -> Ready:
    """Of a plan's counters; ``accounts``: each with the slice of now."""
    return Ready(
        tuple(bounds),
        tuple((account, numbers) for account, numbers, _ in accounts),
        since,
        until,
        age,
        tuple((numbers, bound.each, bound.most) for bound, numbers in bounds if bound.counts == REQUESTS),
        tuple((numbers, bound.size) for bound, numbers in bounds if bound.counts == RUNNING),
        tuple(_tokens(bound, numbers) for bound, numbers in bounds if bound.counts > RUNNING),
        tuple(
            ReadyPurse(numbers, part, account.budget.limit, max(1, account.budget.limit // SHARE))
            for account, numbers, part in accounts
        ),
        tuple(
            (account, numbers, min(account.budget.warn, default=inf) * account.budget.limit - 1)
            for account, numbers, _ in accounts
            if account.budget.warn
        ),
        plan.price is None and any(account.budget.unpriced == "deny" for account, _, _ in accounts),
    )


def _tokens(bound: Bound, numbers: Numbers) -> ReadyTokens:
    counts = bound.counts
    return ReadyTokens(
        numbers,
        bound.size,
        bound.each,
        bound.most,
        bound.burst,
        bound.share,
        counts != WRITTEN,
        counts != READ,
        bound,
    )


def take(found: Ready, plan: Plan, need: Need, now: Now) -> Reservation | None:  # noqa: C901 (see the module)
    """Let the request in, all of it; None: it may not be let in, and nothing was counted."""
    if found.refuses:
        return None
    steady = now[0]
    read, wrote, cost = need
    amounts: list[int] = []
    paid = requests = running = 0
    for numbers, _, limit, most in found.purses:
        held = numbers[HELD] + (cost if cost < most else most)
        if numbers[VALUE] + held > limit:
            return _undone(found, cost, paid, amounts, requests, running)
        numbers[HELD] = held
        paid += 1
    for numbers, size, each, most, burst, share, reads, writes, _ in found.tokens:
        if not reads:
            amount = wrote if wrote < share else share
        elif read > size:
            return _undone(found, cost, paid, amounts, requests, running)
        elif writes:
            amount = read + (wrote if wrote < share else share)
            if amount > size:
                amount = size
        else:
            amount = read
        state, time = numbers[VALUE], amount * each
        state = (state if state > steady else steady) + time
        if state - steady > most and (amount <= burst or state - steady > time):
            return _undone(found, cost, paid, amounts, requests, running)
        numbers[VALUE] = numbers[UNTIL] = state
        amounts.append(amount)
    for numbers, each, most in found.requests:
        state = numbers[VALUE]
        state = (state if state > steady else steady) + each
        if state - steady > most:
            return _undone(found, cost, paid, amounts, requests, running)
        numbers[VALUE] = numbers[UNTIL] = state
        requests += 1
    for numbers, size in found.running:
        held = numbers[HELD]
        if held >= size and held:
            return _undone(found, cost, paid, amounts, requests, running)
        numbers[HELD] = held + 1
        running += 1
    taken = Reservation(plan, now, found, amounts, cost)
    for account, numbers, warn_from in found.warns:
        if numbers[VALUE] + numbers[HELD] >= warn_from or numbers[MARK] & CROSSED:
            taken.warn(account, numbers)
    return taken


def _undone(
    found: Ready, cost: int, paid: int, amounts: list[int], requests: int, running: int
) -> Reservation | None:
    """Take back what was counted: so many of each kind. What had run out before has run out now."""
    for numbers, _, _, most in found.purses[:paid]:
        numbers[HELD] -= min(cost, most)
    times = (one.each * amount for one, amount in zip(found.tokens, amounts, strict=False))
    counted = [one[0] for one in found.tokens[: len(amounts)]]
    for numbers, time in chain(
        zip(counted, times, strict=True), ((numbers, each) for numbers, each, _ in found.requests[:requests])
    ):
        numbers[VALUE] -= time
        numbers[UNTIL] = numbers[VALUE]
    for numbers, _ in found.running[:running]:
        numbers[HELD] -= 1
    return None


def settle(found: Ready, taken: Reservation, used: Need, now: Now) -> None:
    """The request is over, and has taken ``used``; ``found``: the counters of now."""
    read, wrote, cost = used
    for numbers, _ in found.running:
        held = numbers[HELD]
        if held:
            numbers[HELD] = held - 1
    if taken.amounts:
        steady = now[0]
        for (numbers, _, _, _, _, _, reads, writes, bound), amount in zip(
            found.tokens, taken.amounts, strict=False
        ):
            really = (read if reads else 0) + (wrote if writes else 0)
            # A bucket that has run out has nothing to give back.
            if really > amount or (really < amount and numbers[VALUE] > steady):
                numbers[VALUE] = numbers[UNTIL] = bound.rate.corrected(
                    numbers[VALUE], steady, amount, really, taken.at.steady
                )
    reserved = taken.cost
    for numbers, part, _, most in found.purses:
        held = numbers[HELD] - (reserved if reserved < most else most)
        numbers[HELD] = held if held > 0 else 0
        numbers[VALUE] += cost
        if part is not None:
            part[VALUE] += cost
