"""What was used before goes on to count: at a start, from sums; after an edit, whatever comes while the ledger is asked."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from llm_proxy.live.access import ledger_tables as tables
from llm_proxy.live.access.accounting import Accounting, Told
from llm_proxy.live.access.cost import Tokens
from llm_proxy.live.access.ledger import Ledger
from llm_proxy.live.access.meter import Meter
from llm_proxy.live.access.periods import window_start
from llm_proxy.live.access.plan import bounds_of, purse
from llm_proxy.live.access.reservation import Now
from llm_proxy.live.access.shared_counters import SharedCounters
from llm_proxy.live.access.values import Access, Budget, Limit, Price, Team, Terms, written
from llm_proxy.service.recalling import follow_edit, recall
from llm_proxy.wire.calls import Deployment

BUDGETS = {
    "month": Budget("month", 10**12, "month", zone="Asia/Kolkata"),
    "each": Budget("each", 10**12, "day", each=True),
    "rolling": Budget("rolling", 10**12, "30d", rolling=30 * 86_400),
    "short": Budget("short", 10**12, "1h", rolling=3600),
}
ROW = Deployment("p", "m", "openai", "http://127.0.0.1", "m")


def access_of(*names: str, limits: tuple[Limit, ...] = ()) -> Access:
    keys = {
        name.encode(): (name, Terms(team="t", budgets=names, limits_text=written(limits)))
        for name in ("a", "b")
    }
    return Access(keys, {"t": Team()}, {}, BUDGETS, {"m": Price(1, 0)})


def line(at: float, key: str, cost: int) -> tables.Row:
    facts = {"time": at, "key": key, "team": "t", "model": "m", "status": 200, "input": cost, "output": 0}
    return tables.row_of({**facts, "micro_usd": cost})


@settings(max_examples=15)
@given(st.randoms(use_true_random=False))
def test_a_start_knows_what_was_spent(chance: random.Random) -> None:
    """Each kind of budget, to the micro-dollar where it goes by the calendar, and where it rolls to one slice; no limit is wider than
    by the rows themselves."""
    now = Now(time.monotonic_ns(), time.time())
    spread = chance.choice((60, 3000, 90_000, 40 * 86_400))
    rows = [
        (now.wall - chance.random() * spread, chance.choice("ab"), chance.randrange(1, 1000))
        for _ in range(60)
    ]
    limits = tuple(Limit(kind, 100_000, 100_000) for kind in ("tpm", "tpd", "rpd"))
    access, ledger = access_of(*BUDGETS, limits=limits), Ledger()
    for at, key, cost in rows:
        ledger.add(line(at, key, cost))
    meter, exact = Meter(), Meter()
    recall(access, ledger, meter)
    for budget in BUDGETS.values():
        for owner in "ab" if budget.each else [""]:
            mine = [(at, cost) for at, key, cost in rows if owner in ("", key)]
            found, _ = meter.purse(purse(budget, owner), now)
            start = window_start(budget, now.wall)
            slack = 2 * 3600 if budget.rolling else 0
            assert found >= sum(cost for at, cost in mine if at >= start + slack)
            assert found <= sum(cost for at, cost in mine if at >= start - slack)
    for at, key, cost in sorted(rows):
        if at >= now.wall - 86_400:
            for bound in bounds_of("key", key, limits):
                empty_at = bound.rate.after(
                    exact._cells.numbers(bound.cell, 0)[0], now.steady - int((now.wall - at) * 1e9), cost
                )
                exact.recall_bound(bound, empty_at, now)
    for key in "ab":
        tpm, tpd, _ = bounds_of("key", key, limits)
        for bound in (tpm, tpd):
            assert meter.seen(bound, now)[0] <= exact.seen(bound, now)[0] + 1


async def test_an_edit_and_a_request_at_once(tmp_path: Path) -> None:
    """A budget of each key's own is new: a request of that key that comes, and ends, before the ledger has answered counts once, and what the
    key had spent before counts once."""
    for cells in (None, SharedCounters(2, 4096)):
        books = Accounting(Meter(cells), Ledger(tmp_path / str(cells is None)))
        before, after = access_of("month"), access_of("month", "each")

        def pay(access: Access, cost: int, books: Accounting = books) -> None:
            grant = access.grant(b"a")
            assert grant is not None
            plan = books.plan(access, grant, ROW)
            charge = books.begin_here(plan, books.wanted(plan, cost, 1, blind=False))
            books.note(charge, ROW, Tokens(cost, 0), 0, sent=True)
            books.close(charge, lambda: Told("x", "m"))

        for _ in range(3):
            pay(before, 100)
        following: Any = follow_edit(before, after, books)
        pay(after, 7)
        await following
        pay(after, 50)
        spent = {
            name: books.meter.purse(purse(BUDGETS[name], owner), books.now())[0]
            for name, owner in (("each", "a"), ("month", ""))
        }
        assert spent == {"each": 357, "month": 357}
        await follow_edit(after, access_of("month", "each"), books)  # an edit of something else
        assert books.meter.purse(purse(BUDGETS["each"], "a"), books.now())[0] == 357
        assert books.ledger is not None
        books.ledger.close()


async def test_an_edit_of_keys_alone_looks_at_none_of_them() -> None:
    """Where no budget is new there is nothing to go on with, however many keys there are."""

    class Untouched(dict[bytes, tuple[str, Terms]]):
        def values(self) -> Any:
            raise AssertionError

    budgets = {"b": Budget("b", 100, "month")}
    before, after = (Access(Untouched(), budgets=budgets) for _ in range(2))
    await follow_edit(before, after, Accounting(Meter(), Ledger()))
