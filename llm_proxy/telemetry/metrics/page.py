"""The page that Prometheus reads: its text format 0.0.4, or OpenMetrics 1.0 with exemplars.

Sources: prometheus.io/docs/instrumenting/exposition_formats; the specification of OpenMetrics (prometheus.io/docs/specs/om).
Laws: pure; a page has at most as many lines of values as was said, and what is left out is counted on it. Requests of label
sets for which there is no room are told as those of ``model="other"``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from llm_proxy.telemetry.metrics.families import (
    FAMILIES,
    OTEL_LABELS,
    REQUESTS,
    SERIES_DROPPED,
    Family,
    Names,
)
from llm_proxy.telemetry.metrics.merged import Exemplar, Total, Totals
from llm_proxy.telemetry.metrics.meter import model_of

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def wants_openmetrics(accept: str) -> bool:
    """Whether an ``Accept`` prefers it: it is named, and nothing else with more weight."""
    weights: dict[str, float] = {}
    for item in accept.lower()[:1000].split(","):
        kind, *more = (part.strip() for part in item.split(";"))
        weight = 1.0
        for part in more:
            if part.startswith("q="):
                try:
                    weight = float(part[2:])
                except ValueError:
                    weight = 0.0
            elif part.startswith("version=") and not _is_known(kind, part[8:].strip('"')):
                weight = 0.0
        weights[kind] = max(weights.get(kind, 0.0), weight)
    named = weights.get("application/openmetrics-text", 0.0)
    return named > 0 and named >= max(weights.get("text/plain", 0.0), weights.get("*/*", 0.0))


def _is_known(kind: str, version: str) -> bool:
    return kind != "application/openmetrics-text" or version in ("0.0.1", "1.0.0")


def page(totals: Totals, names: Names, limit: int, *, openmetrics: bool) -> bytes:
    """All that is told of ``totals``, which are changed on the way, in at most ``limit`` lines of values."""
    _fit(totals, names, limit)
    lines: list[str] = []
    for family in FAMILIES:
        rows = totals[family.number]
        if not rows or not _is_told(family, names):
            continue
        lines += _head(family, names, openmetrics)
        for labels in sorted(rows):
            lines += _series(family, names, labels, rows[labels], openmetrics)
    if openmetrics:
        lines.append("# EOF")
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _is_told(family: Family, names: Names) -> bool:
    return not family.inside and family.only in (None, names)


def _fit(totals: Totals, names: Names, limit: int) -> None:
    """Leave out what is too much, of what there are many of: the last family first, requests never without a word."""
    told = [family for family in FAMILIES if _is_told(family, names)]
    room = limit - sum(family.lines for family in told if not family.labels)
    for family in told:
        rows = totals[family.number]
        fit = max(0, room // family.lines)
        if family.labels and len(rows) > fit:
            for labels in sorted(rows)[fit:]:
                total = rows.pop(labels)
                if family is REQUESTS:
                    _to_others(rows, labels, total)
                totals[SERIES_DROPPED.number][""].value += 1
        if family.labels:
            room -= len(rows) * family.lines


def _to_others(rows: dict[str, Total], labels: str, total: Total) -> None:
    other = labels.replace(f'model="{model_of(labels)}"', 'model="other"', 1)
    if other in rows:
        rows[other].value += total.value
    else:
        rows[other] = total


def _head(family: Family, names: Names, openmetrics: bool) -> Iterator[str]:
    name, kind = family.told_as(names), family.kind
    if openmetrics and kind == "info":
        name = name.removesuffix("_info")
    elif not openmetrics:
        name += "_total" if kind == "counter" else ""
        kind = "gauge" if kind == "info" else kind
    yield f"# HELP {name} {family.help}"
    yield f"# TYPE {name} {kind}"


def _series(family: Family, names: Names, labels: str, total: Total, openmetrics: bool) -> Iterator[str]:
    name = family.told_as(names)
    if names == "otel" and family.otel:
        labels = _renamed(family, labels)
    if family.ladder is None:
        shown = name + ("_total" if family.kind == "counter" else "")
        yield f"{shown}{{{labels}}} {_number(total.value)}" if labels else f"{shown} {_number(total.value)}"
        return
    before = f"{labels}," if labels else ""
    counts = family.ladder.told(total.counts)
    bounds = [*map(_bound, family.ladder.bounds), "+Inf"]
    exemplars = total.exemplars if openmetrics else []
    for at, (bound, count) in enumerate(zip(bounds, counts, strict=True)):
        line = f'{name}_bucket{{{before}le="{bound}"}} {_number(count)}'
        yield line + _exemplar(exemplars[at]) if exemplars else line
    shown = f"{{{labels}}}" if labels else ""
    yield f"{name}_sum{shown} {_number(total.value)}"
    yield f"{name}_count{shown} {_number(counts[-1])}"


def _renamed(family: Family, labels: str) -> str:
    """The labels under the names of the conventions; their values have no line ends and no bare quotation mark."""
    for ours, theirs in OTEL_LABELS.items():
        if ours in family.labels:
            labels = (
                labels.replace(f'{ours}="', f'{theirs}="', 1)
                if labels.startswith(f'{ours}="')
                else (labels.replace(f',{ours}="', f',{theirs}="', 1))
            )
    return labels


def _exemplar(found: Exemplar | None) -> str:
    if found is None:
        return ""
    trace, value, at = found
    return f' # {{trace_id="{trace}"}} {_number(value)} {at:.3f}'


def _bound(bound: float) -> str:
    return repr(float(bound))


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
