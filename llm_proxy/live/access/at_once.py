"""A request's limits and budgets in one step, where the counters are this process's own: the way that nearly all requests take.

Laws: it lets in what ``Meter`` would, counts it as that does, and never refuses: who is not let in here is judged there, in
words, and nothing of it stays counted. Where each counter is, is found once for a plan, and again when a budget's period ends or
counters were let go. Each request goes through ``take`` and ``settle``, so they have no calls in them.
"""

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
    bound: Bound
    size: int
    each: int
    most: int
    burst: int
    share: int
    reads: bool
    writes: bool


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
        bound,
        bound.size,
        bound.each,
        bound.most,
        bound.burst,
        bound.share,
        counts != WRITTEN,
        counts != READ,
    )


def take(found: Ready, plan: Plan, need: Need, now: Now) -> Reservation | None:  # noqa: C901 (see the module)
    """Let the request in, all of it; None: it may not be let in, and nothing was counted."""
    if found.refuses:
        return None
    steady, cost = now[0], need[2]
    paid: list[int] = []
    amounts: list[int] = []
    requests = running = 0
    for numbers, _, limit, most in found.purses:
        amount = cost
        if amount > most:
            amount = most
        held = numbers[HELD] + amount
        if numbers[VALUE] + held > limit:
            return _undone(found, paid, amounts, requests, running)
        numbers[HELD] = held
        paid.append(amount)
    for numbers, _, size, each, most, burst, share, reads, writes in found.tokens:
        amount = need[0] if reads else 0
        if amount > size:
            return _undone(found, paid, amounts, requests, running)
        if writes:
            wrote = need[1]
            if wrote > share:
                wrote = share
            amount += wrote
            if amount > size:
                amount = size
        state, time = numbers[VALUE], amount * each
        if state < steady:
            state = steady
        state += time
        if state - steady > most and (amount <= burst or state - steady > time):
            return _undone(found, paid, amounts, requests, running)
        numbers[VALUE] = numbers[UNTIL] = state
        amounts.append(amount)
    for numbers, each, most in found.requests:
        state = numbers[VALUE]
        if state < steady:
            state = steady
        state += each
        if state - steady > most:
            return _undone(found, paid, amounts, requests, running)
        numbers[VALUE] = numbers[UNTIL] = state
        requests += 1
    for numbers, size in found.running:
        held = numbers[HELD]
        if held and held >= size:
            return _undone(found, paid, amounts, requests, running)
        numbers[HELD] = held + 1
        running += 1
    taken = Reservation(plan, now)
    taken.ready, taken.amounts, taken.paid = found, amounts, paid
    for account, numbers, warn_from in found.warns:
        if numbers[VALUE] + numbers[HELD] >= warn_from or numbers[MARK] & CROSSED:
            taken.warn(account, numbers)
    return taken


def _undone(
    found: Ready, paid: list[int], amounts: list[int], requests: int, running: int
) -> Reservation | None:
    """Take back what was counted: so many of each kind. What had run out before has run out now."""
    for (numbers, *_), amount in zip(found.purses, paid, strict=False):
        numbers[HELD] -= amount
    times = (bound.each * amount for (_, bound, *_), amount in zip(found.tokens, amounts, strict=False))
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
    steady, cost = now[0], used[2]
    for numbers, _ in found.running:
        held = numbers[HELD]
        if held:
            numbers[HELD] = held - 1
    for (numbers, bound, _, _, _, _, _, reads, writes), amount in zip(
        found.tokens, taken.amounts, strict=False
    ):
        really = (used[0] if reads else 0) + (used[1] if writes else 0)
        # A bucket that has run out has nothing to give back.
        if really > amount or (really < amount and numbers[VALUE] > steady):
            numbers[VALUE] = numbers[UNTIL] = bound.rate.corrected(
                numbers[VALUE], steady, amount, really, taken.at.steady
            )
    for (numbers, part, _, _), amount in zip(found.purses, taken.paid, strict=False):
        held = numbers[HELD]
        numbers[HELD] = held - amount if held > amount else 0
        numbers[VALUE] += cost
        if part is not None:
            part[VALUE] += cost
