"""``python -m benchmarks``: builds and starts what it needs, measures, prints the table. See README.md in this folder."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import endurance, loads, peers
from benchmarks.access import access
from benchmarks.building import BUILD, HERE, Missing, compiled
from benchmarks.codecs import codecs
from benchmarks.configured import configured
from benchmarks.console import console
from benchmarks.loads import Bench
from benchmarks.processes import more_descriptors
from benchmarks.results import Sitting, busy, measured, write
from benchmarks.routing import routing
from benchmarks.steady import steady
from benchmarks.table import GATEWAY, Row
from benchmarks.telemetry import telemetry

GROUPS: dict[str, Callable[[Bench], list[Row]]] = {
    "answers": loads.answers,
    "steady": steady,
    "latency": loads.latency,
    "bursts": loads.bursts,
    "tokens": loads.tokens,
    "pace": loads.pace,
    "memory": endurance.memory,
    "start": endurance.start,
    "flat": endurance.flat,
    "reload": endurance.reload,
    "codecs": codecs,
    "telemetry": telemetry,
    "routing": routing,
    "access": access,
    "configured": configured,
    "console": console,
}
PAGE = HERE / "RESULTS.md"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser("python -m benchmarks", description="Measure what the gateway costs.")
    made.add_argument("--quick", action="store_true", help="one run at a fifth of the size: about a minute")
    made.add_argument("--only", action="append", choices=GROUPS, metavar="NAME", help=", ".join(GROUPS))
    made.add_argument(
        "--runs", type=int, default=None, metavar="N", help="runs for each figure (5; 1 if quick)"
    )
    made.add_argument("--long", action="store_true", help="memory over 1,000,000 requests instead of 100,000")
    made.add_argument("--no-peers", action="store_true", help="without other gateways beside it")
    made.add_argument(
        "--write",
        nargs="?",
        type=Path,
        const=PAGE,
        metavar="FILE",
        help="write the page of results (RESULTS.md)",
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 if something could not be measured, or the gateway gave a bad answer or logged an error."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(arguments)
    if options.write and options.only:
        parser().error("--write needs the whole table, --only measures a part of it")
    try:
        for name in ("load", "upstream"):
            compiled(name)
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    restless = busy()
    beside, remarks = ({}, ["without other gateways, as asked"]) if options.no_peers else peers.found()
    remarks += restless
    for remark in remarks:
        print(remark, file=sys.stderr)
    more_descriptors()
    with tempfile.TemporaryDirectory(dir=BUILD) as place:
        bench = Bench(
            Path(place),
            beside,
            max(1, options.runs or (1 if options.quick else 5)),
            0.2 if options.quick else 1.0,
            1_000_000 if options.long else 5_000 if options.quick else 100_000,
        )
        rows, failed = _measure(bench, options.only or list(GROUPS))
    remarks += [*bench.remarks, *failed]
    wrong = sum(row.bad.get(GATEWAY, 0) for row in rows)
    if bench.errors:
        remarks.append(f"the gateway logged {len(bench.errors)} errors; the first: {bench.errors[0].strip()}")
    text = measured(Sitting.now(arguments, peers.versions(beside), remarks), rows)
    print(text)
    if options.write:
        write(options.write, text)
    return 1 if failed or wrong or bench.errors else 0


def _measure(bench: Bench, names: Sequence[str]) -> tuple[list[Row], list[str]]:
    """The rows of those groups, and a sentence for each that could not be measured."""
    rows: list[Row] = []
    failed = []
    for name in names:
        began = time.monotonic()
        try:
            rows += GROUPS[name](bench)
        except Missing as missing:
            failed.append(f"{name}: not measured: {missing}")
            print(failed[-1], file=sys.stderr)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return rows, failed


if __name__ == "__main__":
    raise SystemExit(main())
