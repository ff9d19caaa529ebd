"""Figures and what is expected of them: rows of medians, and a verdict for each target. Nothing here measures.

Laws: a figure is the median of its runs; an added latency is the median of what each run took longer than the direct
call of the same run. What was not measured has no verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

GATEWAY, ROUTER, DIRECT = "gateway", "vllm-router", "direct"
#: Others, each with a column where it was measured: another router in Rust, what many come from, and the gateway under Debian's own Python.
SMG, LITELLM, SYSTEM = "smg", "LiteLLM", "gateway, Debian's Python"
OTHERS = (SMG, LITELLM, SYSTEM)


@dataclass(slots=True)
class Row:
    """One line of the table: values by target, one for each run, and its bad answers; ``added``: what is shown of a
    target is by how much it exceeds the direct call."""

    key: str
    name: str
    unit: str
    added: bool = False
    values: dict[str, list[float]] = field(default_factory=dict)
    bad: dict[str, int] = field(default_factory=dict)

    def add(self, target: str, value: float, bad: int = 0) -> None:
        """One run's figure."""
        self.values.setdefault(target, []).append(value)
        if bad:
            self.bad[target] = self.bad.get(target, 0) + bad

    def runs(self, target: str) -> list[float]:
        """The figures of the runs, as they are shown."""
        values = self.values.get(target, [])
        if values and self.added and target != DIRECT:
            # A slow target is measured in the first runs only.
            return [
                value - direct for value, direct in zip(values, self.values.get(DIRECT, []), strict=False)
            ]
        return values

    def get(self, target: str) -> float | None:
        """The median; None if it was not measured."""
        runs = self.runs(target)
        return median(runs) if runs else None


Table = Mapping[str, Row]


def number(value: float) -> str:
    """Three digits or so, whatever the size."""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f}"


def _cell(row: Row, target: str) -> str:
    runs = row.runs(target)
    if not runs:
        return ""
    spread = f" ({number(min(runs))} to {number(max(runs))})" if len(runs) > 1 and target != DIRECT else ""
    return number(median(runs)) + spread


def _times(row: Row) -> str:
    ours, theirs = row.get(GATEWAY), row.get(ROUTER)
    return f"{ours / theirs:.2f}" if ours and theirs and min(ours, theirs) > 0 else ""


def _markdown(lines: Iterable[Iterable[str]]) -> str:
    """The first line is the head; columns are as wide as their widest cell."""
    cells = [list(line) for line in lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rows = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    rows.insert(1, " | ".join("-" * width for width in widths))
    return "".join(f"| {row} |\n" for row in rows)


def figures(rows: Iterable[Row]) -> str:
    """All rows as a Markdown table."""
    rows = list(rows)
    others = [name for name in OTHERS if any(name in row.values for row in rows)]
    shown = [GATEWAY, ROUTER, *others, DIRECT]
    head = ["load", "unit", *shown, "gateway : router", "bad answers"]
    lines = [
        [
            row.name,
            row.unit,
            *(_cell(row, target) for target in shown),
            _times(row),
            ", ".join(f"{target} {count}" for target, count in sorted(row.bad.items())) or "0",
        ]
        for row in rows
    ]
    return _markdown([head, *lines])


@dataclass(frozen=True, slots=True)
class Goal:
    """A target: the measured value must not exceed ``must`` and should not exceed ``aim`` (None: there is none)."""

    name: str
    must: float | None
    aim: float | None
    unit: str
    measured: Callable[[Table], float | None]

    def line(self, table: Table) -> list[str]:
        """Name, must, aim, what was measured, and the two verdicts."""
        value = self.measured(table)
        limits = (self.must, self.aim)
        return [
            self.name,
            *("" if limit is None else f"{limit:g} {self.unit}" for limit in limits),
            "not measured" if value is None else f"{number(value)} {self.unit}",
            *(
                "" if limit is None or value is None else "yes" if value <= limit else "no"
                for limit in limits
            ),
        ]


def _of(*keys: str) -> Callable[[Table], float | None]:
    """The gateway's figure; the worst of several."""

    def measured(table: Table) -> float | None:
        found = [value for key in keys if key in table and (value := table[key].get(GATEWAY)) is not None]
        return max(found) if len(found) == len(keys) else None

    return measured


def _ratio(key: str, target: str, to: str) -> Callable[[Table], float | None]:
    """The gateway's figure, divided by that of ``target`` in the row ``to``."""

    def measured(table: Table) -> float | None:
        if key not in table or to not in table:
            return None
        ours, theirs = table[key].get(GATEWAY), table[to].get(target)
        return ours / theirs if ours is not None and theirs else None

    return measured


#: The rows of failed requests, by what one of four upstreams does.
FAILED = tuple(f"routing.{fault}.failed" for fault in ("error", "busy", "reset", "gone", "flap"))
GOALS = (
    Goal("CPU of a request that is not streamed", 2, 1.5, "x vllm-router", _ratio("answer.cpu", ROUTER, "answer.cpu")),
    Goal("CPU of a token, paced stream, OpenAI dialect", 1, None, "x vllm-router", _ratio("token.cpu", ROUTER, "token.cpu")),
    Goal("CPU of a stream whose tokens come at once", 1, None, "x vllm-router", _ratio("burst.cpu", ROUTER, "burst.cpu")),
    Goal("CPU of a token, Ollama NDJSON to OpenAI SSE", 1.3, None, "x OpenAI dialect", _ratio("ollama.cpu", GATEWAY, "token.cpu")),
    Goal("added median latency, 1 connection, not streamed", 0.15, None, "ms", _of("latency.1.p50")),
    Goal("1,000 paced streams of 2 s, 99th percentile", 2.3, None, "s", _of("pace.1000")),
    Goal("1,500 paced streams of 2 s, 99th percentile", 2.3, None, "s", _of("pace.1500")),
    Goal("memory of an open, idle stream (the worse of 1,000 and 5,000)", 20, None, "KiB", _of("memory.1000", "memory.5000")),
    Goal("growth of resident memory over 1 million requests", 5, None, "%", _of("flat.million")),
    Goal("start to the first answer", 0.4, None, "s", _of("start")),
    Goal("key, limits, budgets, ledger, metrics, traces of 10 %, all configured: CPU of a request", 1.35, None, "x plain", _of("configured")),
    Goal("a key, three limits and two budgets: CPU of a request more", 15, None, "us", _of("access.whole")),
    Goal("eight upstreams, beyond one: CPU of a request", 10, None, "us", _of("routing.eight")),
    Goal("failed requests while one of four upstreams fails, whatever way", 0, None, "%", _of(*FAILED)),
    Goal("counting a request", 4, 2, "us", _of("telemetry.request")),
    Goal("a scrape of 5,000 lines holds the loop", 5, 2, "ms", _of("telemetry.scrape")),
    Goal("all that the gateway tells of itself", 8, 4, "% of a request's CPU", _of("telemetry.all")),
    Goal("ten open pages of the console under load", 2, 1, "% of a core", _of("console.pages")),
)  # fmt: skip


def verdicts(table: Table) -> str:
    """Every target as a Markdown table."""
    head = ["target", "must", "aim", "measured", "must reached", "aim reached"]
    return _markdown([head, *(goal.line(table) for goal in GOALS)])
