"""What was used before: limits and budgets go on where they were, at a start, after an edit, and while one service takes another's place.

Laws: at a start before anybody is served, from sums, so that it takes a second where there were hundreds of thousands of requests. After an
edit beside the loop: what a budget that is new has paid since then stays, and what its keys had spent before is added, once. What the service whose
place we take serves after we have read the ledger is added as it is written, to limits and to budgets. A ledger that cannot be read ends none of it: its keeper will tell.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from llm_proxy.live.access import ledger_tables as tables
from llm_proxy.live.access.accounting import Accounting
from llm_proxy.live.access.ledger import SERVICE, Ledger
from llm_proxy.live.access.meter import Meter, really
from llm_proxy.live.access.periods import slice_width, window_start
from llm_proxy.live.access.plan import REQUESTS, RUNNING, Bound, BudgetAccount, bounds_of, purse
from llm_proxy.live.access.rates import SECOND
from llm_proxy.live.access.reservation import Need, Now
from llm_proxy.live.access.shared_counters import UNTIL, VALUE, SharedCounters, name_of
from llm_proxy.live.access.values import Access, Budget, Limit, Terms

log = logging.getLogger(__name__)

#: Workers write their rows within this time, and take up an edit within that, in seconds.
_WRITTEN, _TAKEN_UP = 0.6, 1.0
#: How often it is asked what another service has paid, in seconds; and where it is kept which row was the last.
_LOOK = 1.0
_READ = name_of("ledger", "read")


def recall(access: Access, ledger: Ledger, meter: Meter, cells: SharedCounters | None = None) -> None:
    """Count once more what the ledger has. ``cells``: where it is kept how much of it that was. Blocking."""
    now = Now(time.monotonic_ns(), time.time())
    terms = dict(access.keys.values())
    try:
        # All questions are about one moment: another service may be writing.
        ledger.ask(lambda base: base.execute("BEGIN"))
        read = ledger.ask(tables.newest)
        if cells is not None:
            _read_up_to(cells, read)
        for budget in access.budgets.values():
            for found, at, amount in _paid(access, terms, ledger, budget, now.wall, now.wall + tables.DAY):
                meter.recall(found, amount, min(at, now.wall), now)
        if _limits(access):
            for bound, empty_at in _filled(access, terms, ledger, now):
                meter.recall_bound(bound, empty_at, now)
    except (sqlite3.Error, OSError) as error:
        log.warning("what was used before cannot be read", extra={"problem": str(error)[:200]})
    finally:
        ledger.close()


def follow_edit(before: Access | None, access: Access | None, books: Accounting) -> Coroutine[Any, Any, None]:
    """Budgets that an edit has made new under their name, period or scope, or for a key, go on with what the ledger knows of the time
    before it. To be called in the moment of the edit, and awaited any time."""
    return _follow(before, access, books, books.now())


async def _follow(before: Access | None, access: Access | None, books: Accounting, now: Now) -> None:
    if access is None or books.ledger is None or before is access:
        return
    old = before.budgets if before is not None else {}
    new = {
        budget: budget.name in old and _counted_as(old[budget.name]) == _counted_as(budget)
        for budget in access.budgets.values()
    }
    if all(same and not budget.each for budget, same in new.items()):
        return
    several = books.meter.workers > 1
    if several:
        await asyncio.sleep(_WRITTEN)
    since = now.steady - (int(_TAKEN_UP * SECOND) if several else 0)
    ledger, loop = books.ledger, asyncio.get_running_loop()
    # Beside the loop, because there may be a hundred thousand keys.
    known = await loop.run_in_executor(None, lambda: dict(before.keys.values()) if before is not None else {})
    terms = await loop.run_in_executor(None, lambda: dict(access.keys.values()))
    for budget, same in new.items():
        if same and not budget.each:
            continue

        def ask(budget: Budget = budget, same: bool = same) -> list[_Paid]:
            found = list(_paid(access, terms, ledger, budget, now.wall, now.wall))
            if same and before is not None:
                held = known.get
                found = [one for one in found if budget.name not in _budgets_of(before, held(one[0].owner))]
            return [one for one in found if books.meter.is_new(one[0], since)]

        try:
            money = await loop.run_in_executor(None, ask)
        except (sqlite3.Error, OSError):
            return  # its keeper tells
        for found, at, amount in money:
            books.meter.recall(found, amount, at, now)


async def follow_others(
    access: Callable[[], Access | None], books: Accounting, cells: SharedCounters
) -> None:
    """Add what another service serves that writes into the same ledger: the one whose place this one takes, as long as requests
    run there. By one process of a service; another that goes on for it begins where it was."""
    ledger, loop = books.ledger, asyncio.get_running_loop()
    if ledger is None:
        return
    while True:
        await asyncio.sleep(_LOOK)
        with cells.alone():
            numbers = list(cells.numbers(_READ, 0))
        # If nothing was read at the start there is no row yet from which to go on.
        question = partial(_of_others, after=numbers[VALUE] if numbers[UNTIL] else None)
        try:
            last, served = await loop.run_in_executor(None, ledger.ask, question)
        except (sqlite3.Error, OSError):
            continue  # its keeper tells
        _read_up_to(cells, last)
        current, now = access(), books.now()
        if current is None or not served:
            continue
        terms = dict(current.keys.values())
        bounds = _Bounds(current, terms)
        for one in served:
            for name in _budgets(current, terms.get(one.key), one.team):
                if one.micro_usd and (budget := current.budgets.get(name)) is not None:
                    owner = one.key if budget.each else ""
                    books.meter.recall(purse(budget, owner), one.micro_usd, one.time, now)
            for bound in bounds.of(one.key, one.team, one.model):
                ago = max(0, int((now.wall - one.time) * SECOND))
                books.meter.add_to_bound(bound, _taken(bound, 1, one.input, one.output), ago, now)


def _of_others(base: sqlite3.Connection, after: int | None) -> tuple[int, list[tables.Other]]:
    """As ``tables.by_others``; ``after`` None: nothing."""
    if after is None:
        return tables.newest(base), []
    return tables.by_others(base, SERVICE, after)


def _read_up_to(cells: SharedCounters, last: int) -> None:
    """Rows up to that one have been counted."""
    with cells.alone():
        numbers = cells.numbers(_READ, 0)
        numbers[VALUE], numbers[UNTIL] = last, 1 << 62  # it never makes room for another
        cells.write(_READ, numbers)


#: A budget, when it paid, and how many micro-dollars.
_Paid = tuple[BudgetAccount, float, int]


def _paid(
    access: Access, terms: Mapping[str, Terms], ledger: Ledger, budget: Budget, now: float, until: float
) -> Iterator[_Paid]:
    """What that budget has paid, and when, in the window of ``now``: one sum for all its keys at one time. Raises as ``Ledger.ask``."""
    since, width = window_start(budget, now), slice_width(budget) if budget.rolling else 0
    sums: dict[tuple[str, float], int] = {}
    for at, key, team, amount in ledger.ask(lambda base: tables.spent(base, since, until, width)):
        if budget.name in _budgets(access, terms.get(key), team):
            which = key if budget.each else "", at
            sums[which] = sums.get(which, 0) + amount
    for (owner, at), amount in sums.items():
        yield purse(budget, owner), at, amount


def _filled(
    access: Access, terms: Mapping[str, Terms], ledger: Ledger, now: Now
) -> Iterable[tuple[Bound, int]]:
    """Each limit of which something was taken, and when it is empty. Raises as ``Ledger.ask``."""
    bounds = _Bounds(access, terms)
    full: dict[bytes, int] = {}
    which: dict[bytes, Bound] = {}
    for at, key, team, model, count, read, wrote in ledger.ask(
        lambda base: list(tables.recent(base, now.wall - tables.DAY, now.wall))
    ):
        ago = max(0, int((now.wall - at) * SECOND))
        for bound in bounds.of(key, team, model):
            if ago < 2 * bound.rate.span:
                amount = _taken(bound, count, read, wrote)
                full[bound.cell] = bound.rate.after(full.get(bound.cell, 0), now.steady - ago, amount)
                which[bound.cell] = bound
    return [(which[cell], empty_at) for cell, empty_at in full.items()]


class _Bounds:
    """The limits that hold for a request, without those of requests at once."""

    def __init__(self, access: Access, terms: Mapping[str, Terms]) -> None:
        self._access, self._terms = access, terms
        self._known: dict[tuple[str, str], tuple[Bound, ...]] = {}

    def of(self, key: str, team: str, model: str) -> Iterator[Bound]:
        """Those of that key, team and model."""
        for which in (("key", key), ("team", team), ("model", model)):
            found = self._known.get(which)
            if found is None:
                bounds = bounds_of(*which, self._limits(*which))
                found = self._known[which] = tuple(bound for bound in bounds if bound.counts != RUNNING)
            yield from found

    def _limits(self, level: str, name: str) -> tuple[Limit, ...]:
        if level == "model":
            return self._access.models.get(name, ())
        row = self._terms.get(name) if level == "key" else self._access.teams.get(name)
        return row.limits if row is not None else ()


def _taken(bound: Bound, requests: int, read: int, wrote: int) -> int:
    """What so many requests with so many tokens together took of it."""
    return requests if bound.counts == REQUESTS else really(bound.counts, Need(read, wrote))


def _limits(access: Access) -> bool:
    teams = any(team.limits for team in access.teams.values())
    return teams or bool(access.models) or any(terms.limits_text for _, terms in access.keys.values())


def _counted_as(budget: Budget) -> tuple[object, ...]:
    """What a budget is counted under, beside its owner."""
    return budget.name, budget.per, budget.zone, budget.each


def _budgets_of(access: Access, terms: Terms | None) -> tuple[str, ...]:
    """The names of those that pay for a key."""
    return _budgets(access, terms, terms.team) if terms is not None else ()


def _budgets(access: Access, terms: Terms | None, team: str) -> tuple[str, ...]:
    """The names of those that pay for that key in that team."""
    found = access.teams.get(team)
    return (*(terms.budgets if terms else ()), *(found.budgets if found else ()))
