"""``GET /console/api/money``: keys, budgets with a forecast, and what was used; ``/console/api/usage.csv``: the same to take away.

Laws: the figures are those of ``/keys`` and ``/usage``; a forecast is a straight line.
"""

from __future__ import annotations

import csv
import io
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from handlers.base.usage_report import by_of, keys_of, since_of
from handlers.console.base import ConsoleHandler
from llm_proxy.console.finished import newest
from llm_proxy.console.money import forecast
from llm_proxy.errors import Unavailable
from llm_proxy.live.access import ledger_tables as tables
from llm_proxy.live.access.meter import Meter
from llm_proxy.live.access.periods import period, window_start, written
from llm_proxy.live.access.plan import purse
from llm_proxy.live.access.reservation import Now
from llm_proxy.live.access.values import Access
from llm_proxy.live.access.words import rows_of

_SUMMED = ("requests", "input", "output", "cached", "micro_usd", "estimated", "errors")
_DEFAULT = "30d"
#: Budgets that are told: one that each key has for itself is as many as there are keys.
_MOST = 2000


class UsageOf(ConsoleHandler):
    """What asks the ledger."""

    async def used(self, since: float, by: list[str]) -> list[dict[str, Any]]:
        """As ``/usage`` tells it. Raises ``Unavailable``."""
        ledger = self.gateway.books.ledger
        if ledger is None:
            return []
        try:
            return await self.in_thread(ledger.ask, partial(tables.usage, since=since, by=by, key=None))
        except (sqlite3.Error, OSError) as error:
            raise Unavailable("the usage database cannot be read just now", retry_after="5") from error


class MoneyHandler(UsageOf):
    """All that the page of keys and money shows."""

    endpoint = "/console/api/money"

    async def get(self) -> None:
        since = since_of(self.get_query_argument("since", _DEFAULT), time.time())
        access, books = self.gateway.registry.current.access, self.gateway.books
        rows = await self.used(since, ["key", "team", "model"])
        days = await self.used(since, ["day"])
        keys: list[dict[str, Any]] = []
        budgets: list[dict[str, Any]] = []
        if access is None:
            rows = await self._remembered()
        else:
            used: dict[str, float] = {}
            if books.ledger is not None:
                try:
                    used = await self.in_thread(books.ledger.ask, tables.last_used)
                except (sqlite3.Error, OSError):
                    used = {}  # the rest is worth telling
            now = books.now()
            keys = await self.in_thread(keys_of, access, books.meter, used, now)
            budgets = await self.in_thread(budgets_of, access, books.meter, now)
        told = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.send_json(
            {
                "keys": keys,
                "budgets": budgets,
                "usage": {"since": told, "rows": rows},
                "days": [
                    {name: day[name] for name in ("day", "requests", "input", "output", "micro_usd")}
                    for day in sorted(days, key=lambda day: day["day"])
                ],
                "kept": books.ledger.kept if books.ledger is not None and access is not None else "memory",
                "has_keys": access is not None,
            }
        )

    head = get

    async def _remembered(self) -> list[dict[str, Any]]:
        """Without keys nothing is written: what the last requests have used, by model."""
        return summed(newest(await self.console.everywhere("recent", None), 10_000))


class CsvHandler(UsageOf):
    """The rows of ``/usage`` as a table."""

    endpoint = "/console/api/usage.csv"

    async def get(self) -> None:
        since = since_of(self.get_query_argument("since", _DEFAULT), time.time())
        by = by_of(self.get_query_argument("by", "key,model"))
        rows = await self.used(since, by)
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", 'attachment; filename="usage.csv"')
        self.finish(await self.in_thread(table, [*by, *_SUMMED], rows))

    head = get


def table(columns: list[str], rows: Iterable[dict[str, Any]]) -> bytes:
    """RFC 4180. A text that a spreadsheet would take for a formula is marked as text."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value


def summed(requests: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """By model, with the names of ``/usage``."""
    found: dict[str, Counter[str]] = {}
    for one in requests:
        sums = found.setdefault(one["model"] or "", Counter(dict.fromkeys(_SUMMED, 0)))
        figures = {
            "requests": 1,
            "input": one["prompt_tokens"] if type(one["prompt_tokens"]) is int else 0,
            "output": one["completion_tokens"] if type(one["completion_tokens"]) is int else 0,
            "cached": one["cached_tokens"] or 0,
            "micro_usd": one["micro_usd"] or 0,
            "errors": int((one["status"] or 0) >= 400),
        }
        sums.update(figures)
    return [{"key": "", "team": "", "model": model, **sums} for model, sums in sorted(found.items())]


def budgets_of(access: Access, meter: Meter, now: Now) -> list[dict[str, Any]]:
    """Each budget once; one that is each key's, once for each key that has it."""
    keys = {name: terms for name, (_, terms) in rows_of(access).items()}
    told: list[dict[str, Any]] = []
    for budget in access.budgets.values():
        owners = [""]
        if budget.each:
            owners = [
                name
                for name, terms in keys.items()
                if budget.name
                in (*terms.budgets, *(access.teams[terms.team].budgets if terms.team in access.teams else ()))
            ]
        for owner in owners:
            if len(told) >= _MOST:
                return told
            spent, reserved = meter.seen_purse(purse(budget, owner), now)
            rolling = bool(budget.rolling)
            start = window_start(budget, now.wall)
            end = now.wall if rolling else period(budget, now.wall)[1]
            resets = now.wall + budget.rolling if rolling else end
            used = spent / 1_000_000
            told.append(
                {
                    "name": budget.name,
                    "of": owner or None,
                    "limit": budget.limit / 1_000_000,
                    "used": used,
                    "reserved": reserved / 1_000_000,
                    "resets": written(int(resets), budget.zone),
                    "period_start": written(start, budget.zone),
                    "period_end": written(int(end), budget.zone),
                    "forecast": round(used, 6) if rolling else forecast(used, start, end, now.wall),
                    "share": round(spent / budget.limit, 4) if budget.limit else None,
                }
            )
    return told


root_routes: list[tuple[str, Any]] = [
    ("/console/api/money", MoneyHandler),
    ("/console/api/usage.csv", CsvHandler),
]
