"""``python -m benchmarks.simulate_routing``: how each policy fares when upstreams are slow, fail, flap or limit us.

In virtual time, with the functions that choose in production; what it shows stands in ROUTING.md in this folder. Plots need
matplotlib (``pip install matplotlib``): it is no requirement, because nothing else here wants it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.simulation.run import Result
from benchmarks.simulation.scenarios import POLICIES, SCENARIOS, USE, simulate


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        "python -m benchmarks.simulate_routing", description=__doc__.partition("\n")[0]
    )
    made.add_argument("--upstreams", type=int, default=8, metavar="N", help="up to 1,000 (8)")
    made.add_argument("--requests", type=int, default=40_000, metavar="N", help="up to a million (40,000)")
    made.add_argument(
        "--use", type=float, default=USE, metavar="SHARE", help=f"of what the servers can do ({USE})"
    )
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--only", action="append", choices=SCENARIOS, metavar="NAME", help=", ".join(SCENARIOS))
    made.add_argument("--policy", action="append", choices=POLICIES, metavar="NAME", help=", ".join(POLICIES))
    made.add_argument("--plots", type=Path, metavar="FOLDER", help="write PNG files there")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table for each scenario."""
    options = parser().parse_args(sys.argv[1:] if arguments is None else arguments)
    found: dict[str, list[Result]] = {}
    for scenario in options.only or SCENARIOS:
        began = time.monotonic()
        found[scenario] = [
            simulate(scenario, name, options.upstreams, options.requests, options.seed, options.use)
            for name in options.policy or POLICIES
        ]
        print(table(scenario, found[scenario]))
        print(f"{scenario}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    if options.plots:
        try:
            from benchmarks.simulation.plots import draw
        except ImportError as error:
            print(f"no plots: {error}; pip install matplotlib", file=sys.stderr)
            return 1
        draw(found, options.plots)
    return 0


def table(scenario: str, results: Sequence[Result]) -> str:
    """Of one scenario, in Markdown."""
    lines = [
        f"\n**{scenario}**: {SCENARIOS[scenario]}\n",
        "| policy | first token p50 | p99 | failed | sent for each | cache hits |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for one in results:
        sent = one.sent / max(1, len(one.waits) + len(one.failed))
        lines.append(
            f"| {one.name} | {one.quantile(0.5) * 1000:,.0f} ms | {one.quantile(0.99) * 1000:,.0f} ms "
            f"| {one.failures:.2%} | {sent:.2f} | {one.hits:.0%} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
