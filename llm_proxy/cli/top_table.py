"""The table of ``llm-proxy top``: two looks at a gateway, made into lines of text. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_proxy.cli.metrics_page import Labels, Page, quantile

_OURS = "llm_proxy_"
_BOLD, _DIM, _RED, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[0m"
#: Columns: head and width; the first takes what is left.
_COLUMNS = (
    ("RUN", 5),
    ("REQ/S", 7),
    ("ERR%", 6),
    ("IN/S", 7),
    ("OUT/S", 7),
    ("FIRST p50", 10),
    ("p95", 8),
    ("TOKEN p50", 10),
    ("WHOLE p95", 10),
)
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Look:
    """Two pages ``seconds`` apart, and the state at the second."""

    older: Page
    newer: Page
    status: Mapping[str, Any]
    seconds: float
    url: str


def table(look: Look, width: int, height: int, *, colour: bool) -> str:
    """At most ``height`` lines, of at most ``width`` characters."""
    rows = sorted(_rows(look), key=lambda row: (-row.run, -row.requests, row.name))
    head = [*_head(look), ""]
    tail = ["", *_inside(look)] if look.status.get("inside") else []
    room = max(1, height - len(head) - len(tail) - 1)
    name = min(
        _LONGEST, max([5, *(len(row.name) for row in rows)]), max(10, width - sum(w for _, w in _COLUMNS))
    )
    lines = [(line, _DIM if at else _BOLD) for at, line in enumerate(head)]
    title = f"{'MODEL':<{name}}" + "".join(f"{text:>{size}}" for text, size in _COLUMNS)
    lines.append((title, _BOLD))
    shown = rows[: room - 1] if len(rows) > room else rows
    lines += [(row.line(name), _RED if row.errors > 0.05 else "") for row in shown]
    if len(shown) < len(rows):
        lines.append((f"... and {len(rows) - len(shown)} more", _DIM))
    if not rows:
        lines.append(("no requests since it began", _DIM))
    lines += [(line, _DIM if at else "") for at, line in enumerate(tail)]
    return "\n".join(
        f"{style}{line[:width]}{_PLAIN}" if colour and style else line[:width] for line, style in lines
    )


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    run: int
    requests: float
    errors: float
    read: float
    wrote: float
    first: float | None
    first_late: float | None
    token: float | None
    whole: float | None

    def line(self, name: int) -> str:
        label = self.name if len(self.name) <= name else self.name[: name - 1] + "~"
        cells = (
            str(self.run or ""),
            _rate(self.requests),
            f"{100 * self.errors:.0f}" if self.errors else "",
            _rate(self.read),
            _rate(self.wrote),
            *(_time(value) for value in (self.first, self.first_late, self.token, self.whole)),
        )
        return f"{label:<{name}}" + "".join(
            f"{cell:>{size}}" for cell, (_, size) in zip(cells, _COLUMNS, strict=True)
        )


def _rows(look: Look) -> list[_Row]:
    models = {
        dict(labels)["model"]
        for name, labels in look.newer.values
        if name == _OURS + "requests_total" and "model" in dict(labels)
    }
    return [_row(look, model) for model in models]


def _row(look: Look, model: str) -> _Row:
    requests = _growth(look, "requests_total", model=model)
    failed = sum(
        _growth(look, "requests_total", model=model, code=code)
        for code in {
            dict(labels).get("code", "")
            for name, labels in look.newer.values
            if name == _OURS + "requests_total"
        }
        if code.startswith("5") or code == "429"
    )
    return _Row(
        _shown(model) or "(passthrough)",
        int(_sum(look.newer, "upstream_in_flight", model=model)),
        requests / look.seconds,
        failed / requests if requests else 0.0,
        _growth(look, "tokens_total", model=model, type="input") / look.seconds,
        _growth(look, "tokens_total", model=model, type="output") / look.seconds,
        _quantile(look, "first_token_seconds", 0.5, model),
        _quantile(look, "first_token_seconds", 0.95, model),
        _quantile(look, "token_seconds", 0.5, model),
        _quantile(look, "request_seconds", 0.95, model),
    )


def _shown(name: str) -> str:
    return name if name.isprintable() else name.encode("unicode_escape").decode()


def _fits(labels: Labels, wanted: Mapping[str, str]) -> bool:
    return wanted.items() <= dict(labels).items()


def _sum(page: Page, name: str, **wanted: str) -> float:
    return sum(
        value
        for (found, labels), value in page.values.items()
        if found == _OURS + name and _fits(labels, wanted)
    )


def _growth(look: Look, name: str, **wanted: str) -> float:
    return max(0.0, _sum(look.newer, name, **wanted) - _sum(look.older, name, **wanted))


def _quantile(look: Look, name: str, share: float, model: str) -> float | None:
    return quantile(_buckets(look.older, name, model), _buckets(look.newer, name, model), share)


def _buckets(page: Page, name: str, model: str) -> list[tuple[float, float]]:
    """Those of all providers together."""
    sums: dict[float, float] = {}
    for (found, labels), buckets in page.buckets.items():
        if found == _OURS + name and _fits(labels, {"model": model}):
            for bound, count in buckets:
                sums[bound] = sums.get(bound, 0.0) + count
    return sorted(sums.items())


def _head(look: Look) -> list[str]:
    status, new = look.status, look.newer
    first = ["llm-proxy top", look.url, f"generation {int(_sum(new, 'config_generation'))}"]
    first.append(str(status.get("state") or ("rejected" if _sum(new, "config_rejected") else "")))
    if "uptime" in status:
        first += [f"up {_span(status['uptime'])}", f"workers {len(status.get('workers', ()))}"]
    cpu, memory = ("process_cpu_seconds_total", ()), ("process_resident_memory_bytes", ())
    cores = max(0.0, new.values.get(cpu, 0.0) - look.older.values.get(cpu, 0.0)) / look.seconds
    second = [
        f"{int(_sum(new, name))} {word}"
        for name, word in (
            ("requests_running", "running"),
            ("open_streams", "streaming"),
            ("queue_length", "waiting"),
            ("client_connections", "connected"),
        )
    ]
    second.append(f"{_growth(look, 'requests_total') / look.seconds:.1f} requests/s")
    second.append(f"CPU {100 * cores:.0f} %")
    second.append(f"{new.values.get(memory, 0.0) / 2**20:.0f} MiB")
    return ["  ".join(filter(None, first)), ", ".join(second)]


#: Names in ``/status``, and heads.
_INSIDE = {
    "loop_lag": "loop lag",
    "queue": "queue",
    "connect": "connect",
    "own": "own work",
    "first_token": "1st token",
    "between_tokens": "token",
    "request": "whole",
}


def _inside(look: Look) -> list[str]:
    inside = look.status["inside"]
    names = [name for name in _INSIDE if name in inside]
    lines = [f"{'SINCE BEGIN':<12}" + "".join(f"{_INSIDE[name]:>11}" for name in names)]
    for share in ("p50", "p99"):
        values = [inside[name].get(share) for name in names]
        cells = [_time(value / 1000) if value is not None else "-" for value in values]
        lines.append(f"{share:<12}" + "".join(f"{cell:>11}" for cell in cells))
    return lines


def _rate(value: float) -> str:
    return "" if not value else f"{value:.1f}" if value < 1000 else f"{value / 1000:.1f}k"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} us"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _span(seconds: float) -> str:
    minutes, hours = int(seconds) // 60, int(seconds) // 3600
    return (
        f"{hours // 24} d {hours % 24} h"
        if hours >= 24
        else f"{hours} h {minutes % 60} min"
        if hours
        else f"{minutes} min"
    )
