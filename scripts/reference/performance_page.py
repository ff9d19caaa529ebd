"""``docs/performance.md`` and its picture, from what ``python -m benchmarks --write`` measured. Pure, but for reading ``benchmarks/RESULTS.md``."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path

from scripts.reference.tables import generated, table

RESULTS = Path(__file__).resolve().parent.parent.parent / "benchmarks" / "RESULTS.md"

_INTRO = """
What the gateway costs, beside a direct call and beside `vllm-router`, a router in Rust. Everything is measured by one command
(`make bench`) on the machine that runs it; a part or two may be asked for alone. [How it is measured](../benchmarks/README.md); [every figure](../benchmarks/RESULTS.md).

"""
_READ = """
## How to read it

* Compare CPU, not throughput: load, upstream and proxy share the cores of one machine. The gateway, the router and the direct call take turns, so that whatever else the machine does meets all alike.
* A figure is the median of five runs; the least and the greatest stand in [the full table](../benchmarks/RESULTS.md#figures), and so does the machine.
* The gateway runs as shipped: one process, validation on, one line of the log for each request.
* A token's cost is that of one that comes alone: at 200 streams of 50 tokens a second the loop wakes for nearly each. The busier it is, the more tokens it relays in one turn, and the less each costs: so a
  thousand such streams fit on one core, which they would not at the price of 200. Plan with the price of 200.

## How it grows

From few to many, each curve measured in one sitting (`make bench-growth`); what is not flat, and why, stands in [the results](../benchmarks/RESULTS.md#how-it-grows).

![CPU of a token from 10 to 5,000 open streams](../benchmarks/plots/growth-tokens.png)

![CPU of a request from 1 to 10,000 models, keys and prompts](../benchmarks/plots/growth-requests.png)

![Memory of open streams, and after the start](../benchmarks/plots/growth-memory.png)

![An edit: from rename to effect, and how long it holds the loop](../benchmarks/plots/growth-reload.png)

## Sizing

How large a machine, how many workers, how much memory: [into production](deployment.md#sizing). Watch `llm_proxy_loop_lag_seconds`: overload shows there first ([metrics](telemetry.md#metrics)).

## An hour with faults and attackers

`make soak` mixes loads, edits, failing upstreams and hostile clients for an hour: [what came of it](../benchmarks/SOAK.md).

## Routing

How the choice of an upstream fares beside round robin, random and least connections, when upstreams are slow, fail, hang or limit us, is simulated with the very functions that choose in the gateway:
[the figures](../benchmarks/ROUTING.md).

![Time to the first token by policy and scenario](../benchmarks/plots/policies.png)

![The same over time, while upstreams fail and come back](../benchmarks/plots/over-time.png)
"""


@dataclass(frozen=True, slots=True)
class _Bar:
    """``load``: how the row of the table begins; ``told``: in plain words (empty: in the table's own)."""

    load: str
    told: str


_BARS = (
    _Bar("CPU of a request that is not streamed", "CPU of a request that is not streamed"),
    _Bar("CPU of a token, 200 streams", "CPU of a token, 200 streams at 50 tokens a second"),
    _Bar("added latency, median, 1 connection", "added latency, median, one connection"),
    _Bar("added time to the first token", "added time to the first token, median, 200 streams"),
    _Bar("memory of an idle stream, 5,000", "memory of an open stream, 5,000 of them"),
    _Bar("start to the first answer", "start to the first answer"),
    _Bar("memory after the start", "memory after the start"),
)
_ALONE = (
    _Bar("requests a second, 32", "requests a second, one process, 32 connections"),
    _Bar("reload with 200 models", "an edit of 200 models: from rename to effect"),
    _Bar("growth of memory from", ""),
)


def _figures() -> dict[str, dict[str, str]]:
    """Of each row of the table of figures, by its load, what stands in each column."""
    found: dict[str, dict[str, str]] = {}
    head: list[str] = []
    for line in RESULTS.read_text("utf-8").partition("## Figures")[2].partition("<!-- end")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or set(line) <= set("|- "):
            continue
        if head:
            found[cells[0]] = dict(zip(head, cells, strict=True))
        head = head or cells
    return found


def _rows() -> dict[str, tuple[str, str, str]]:
    """Unit, gateway and router of each row of the table of figures, by its load."""
    return {
        load: (row["unit"], _median(row["gateway"]), _median(row["vllm-router"]))
        for load, row in _figures().items()
    }


def _median(cell: str) -> str:
    """Without the least and the greatest."""
    return cell.partition(" (")[0]


#: Who stands in the table beside the gateway, where it was measured, and in which rows.
_OTHERS = ("gateway, Debian's Python", "vllm-router", "smg", "LiteLLM")
_BESIDE = (
    "CPU of a request that is not streamed",
    "added latency, median, 1 connection",
    "CPU of a stream of 66 events",
    "CPU of a token, 200 streams",
    "32 connections, 3,000 requests a second, 1 KB: reached",
    "32 connections, 3,000 requests a second, 1 KB: median",
    "32 connections, 3,000 requests a second, 1 KB: 99th",
    "start to the first answer",
    "memory after the start",
)
_HONEST = """
Each with its own defaults, in front of the same upstream, in turns. The fixed rate is agentgateway's own method (its blog of 2026-06-26, "Benchmarking Agentgateway vs LiteLLM Part 2"); who does not reach it is
late because it is full. LiteLLM is given a twenty-fifth of the requests, since nobody would wait for the rest. Debian's Python is built with profile-guided optimisation, the one that runs everything else here is not.
"""


def _short() -> str:
    """The whole in a sentence, with the figures of today."""

    def times(load: str) -> str:
        _, ours, theirs = _of(_Bar(load, ""))
        return f"{float(ours.replace(',', '')) / float(theirs.replace(',', '')):.1f}"

    token, stream, request = (times(bar.load) for bar in (_BARS[1], _BARS[4], _BARS[0]))
    return (
        f"\nThe short of it: a token costs {token} times the CPU that it does in the Rust router, an open stream {stream} times its memory, a request that is not streamed {request} times\n"
        "its CPU. To the seconds that a model takes, the gateway adds less than a millisecond.\n"
    )


def _beside() -> str:
    """The table of all who were measured beside the gateway; nothing if that was the router alone."""
    figures = _figures()
    there = [name for name in _OTHERS if any(row.get(name) for row in figures.values())]
    if there in ([], ["vllm-router"]):
        return ""
    rows = []
    for begin in _BESIDE:
        for load, row in figures.items():
            if load.startswith(begin):
                cells = (_median(row[name]) for name in ("gateway", *there))
                rows.append((load, row["unit"], *cells))
    return "\n## Beside others\n" + _HONEST + "\n" + table(("what", "unit", "llm-proxy-api", *there), rows)


def _of(bar: _Bar) -> tuple[str, str, str]:
    return _rows()[_name(bar)]


def _name(bar: _Bar) -> str:
    """What the row is called in the table."""
    for load in _rows():
        if load.startswith(bar.load):
            return load
    raise ValueError(f"benchmarks/RESULTS.md has no row that begins with {bar.load!r}")


def page() -> str:
    """The text of the page."""
    rows = [(bar.told or _name(bar), *(f"{value} {unit}" if value else "" for value in values))
            for bar in (*_BARS, *_ALONE) for unit, *values in [_of(bar)]]  # fmt: skip
    measured = re.search(r"^`python -m benchmarks.*$", RESULTS.read_text("utf-8"), re.MULTILINE)
    later = "What later features cost, and what was won back, is told step by step in [what each change gave](../benchmarks/RESULTS.md#what-each-step-gave)."
    when = f"\nMeasured by {measured[0]} {later}\n" if measured else ""
    return (
        generated("Performance", "benchmarks/RESULTS.md", _INTRO)
        + _short()
        + when
        + "\n![Each figure beside vllm-router's](images/performance.svg)\n\n"
        + table(("what", "llm-proxy-api", "vllm-router"), rows)
        + _beside()
        + _READ
    )


_STYLE = """
    .ground { fill: #f6f8fc; stroke: #d5dcea; }
    .ours { fill: #4a5fc1; }
    .theirs { fill: #a9b4cc; }
    text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", Roboto, sans-serif; font-size: 13px; fill: #1c2434; }
    .small { font-size: 12px; fill: #51607c; }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #151b28; stroke: #2c374d; }
      .ours { fill: #8196f0; }
      .theirs { fill: #56658a; }
      text { fill: #e6ebf5; }
      .small { fill: #a9b6ce; }
    }
"""
_WIDTH, _LEFT, _LONGEST, _STEP = 960, 385, 430, 58


def picture() -> str:
    """Two bars for each figure, the longer one of full length: shorter is cheaper."""
    height = 66 + _STEP * len(_BARS)
    drawn = []
    for number, bar in enumerate(_BARS):
        unit, *values = _of(bar)
        top = 58 + _STEP * number
        amounts = [float(value.replace(",", "")) for value in values]
        drawn.append(f'  <text x="30" y="{top + 22}">{html.escape(bar.told)}</text>')
        for row, (amount, value, kind) in enumerate(zip(amounts, values, ("ours", "theirs"), strict=True)):
            length = max(2, round(_LONGEST * amount / max(amounts)))
            drawn.append(
                f'  <rect class="{kind}" x="{_LEFT}" y="{top + row * 20}" width="{length}" height="16" rx="3"/>'
            )
            drawn.append(
                f'  <text class="small" x="{_LEFT + length + 8}" y="{top + row * 20 + 12}">{value} {unit}</text>'
            )
    legend = (
        f'  <rect class="ours" x="{_LEFT}" y="24" width="14" height="14" rx="3"/><text x="{_LEFT + 22}" y="36">llm-proxy-api</text>\n'
        f'  <rect class="theirs" x="{_LEFT + 130}" y="24" width="14" height="14" rx="3"/>'
        f'<text x="{_LEFT + 152}" y="36">vllm-router (Rust)</text><text class="small" x="{_LEFT + 300}" y="36">shorter is cheaper</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img" aria-labelledby="t">\n'
        f'  <title id="t">What the gateway costs beside vllm-router</title>\n  <style>{_STYLE}  </style>\n'
        f'  <rect class="ground" x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1}" rx="14"/>\n{legend}\n'
        + "\n".join(drawn)
        + "\n</svg>\n"
    )
