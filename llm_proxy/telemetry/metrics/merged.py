"""The sheets of all processes as one: counters and histograms added up, gauges of those processes that are there.

Laws: reads only; for any thread. A series of a model that is not configured any more is left out once it was not used for
long enough, though its place may not be free yet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from llm_proxy.telemetry.metrics.families import LAST_FAMILY, SERIES_DROPPED, Family
from llm_proxy.telemetry.metrics.shared_values import SharedValues

Exemplar = tuple[str, float, float]


@dataclass(slots=True)
class Total:
    """One series of the service. ``value`` is the sum of a histogram, whose fine buckets are ``counts``."""

    value: float
    used: float
    counts: list[float] = field(default_factory=list)
    exemplars: list[Exemplar | None] = field(default_factory=list)


#: A value of a gauge that is the same in all processes: family, labels as they are written, value.
Told = tuple[Family, str, float]
#: By family's number, then by labels.
Totals = list[dict[str, Total]]


def merged(
    sheets: SharedValues,
    alive: Collection[int],
    is_old: Callable[[str, float], bool],
    told: Iterable[Told] = (),
) -> Totals:
    """``alive``: the processes that are there; ``is_old`` says of labels and last use whether a series is left out."""
    totals: Totals = [{} for _ in range(LAST_FAMILY + 1)]
    for sheet in sheets.rows:
        is_there = sheet.pid in alive
        for series in sheet.read():
            family = series.family
            if family.kind == "gauge" and not is_there:
                continue
            numbers = series.numbers
            found = totals[family.number].get(series.labels)
            ladder = family.ladder
            counts = numbers[2 : 3 + len(ladder.fine)] if ladder else []
            exemplars = sheet.exemplars(family, numbers) if family.exemplars else []
            if found is None:
                totals[family.number][series.labels] = Total(numbers[1], numbers[0], counts, exemplars)
                continue
            found.value += numbers[1]
            found.used = max(found.used, numbers[0])
            found.counts = [a + b for a, b in zip(found.counts, counts, strict=True)]
            found.exemplars = list(map(_newer, found.exemplars, exemplars))
    for rows in totals:
        for labels in [labels for labels, total in rows.items() if is_old(labels, total.used)]:
            del rows[labels]
    for family, labels, value in told:
        totals[family.number][labels] = Total(value, 0.0)
    totals[SERIES_DROPPED.number][""] = Total(sum(sheet.dropped for sheet in sheets.rows), 0.0)
    return totals


def _newer(one: Exemplar | None, other: Exemplar | None) -> Exemplar | None:
    if one is None or other is None:
        return one or other
    return one if one[2] >= other[2] else other
