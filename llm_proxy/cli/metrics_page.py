"""A page of metrics, read back. Pure; a line that is none is passed over."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """``values`` by name and labels (without ``le``); ``buckets`` of histograms: bounds and cumulative counts."""

    values: Mapping[tuple[str, Labels], float] = field(default_factory=dict)
    buckets: Mapping[tuple[str, Labels], list[tuple[float, float]]] = field(default_factory=dict)


def read_page(text: str) -> Page:
    """The samples of Prometheus' text format."""
    values: dict[tuple[str, Labels], float] = {}
    buckets: dict[tuple[str, Labels], list[tuple[float, float]]] = {}
    for line in text.splitlines():
        found = None if line.startswith("#") else _LINE.match(line)
        if found is None:
            continue
        try:
            value = float(found[3])
            labels = {name: _ESCAPE.sub(_plain, text) for name, text in _LABEL.findall(found[2] or "")}
            bound = labels.pop("le", None)
            key = (found[1], tuple(sorted(labels.items())))
            if bound is None:
                values[key] = value
            else:
                name = found[1].removesuffix("_bucket")
                buckets.setdefault((name, key[1]), []).append((float(bound), value))
        except ValueError:
            continue
    return Page(values, buckets)


def _plain(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]


def quantile(
    older: list[tuple[float, float]], newer: list[tuple[float, float]], share: float
) -> float | None:
    """Below which that share lies of what came between two pages, as ``histogram_quantile`` tells it."""
    before = dict(older)
    counts = [(bound, count - before.get(bound, 0.0)) for bound, count in sorted(newer)]
    if not counts or counts[-1][1] <= 0:
        return None
    rank, last_bound, last_count = share * counts[-1][1], 0.0, 0.0
    for bound, count in counts:
        if count >= rank:
            if bound == float("inf"):
                return last_bound
            inside = count - last_count
            return bound if inside <= 0 else last_bound + (bound - last_bound) * (rank - last_count) / inside
        last_bound, last_count = bound, count
    return last_bound
