"""The tables of ``usage.db``, and what is asked of them.

Laws: one row in ``usage`` for each request that reached a model, and its figures in the sums of its hour and of its day, in one
transaction: sums and rows agree at any moment. Sums of days stay when rows are old; questions are answered from sums. Which
service wrote which rows stands in ``writers``: for the time in which one takes another's place. No prompt, no answer, no
secret.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

COLUMNS = (
    *("id", "time", "key", "team", "model", "provider", "upstream_model", "face", "stream", "status", "code"),
    *("ended_by", "input", "output", "cached", "cache_write", "reasoning", "estimated", "micro_usd", "price"),
    *("first_token_ms", "total_ms", "attempts", "generation", "trace_id"),
)
#: Of which a sum is kept apart; and what is summed up.
_GROUPS = ("key", "team", "model", "provider", "face")
SUMMED = ("requests", "input", "output", "cached", "micro_usd", "estimated", "errors")
#: What ``by`` may name.
BY = (*_GROUPS, "day")
HOUR, DAY = 3600, 86_400

_TYPES = {
    **dict.fromkeys(("time", "first_token_ms", "total_ms"), "REAL"),
    **dict.fromkeys(
        ("stream", "status", "input", "output", "cached", "cache_write", "reasoning", "estimated"), "INTEGER"
    ),
    **dict.fromkeys(("micro_usd", "attempts"), "INTEGER"),
}
_USAGE = ", ".join(f'"{name}" {_TYPES.get(name, "TEXT")}' for name in COLUMNS)
_GROUP_COLUMNS = ", ".join(f'"{name}" TEXT NOT NULL' for name in _GROUPS)
_SUM_COLUMNS = ", ".join(f"{name} INTEGER NOT NULL" for name in SUMMED)
_TABLES = (
    f"CREATE TABLE IF NOT EXISTS usage ({_USAGE})",
    "CREATE INDEX IF NOT EXISTS usage_time ON usage (time)",
    *(
        f"CREATE TABLE IF NOT EXISTS {table} (start INTEGER NOT NULL, {_GROUP_COLUMNS}, {_SUM_COLUMNS}, "
        f"PRIMARY KEY (start, {', '.join(f'{chr(34)}{name}{chr(34)}' for name in _GROUPS)})) WITHOUT ROWID"
        for table in ("hours", "days")
    ),
    "CREATE TABLE IF NOT EXISTS prices (hash TEXT PRIMARY KEY, price TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS writers (service TEXT, first INTEGER, last INTEGER, PRIMARY KEY (service, first)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS seen (name TEXT PRIMARY KEY, last_used REAL NOT NULL) WITHOUT ROWID",
)
_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
#: How many rows one statement writes: the interpreter's lock is given away for each statement, and to get it again takes the
#: loop's time too.
_SIZES = (256, 32, 4, 1)
_VALUES = f"({', '.join('?' * len(COLUMNS))})"
_INSERTS = {size: f"INSERT INTO usage ({_NAMES}) VALUES {', '.join([_VALUES] * size)}" for size in _SIZES}
_GROUPED = ", ".join(f"ifnull(\"{name}\", '')" for name in _GROUPS)
_FIGURES = (
    "count(*), sum(ifnull(input, 0)), sum(ifnull(output, 0)), sum(ifnull(cached, 0)), sum(ifnull(micro_usd, 0)), "
    "sum(ifnull(estimated, 0) != 0), sum(ifnull(status, 0) >= 400)"
)
_ADD = (
    "INSERT INTO {table} SELECT CAST(time AS INTEGER) / {width} * {width} AS begun, "
    f"{_GROUPED}, {_FIGURES} FROM usage WHERE rowid > ? GROUP BY begun, {_GROUPED} ON CONFLICT DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in SUMMED)
)
_SEEN = (
    "INSERT INTO seen SELECT ifnull(\"key\", ''), max(time) FROM usage WHERE rowid > ? GROUP BY 1 "
    "ON CONFLICT DO UPDATE SET last_used = max(last_used, excluded.last_used)"
)

#: The values of ``COLUMNS``.
Row = tuple[Any, ...]


def row_of(facts: Mapping[str, Any]) -> Row:
    """A row of what is known by name."""
    return tuple(facts.get(name) for name in COLUMNS)


def create(base: sqlite3.Connection) -> None:
    """Make what is not there yet."""
    for statement in _TABLES:
        base.execute(statement)


def add(base: sqlite3.Connection, rows: Sequence[Row], prices: Mapping[str, str], service: str = "") -> None:
    """Write ``rows`` of ``service``, and the ``prices`` that they name by hash; in one transaction, or not at all. Sums are made
    where the interpreter is not needed."""
    with base:
        base.execute("BEGIN IMMEDIATE")
        (last,) = base.execute("SELECT ifnull(max(rowid), 0) FROM usage").fetchone()
        at = 0
        for size in _SIZES:
            while len(rows) - at >= size:
                base.execute(_INSERTS[size], [*chain.from_iterable(rows[at : at + size])])
                at += size
        for table, width in (("hours", HOUR), ("days", DAY)):
            base.execute(_ADD.format(table=table, width=width), (last,))
        base.execute(_SEEN, (last,))
        end = last + len(rows)
        if not base.execute(
            "UPDATE writers SET last = ? WHERE service = ? AND last = ?", (end, service, last)
        ).rowcount:
            base.execute("INSERT OR REPLACE INTO writers VALUES (?, ?, ?)", (service, last + 1, end))
        if prices:
            base.executemany("INSERT OR IGNORE INTO prices VALUES (?, ?)", prices.items())


def usage(
    base: sqlite3.Connection, since: float, by: Sequence[str], key: str | None = None
) -> list[dict[str, Any]]:
    """The sums since then (to the hour) by those names; ``key``: only that one's."""
    words = ["date(start, 'unixepoch') AS day" if name == "day" else f'"{name}"' for name in by]
    start = int(since) // HOUR * HOUR
    whole = -(-start // DAY) * DAY  # whole days from their own sums, the hours before the first of them
    sums = ", ".join(f"sum({name}) AS {name}" for name in SUMMED)
    names = ", ".join(["start", *(f'"{name}"' for name in _GROUPS), *SUMMED])
    mine = ' AND "key" = :key' if key is not None else ""
    text = (
        f"SELECT {', '.join([*words, sums])} FROM ("
        f"SELECT {names} FROM hours WHERE start >= :start AND start < :whole{mine} UNION ALL "
        f"SELECT {names} FROM days WHERE start >= :whole{mine})"
    )
    if by:
        text += (
            f" GROUP BY {', '.join('day' if name == 'day' else f'{chr(34)}{name}{chr(34)}' for name in by)}"
        )
    given = {"start": start, "whole": whole, "key": key}
    found = [dict(zip([*by, *SUMMED], row, strict=True)) for row in base.execute(text, given)]
    return [row for row in found if row["requests"]]


#: Rows that are looked through for one page.
_LOOK = 50_000
Place = tuple[float, str]


def rows_before(
    base: sqlite3.Connection, before: Place, limit: int, wanted: Mapping[str, str], look: int = _LOOK
) -> tuple[list[dict[str, Any]], Place | None]:
    """The newest rows that ended before that time (of the same time: with a smaller id), newest first, and where to go on if
    there may be more. ``wanted``: the values of some of ``model``, ``provider``, ``key``; and ``status``: ``ok``, ``error``,
    ``cancelled``, or a number."""
    place = "(time < :time OR (time = :time AND id < :id))"
    given = {**wanted, "time": before[0], "id": before[1], "limit": limit + 1, "look": look}
    order = "ORDER BY time DESC, id DESC LIMIT"
    edge = base.execute(f"SELECT time, id FROM usage WHERE {place} {order} 1 OFFSET :look", given).fetchone()
    terms = [place]
    if edge is not None:  # not all of a large ledger for a name that nobody has used
        terms.append("(time > :edge OR (time = :edge AND id >= :edge_id))")
        given |= {"edge": edge[0], "edge_id": edge[1]}
    terms += [f'"{name}" = :{name}' for name in ("model", "provider", "key") if name in wanted]
    if "status" in wanted:
        terms.append(_STATUSES.get(wanted["status"], "CAST(status AS TEXT) = :status"))
    text = f"SELECT {_NAMES} FROM usage WHERE {' AND '.join(terms)} {order} :limit"
    found = [dict(zip(COLUMNS, row, strict=True)) for row in base.execute(text, given)]
    if len(found) > limit:
        return found[:limit], (found[limit - 1]["time"], found[limit - 1]["id"])
    return found, edge


_STATUSES = {
    "ok": "status < 400",
    "error": "(status >= 400 AND status <> 499)",
    "cancelled": "status = 499",
}


def row_named(base: sqlite3.Connection, name: str, most: int = 100_000) -> dict[str, Any] | None:
    """The row of the request with that id, if it is among the newest."""
    text = f"SELECT {_NAMES} FROM (SELECT * FROM usage ORDER BY time DESC LIMIT ?) WHERE id = ? LIMIT 1"
    row = base.execute(text, (most, name)).fetchone()
    return None if row is None else dict(zip(COLUMNS, row, strict=True))


def last_used(base: sqlite3.Connection) -> dict[str, float]:
    """When each key was used last."""
    return dict(base.execute("SELECT name, last_used FROM seen"))


def spent(
    base: sqlite3.Connection, since: float, until: float, width: int = 0
) -> list[tuple[float, str, str, int]]:
    """What was spent in that time: when, by which key and team, how many micro-dollars. ``width``: seconds that count as one moment, 0:
    all of it. From the sums of days and hours where they lie in it whole (as if all had been spent in their middle), else from rows."""
    first, last = -(-int(since) // HOUR) * HOUR, int(until) // HOUR * HOUR
    if width and width < HOUR:
        last = max(first, last - 2 * HOUR)  # what is newest is told as exactly as it counts
    if last < first:
        first = last = int(until)
    day, end = -(-first // DAY) * DAY, last // DAY * DAY
    if width or end <= day:
        day = end = last
    at = f"CAST(at AS INTEGER) / {width} * {width} + {width} / 2.0" if width else ":since"
    text = (
        f'SELECT {at} AS moment, "key", team, sum(micro_usd) FROM ('
        'SELECT time AS at, "key", team, micro_usd FROM usage WHERE time >= :since AND time < :first AND micro_usd > 0 UNION ALL '
        'SELECT time, "key", team, micro_usd FROM usage WHERE time >= :last AND time < :until AND micro_usd > 0 UNION ALL '
        'SELECT start + 1800.0, "key", team, micro_usd FROM hours WHERE start >= :first AND start < :day UNION ALL '
        'SELECT start, "key", team, micro_usd FROM days WHERE start >= :day AND start < :end UNION ALL '
        'SELECT start + 1800.0, "key", team, micro_usd FROM hours WHERE start >= :end AND start < :last) '
        'WHERE micro_usd > 0 GROUP BY moment, "key", team ORDER BY moment'
    )
    given = {"since": since, "until": until, "first": first, "last": last, "day": day, "end": end}
    return [(found, key or "", team or "", amount) for found, key, team, amount in base.execute(text, given)]


def newest(base: sqlite3.Connection) -> int:
    """The number of the row that was written last."""
    return int(base.execute("SELECT ifnull(max(rowid), 0) FROM usage").fetchone()[0])


class Other(NamedTuple):
    """A request that another service has served; ``micro_usd``: what was paid for it."""

    time: float
    key: str
    team: str
    model: str
    input: int
    output: int
    micro_usd: int


def by_others(base: sqlite3.Connection, service: str, after: int) -> tuple[int, list[Other]]:
    """Up to which row was looked, and which rows after ``after`` other services wrote."""
    last = newest(base)
    text = (
        "SELECT time, coalesce(\"key\", ''), coalesce(team, ''), coalesce(model, ''), coalesce(input, 0), coalesce(output, 0), "
        "coalesce(micro_usd, 0) FROM usage WHERE rowid > :after AND rowid <= :last AND NOT EXISTS "
        "(SELECT 1 FROM writers WHERE service = :service AND usage.rowid BETWEEN first AND writers.last)"
    )
    given = {"service": service, "after": after, "last": last}
    return last, list(map(Other._make, base.execute(text, given)))


#: The last so many seconds are recalled by tenths, what is older within an hour or two by minutes.
_FRESH = 130


def recent(
    base: sqlite3.Connection, since: float, now: float
) -> Iterator[tuple[float, str, str, str, int, int, int]]:
    """Since then: when, key, team, model, requests, tokens read and written, in the order of time. What came close together (the older,
    the less close) is one, as if all of it had come at its end, so that no limit is wider for it."""
    fresh, edge = now - _FRESH, int(now - HOUR) // HOUR * HOUR
    text = (
        'SELECT start + 3600.0 AS at, "key", team, model, sum(requests), sum(input), sum(output) FROM hours '
        'WHERE start > :since - 3600 AND start < :edge GROUP BY at, "key", team, model UNION ALL '
        'SELECT CAST(time / 60 AS INTEGER) * 60 + 60.0 AS at, "key", team, model, count(*), sum(input), sum(output) FROM usage '
        'WHERE time >= :edge AND time < :fresh GROUP BY at, "key", team, model UNION ALL '
        'SELECT CAST(time * 10 AS INTEGER) / 10.0 + 0.1 AS at, "key", team, model, count(*), sum(input), sum(output) FROM usage '
        'WHERE time >= :fresh GROUP BY at, "key", team, model ORDER BY at'
    )
    for at, key, team, model, count, read, wrote in base.execute(
        text, {"since": since, "edge": edge, "fresh": fresh}
    ):
        yield at, key or "", team or "", model or "", count, read or 0, wrote or 0


def prune(base: sqlite3.Connection, before: float, most: int = 2000) -> int:
    """Take the oldest rows away, and the sums of their hours; how many rows that were. Those of days stay."""
    with base:
        base.execute("BEGIN IMMEDIATE")
        gone = base.execute(
            "DELETE FROM usage WHERE rowid IN (SELECT rowid FROM usage WHERE time < ? ORDER BY time LIMIT ?)",
            (before, most),
        ).rowcount
        base.execute("DELETE FROM writers WHERE last < (SELECT min(rowid) FROM usage)")
        base.execute("DELETE FROM hours WHERE start < ?", (int(before) // DAY * DAY,))
    return gone
