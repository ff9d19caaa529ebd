"""Requests in any order of events, with as many attempts as there may be: what is spent is what the ledger says."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_proxy.errors import BudgetSpent, LimitReached
from llm_proxy.live.access.accounting import Accounting, Charge, Told
from llm_proxy.live.access.cost import Tokens
from llm_proxy.live.access.ledger import Ledger
from llm_proxy.live.access.meter import Meter
from llm_proxy.live.access.plan import Plan
from llm_proxy.live.access.reservation import Now
from llm_proxy.live.access.shared_counters import HELD, LocalCounters, SharedCounters
from llm_proxy.live.access.values import Access, Budget, Limit, Price, Team, Terms, written
from llm_proxy.wire.calls import Deployment
from tests.llm_proxy.live.access.test_meter import START, at

ROWS = [Deployment(f"p{number}", name, "openai", "http://x", "u") for number, name in enumerate("mno")]
LIMITS = (Limit("concurrent", 5, 5), Limit("tpm", 10**6, 10**6))
TERMS = Terms(team="t", limits_text=written(LIMITS), budgets=("own", "all"))
BUDGETS = {
    "own": Budget("own", 300_000, "day", each=True),
    "all": Budget("all", 500_000, "30d", rolling=30 * 86_400),
}
PRICES = {"m": Price(1, 2), "n": Price(3, 5, 1), "o": Price(0, 0)}
ACCESS = Access(
    {name.encode(): (name, TERMS) for name in ("alice", "bob")}, {"t": Team()}, {}, BUDGETS, PRICES
)


@pytest.mark.parametrize("workers", [1, 2])
@settings(max_examples=20)
@given(chance=st.randoms(use_true_random=False))
def test_any_order_of_events(workers: int, chance: random.Random) -> None:
    """Requests begin, are tried at one upstream after the other, at two at once of which one loses, are gone on with, told or guessed, left
    before anything was sent, and end, in any order, at any of the workers: nothing that is held is ever below zero, who is let in fits, and at
    rest nothing is held and each budget has paid what its rows add up to, to the micro-dollar."""
    counters = LocalCounters() if workers == 1 else SharedCounters(workers, 512)
    seconds = 0.0

    def now() -> Now:
        return Now(at(seconds).steady, START + seconds)

    ledger = Ledger()
    made = [Accounting(Meter(counters, row), ledger, now=now) for row in range(workers)]
    running: list[tuple[Accounting, Charge]] = []
    for _ in range(60):
        seconds += chance.choice((0, 0.01, 3))
        what = chance.random()
        if running and what < 0.35:
            books, charge = chance.choice(running)
            told = Tokens(chance.randrange(9000), chance.randrange(9000)) if chance.random() < 0.6 else None
            lost = chance.random() < 0.3
            books.note(
                charge, chance.choice(ROWS), told, chance.randrange(50), sent=chance.random() < 0.8, lost=lost
            )
        elif running and what < 0.6:
            books, charge = running.pop(chance.randrange(len(running)))
            books.close(charge, lambda: Told("x", "m"))
        else:
            books = chance.choice(made)
            grant = ACCESS.grant(chance.choice(list(ACCESS.keys)))
            assert grant is not None
            plan = books.plan(ACCESS, grant, ROWS[0])
            try:
                need = books.wanted(plan, chance.randrange(20_000), 4000, blind=False)
                charge = books.begin_here(plan, need)
            except (BudgetSpent, LimitReached):
                continue
            running.append((books, charge))
            for mine in plan.purses:
                assert sum(books.meter.purse(mine, now())) <= mine.budget.limit
        _nothing_below_zero(made[0], now())
    for books, charge in running:
        books.close(charge, lambda: Told("x", "m"))
    paid = dict(
        ledger.ask(lambda base: base.execute('SELECT "key", sum(micro_usd) FROM usage GROUP BY 1').fetchall())
    )
    for name in ("alice", "bob"):
        own, shared = _plan(made[0], name).purses
        assert made[0].meter.purse(own, now()) == (paid.get(name) or 0, 0)
        assert made[0].meter.purse(shared, now()) == (sum(filter(None, paid.values())), 0)
        running_bound = _plan(made[0], name).bounds[0]
        assert made[0].meter.seen(running_bound, now())[2] == 0
    ledger.close()


def _plan(books: Accounting, name: str) -> Plan:
    grant = ACCESS.grant(name.encode())
    assert grant is not None
    return books.plan(ACCESS, grant, ROWS[0])


def _nothing_below_zero(books: Accounting, now: Now) -> None:
    for name in ("alice", "bob"):
        plan = _plan(books, name)
        for purse in plan.purses:
            assert min(books.meter.purse(purse, now)) >= 0
        for bound in plan.bounds:
            assert books.meter._cells.peek(bound.cell)[HELD] >= 0
            assert books.meter.seen(bound, now)[0] >= 0
