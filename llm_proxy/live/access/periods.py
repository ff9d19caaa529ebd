"""The periods of budgets: hours, days, weeks (from Monday) and months of a calendar in a time zone, and rolling windows.

Laws: pure; times are seconds since the epoch. A day is as long as the zone says, also where clocks are put forward or back. A
rolling window is made of slices: what was spent leaves it when its whole slice has.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from llm_proxy.live.access.values import Budget

#: Slices of a rolling window.
SLICES = 60


def period(budget: Budget, now: float) -> tuple[int, int]:
    """When the period that ``now`` belongs to begins and ends; of a rolling one: its slice."""
    if budget.rolling:
        width = slice_width(budget)
        start = int(now) // width * width
        return start, start + width
    start, end = _calendar(budget.per, budget.zone, int(now) // 900)
    return start, end


def slice_width(budget: Budget) -> int:
    """Seconds of a slice."""
    return max(1, -(-budget.rolling // SLICES))


def window_start(budget: Budget, now: float) -> int:
    """From when on what was spent counts."""
    if not budget.rolling:
        return period(budget, now)[0]
    return period(budget, now)[0] - (slices(budget) - 1) * slice_width(budget)


def slices(budget: Budget) -> int:
    """How many slices the window touches at most."""
    return -(-budget.rolling // slice_width(budget)) + 1


@lru_cache(maxsize=1024)
def _calendar(per: str, zone: str, quarter: int) -> tuple[int, int]:
    """No clock is put forward or back, and no period begins, within a quarter of an hour."""
    there = ZoneInfo(zone)
    local = datetime.fromtimestamp(quarter * 900, UTC).astimezone(there)
    if per == "hour":
        start = quarter * 900 - local.minute * 60 - local.second
        return start, start + 3600
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
    if per == "week":
        day -= timedelta(days=day.weekday())
        following = day + timedelta(days=7)
    elif per == "month":
        day = day.replace(day=1)
        following = (day + timedelta(days=32)).replace(day=1)
    else:
        following = day + timedelta(days=1)
    return _instant(day, there), _instant(following, there)


def _instant(local: datetime, zone: ZoneInfo) -> int:
    """When that midnight is; where there is none, when the day begins."""
    return int(local.replace(tzinfo=zone).timestamp())


def written(at: float, zone: str) -> str:
    """RFC 3339 with the offset of the zone."""
    return datetime.fromtimestamp(at, ZoneInfo(zone)).isoformat(timespec="seconds")
