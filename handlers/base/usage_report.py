"""What ``/usage`` and ``/keys`` tell, and the console with them: what is asked for, and who has a key and how far its limits are.

Laws: no hash is told.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.live.access import ledger_tables as tables
from llm_proxy.live.access.meter import Meter
from llm_proxy.live.access.periods import period, written
from llm_proxy.live.access.plan import bounds_of, purses_of
from llm_proxy.live.access.reservation import Now
from llm_proxy.live.access.values import Access, Grant
from llm_proxy.live.access.words import rows_of

_SPAN = re.compile(r"([1-9][0-9]{0,5})([hdw])")
_SECONDS = {"h": 3600, "d": 86_400, "w": 604_800}


def since_of(text: str, now: float) -> float:
    """Seconds since the epoch. Raises ``InvalidRequest``."""
    if found := _SPAN.fullmatch(text):
        return max(0.0, now - int(found[1]) * _SECONDS[found[2]])
    try:
        day = datetime.fromisoformat(text)
        return (day if day.tzinfo else day.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        text = 'must be hours, days or weeks such as "12h" or "30d", or a date such as "2026-11-01"'
        raise InvalidRequest.of([Problem("since", text)]) from None


def by_of(text: str) -> list[str]:
    """Raises ``InvalidRequest``."""
    names = list(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
    if not set(names) <= set(tables.BY):
        raise InvalidRequest.of(
            [Problem("by", f"must be some of {', '.join(tables.BY)}, with commas between")]
        )
    return names


def keys_of(access: Access, meter: Meter, used: dict[str, float], now: Now) -> list[dict[str, Any]]:
    """Each key, its limits and its budgets."""
    found = []
    for name, (_, terms) in rows_of(access).items():
        grant = access.grant_of(name, terms)
        at = used.get(name)
        found.append(
            {
                "name": name,
                "team": terms.team or None,
                "last_used": round(at, 3) if at is not None else None,
                "windows": _windows(grant, meter, now),
                "budgets": _budgets(access, grant, meter, now),
            }
        )
    return found


def _windows(grant: Grant, meter: Meter, now: Now) -> list[dict[str, Any]]:
    bounds = bounds_of("key", grant.name, grant.terms.limits)
    if grant.team_name:
        bounds += bounds_of("team", grant.team_name, grant.team.limits)
    told = []
    for bound in bounds:
        left, full, held = meter.seen(bound, now)
        size = bound.limit.limit if bound.kind == "concurrent" else bound.limit.burst
        at = datetime.fromtimestamp(now.wall + full / 1e9, UTC).isoformat(timespec="milliseconds")
        told.append(
            {
                "kind": bound.kind,
                "of": bound.level,
                "limit": bound.limit.limit,
                "used": size - left,
                "reserved": held,
                "resets": at,
            }
        )
    return told


def _budgets(access: Access, grant: Grant, meter: Meter, now: Now) -> list[dict[str, Any]]:
    told = []
    for purse in purses_of(access, grant):
        spent, reserved = meter.seen_purse(purse, now)
        budget = purse.budget
        end = now.wall + budget.rolling if budget.rolling else period(budget, now.wall)[1]
        told.append(
            {
                "name": budget.name,
                "limit": budget.limit / 1_000_000,
                "used": spent / 1_000_000,
                "reserved": reserved / 1_000_000,
                "resets": written(int(end), budget.zone),
            }
        )
    return told
