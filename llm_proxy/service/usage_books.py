"""What was used before this service began: limits and budgets go on where they were.

Laws: before anybody is served, and before workers are forked. A directory that cannot be used ends the start; a ledger that cannot
be read does not: its keeper will tell. Blocking.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from llm_proxy.clients.http_server import StartError
from llm_proxy.live.access import ledger_tables as tables
from llm_proxy.live.access.accounting import Accounting
from llm_proxy.live.access.ledger import Ledger
from llm_proxy.live.access.meter import Meter, really
from llm_proxy.live.access.periods import window_start
from llm_proxy.live.access.plan import REQUESTS, RUNNING, Bound, BudgetAccount, bounds_of, purse
from llm_proxy.live.access.rates import SECOND
from llm_proxy.live.access.reservation import Need, Now
from llm_proxy.live.access.shared import Shared
from llm_proxy.live.access.shared_counters import SharedCounters
from llm_proxy.live.access.values import Access, Terms
from llm_proxy.live.state.snapshot import Snapshot
from llm_proxy.settings import PREFIX, Settings

log = logging.getLogger(__name__)

#: A budget, when it paid, and how many micro-dollars.
_Paid = tuple[BudgetAccount, float, int]
#: Where memory is found as files, and how our directories are called there.
_PLACES = ("/dev/shm", tempfile.gettempdir())  # noqa: S108 (a directory of our own, that nobody else may read)
_OURS, _LOCK = "llm-proxy-usage-", "lock"
#: The locks of the directories that are ours now: as long as a process has them, the directory is in use.
_held: list[int] = []


def prepare_state(settings: Settings, snapshot: Snapshot, cells: SharedCounters) -> None:
    """Make the directory, and fill ``cells`` with what its ledger knows. Raises ``StartError``."""
    access = snapshot.access
    if settings.state is not None:
        try:
            settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(settings.state, os.O_RDONLY | os.O_DIRECTORY)
            os.close(descriptor)
            if not os.access(settings.state, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise StartError(f"{PREFIX}STATE: the directory cannot be used: {error.strerror}") from None
    if access is None:
        return
    if access.budgets and settings.state is None:
        log.warning("what budgets have spent is forgotten at each start: LLM_PROXY_API_STATE is not set")
    if settings.state is not None:
        recall(access, Ledger(settings.state, settings.usage_days), Meter(cells))


def memory_of_workers(settings: Settings) -> Path | None:
    """Where several workers keep what ends with the service: in memory, if the machine has a place for that. What services
    left there that were killed is removed."""
    if settings.state is not None:
        return None
    for place in _PLACES:
        _sweep(Path(place))
        try:
            made = Path(tempfile.mkdtemp(prefix=_OURS, dir=place))
            _held.append(_lock(made / _LOCK, os.O_CREAT))
        except OSError:
            continue
        return made
    return None


def _lock(path: Path, flags: int = 0) -> int:
    """A descriptor that holds the lock of ``path``, in this process and those that it forks. Raises ``OSError``."""
    descriptor = os.open(path, os.O_RDWR | flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _sweep(place: Path) -> None:
    """Remove directories of ours whose lock nobody holds: all processes of their service are gone."""
    for left in place.glob(_OURS + "*"):
        with suppress(OSError):
            descriptor = _lock(left / _LOCK)
            shutil.rmtree(left, ignore_errors=True)
            os.close(descriptor)


def ledger_of(settings: Settings, memory: Path | None) -> Ledger:
    """The ledger of one process."""
    return Ledger(settings.state or memory, settings.usage_days, lasts=settings.state is not None)


def shared_limits(settings: Settings, service: str) -> Shared | None:
    """What other machines count too. Raises ``StartError``."""
    if not settings.shared:
        return None
    try:
        return Shared(settings.shared, service)
    except ImportError:
        raise StartError(
            f"{PREFIX}SHARED: needs the extra [shared]: pip install llm-proxy-api[shared]"
        ) from None
    except ValueError:
        raise StartError(f"{PREFIX}SHARED: is no address of a Redis or Valkey") from None


def recall(access: Access, ledger: Ledger, meter: Meter) -> None:
    """Count once more what the ledger has."""
    now = Now(time.monotonic_ns(), time.time())
    try:
        purses = list(access.budgets.values())
        starts = [window_start(budget, now.wall) for budget in purses]
        money = ledger.ask(lambda base: tables.spent(base, min(starts))) if starts else []
        used = ledger.ask(lambda base: tables.recent(base, now.wall - tables.DAY)) if _limits(access) else []
    except (sqlite3.Error, OSError) as error:
        log.warning("what was used before cannot be read", extra={"problem": str(error)[:200]})
        return
    finally:
        ledger.close()
    for found, at, amount in _paid(access, money):
        meter.recall(found, amount, at, now)
    terms = dict(access.keys.values())
    bounds_by: dict[tuple[str, str, str], Iterable[Bound]] = {}
    for at, key, team, model, count, read, wrote in used:
        who = key, team, model
        if who not in bounds_by:
            bounds_by[who] = _bounds(access, terms.get(key), *who)
        for bound in bounds_by[who]:
            amount = count if bound.counts == REQUESTS else really(bound.counts, Need(read, wrote))
            if bound.counts != RUNNING and (now.wall - at) * SECOND < 2 * bound.rate.span and amount:
                meter.recall_bound(bound, amount, max(0.0, now.wall - at), now)


async def follow_edit(access: Access | None, books: Accounting) -> None:
    """Budgets that an edit has made new under their name, period or scope go on with what the ledger knows of their time."""
    if access is None or books.ledger is None or not access.budgets:
        return
    now = Now(time.monotonic_ns(), time.time())
    since = min(window_start(budget, now.wall) for budget in access.budgets.values())
    # Asked before the ledger is, since the next request makes a budget an old one.
    shared = [purse(budget, "") for budget in access.budgets.values() if not budget.each]
    new = {found.cell: books.meter.is_new(found) for found in shared}
    try:
        money = await asyncio.get_running_loop().run_in_executor(
            None, _spent_of_new, access, books.ledger, books.meter, since, new
        )
    except (sqlite3.Error, OSError):
        return  # its keeper tells
    for found, at, amount in money:
        books.meter.recall(found, amount, at, now)


def _spent_of_new(
    access: Access, ledger: Ledger, meter: Meter, since: float, new: dict[bytes, bool]
) -> list[_Paid]:
    """What the ledger knows of budgets for which nothing was counted yet; ``new``: of which that is known. Blocking. Raises as
    ``Ledger.ask``."""
    paid = _paid(access, ledger.ask(partial(tables.spent, since=since)))
    for found, _, _ in paid:
        if found.cell not in new:
            new[found.cell] = meter.is_new(found)
    return [one for one in paid if new[one[0].cell]]


def _paid(access: Access, money: Iterable[tuple[float, str, str, int]]) -> list[_Paid]:
    """What each budget has paid, and when: one sum for all its keys at one time."""
    terms = dict(access.keys.values())
    purses: dict[tuple[str, str], Iterable[BudgetAccount]] = {}
    sums: dict[tuple[bytes, float], int] = {}
    which: dict[bytes, BudgetAccount] = {}
    for at, key, team, amount in money:
        if (key, team) not in purses:
            purses[key, team] = _purses(access, terms.get(key), key, team)
        for found in purses[key, team]:
            which[found.cell] = found
            sums[found.cell, at] = sums.get((found.cell, at), 0) + amount
    return [(which[cell], at, amount) for (cell, at), amount in sums.items()]


def _limits(access: Access) -> bool:
    teams = any(team.limits for team in access.teams.values())
    return teams or bool(access.models) or any(terms.limits for _, terms in access.keys.values())


def _purses(access: Access, terms: Terms | None, key: str, team: str) -> Iterable[BudgetAccount]:
    found = access.teams.get(team)
    names = (*(terms.budgets if terms else ()), *(found.budgets if found else ()))
    return [purse(access.budgets[name], key) for name in dict.fromkeys(names)]


def _bounds(access: Access, terms: Terms | None, key: str, team: str, model: str) -> Iterable[Bound]:
    found = access.teams.get(team)
    return (
        *(bounds_of("key", key, terms.limits) if terms else ()),
        *(bounds_of("team", team, found.limits) if found else ()),
        *bounds_of("model", model, access.models.get(model, ())),
    )
