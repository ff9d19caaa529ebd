"""The last quarter of an hour in pieces of five seconds, for the charts.

Laws: bounded, whatever comes; filled from requests that have ended, a batch at a time. Times are kept as counts on a ladder of
which eight steps double, so that what several processes have seen adds up; a percentile is right to 5 %. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import log2
from typing import Any

from llm_proxy.console.finished import are_counts, count_in

#: Seconds of a piece, and how many are kept.
STEP, KEPT = 5, 180
#: Steps of the ladder for each doubling.
_FINE = 8

#: What a piece counts; the rest of it is ``first`` (a ladder: step -> how many).
_COUNTS = ("requests", "errors", "cancelled", "input", "output", "speed", "speeds", "running")
Piece = dict[str, Any]


def empty(at: int) -> Piece:
    """The piece that begins at ``at`` (Unix seconds)."""
    return {"at": at, **dict.fromkeys(_COUNTS, 0), "first": {}}


class History:
    """One process's."""

    def __init__(self) -> None:
        self._pieces: dict[int, Piece] = {}
        #: The piece of the newest request.
        self._newest: Piece | None = None

    def add_all(self, ended: Sequence[tuple[Any, ...]]) -> None:
        """``add`` each of them; many of the usual kind, whole answers of one piece, are no more work than a few."""
        ats, statuses, read, wrote, first, speed = zip(*ended, strict=True)
        piece, count = self.piece(ats[0]), len(ended)
        usual = (
            statuses.count(200) == first.count(None) == speed.count(None) == count
            and 0 <= min(ats) - piece["at"] <= max(ats) - piece["at"] < STEP
            and are_counts(read)
            and are_counts(wrote)
        )
        if not usual:
            for one in ended:
                self.add(*one)
            return
        piece["requests"] += count
        piece["input"] += sum(read)
        piece["output"] += sum(wrote)

    def add(
        self,
        at: float,
        status: int,
        read: Any,
        wrote: Any,
        first_ms: float | None = None,
        speed: float | None = None,
    ) -> None:
        """A request has ended at ``at``; ``read`` and ``wrote``: what its upstream says of tokens; ``speed``: tokens a second of its
        stream."""
        piece = self._newest
        if piece is None or not 0 <= at - piece["at"] < STEP:
            piece = self._newest = self.piece(at)
        piece["requests"] += 1
        if status == 499:
            piece["cancelled"] += 1
        elif status >= 400:
            piece["errors"] += 1
        piece["input"] += count_in(read)
        piece["output"] += count_in(wrote)
        if first_ms is not None and first_ms > 0:
            step = round(log2(first_ms) * _FINE)
            piece["first"][step] = piece["first"].get(step, 0) + 1
        if speed is not None:
            piece["speed"] += speed
            piece["speeds"] += 1

    def piece(self, at: float) -> Piece:
        """The one that ``at`` belongs to."""
        start = int(at) // STEP * STEP
        found = self._pieces.get(start)
        if found is None:
            found = self._pieces[start] = empty(start)
            for old in [one for one in self._pieces if one <= start - KEPT * STEP]:
                del self._pieces[old]
        return found

    def pieces(self, now: float, since: float = 0.0) -> list[Piece]:
        """Those that are complete, oldest first, which begin at ``since`` or later."""
        first = max(since, now - KEPT * STEP)
        return [one for start, one in sorted(self._pieces.items()) if first <= start <= now - STEP]


def merged(several: Iterable[Iterable[Piece]]) -> list[Piece]:
    """The pieces of several processes as one row of them."""
    found: dict[int, Piece] = {}
    for pieces in several:
        for piece in pieces:
            sums = found.setdefault(piece["at"], empty(piece["at"]))
            for name in _COUNTS:
                sums[name] += piece[name]
            sums["first"] = Counter(sums["first"]) + Counter(
                {int(step): count for step, count in piece["first"].items()}  # of JSON: texts
            )
    return [found[at] for at in sorted(found)]


def point(piece: Piece) -> dict[str, Any]:
    """A piece as the charts want it."""
    return {
        "at": piece["at"],
        **{name: piece[name] for name in ("requests", "errors", "cancelled", "input", "output")},
        "first_token_ms": {"p50": _quantile(piece["first"], 0.5), "p95": _quantile(piece["first"], 0.95)},
        "tokens_per_second": round(piece["speed"] / piece["speeds"], 2) if piece["speeds"] else None,
        "running": piece["running"],
    }


def points(pieces: Iterable[Piece], now: float) -> list[dict[str, Any]]:
    """A point for each piece of time, also where nothing happened."""
    known = {piece["at"]: piece for piece in pieces}
    last = int(now) // STEP * STEP - STEP
    starts = range(last - (KEPT - 1) * STEP, last + 1, STEP)
    return [point(known.get(start) or empty(start)) for start in starts]


def _quantile(ladder: Mapping[int, int], share: float) -> float | None:
    total = sum(ladder.values())
    if not total:
        return None
    seen = 0
    for step in sorted(ladder):
        seen += ladder[step]
        if seen >= share * total:
            return round(float(2.0 ** (step / _FINE)), 2)
    return None
