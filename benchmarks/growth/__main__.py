"""``python -m benchmarks.growth``: measures how costs grow, writes the figures and draws them. See README.md in the folder above."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import peers
from benchmarks.building import BUILD, HERE, Missing, compiled, drawing_python
from benchmarks.growth.measures import PARTS, Curve, times
from benchmarks.loads import Bench
from benchmarks.processes import more_descriptors
from benchmarks.results import Sitting, busy
from benchmarks.table import ROUTER

PLOTS = HERE / "plots"
FIGURES = "growth.json"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        "python -m benchmarks.growth", description="Measure and draw how costs grow."
    )
    made.add_argument("--quick", action="store_true", help="one run at a fifth of the size")
    made.add_argument(
        "--runs", type=int, default=None, metavar="N", help="runs for each point (3; 1 if quick)"
    )
    made.add_argument("--only", action="append", choices=PARTS, metavar="NAME", help=", ".join(PARTS))
    made.add_argument("--draw", action="store_true", help="draw what was measured last, measure nothing")
    made.add_argument(
        "--folder", type=Path, default=PLOTS, help="where the figures and plots go (benchmarks/plots)"
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 if something could not be measured or drawn, or the gateway gave a bad answer."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    file = options.folder / FIGURES
    faults: list[str] = []
    try:
        if not options.draw:
            faults += _measure(options, arguments, file)
        drawn = _drawn(file, options.folder)
        faults += [f"not drawn: {drawn.stderr.strip()}"] if drawn.returncode else []
    except Missing as missing:
        faults.append(str(missing))
    print(summary(json.loads(file.read_text("utf-8"))["curves"]) if file.exists() else "nothing was measured")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _drawn(file: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [drawing_python(), HERE / "growth" / "draw.py", file, folder]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _measure(options: argparse.Namespace, arguments: Sequence[str], file: Path) -> list[str]:
    """Write what was measured, beside the parts that are kept; what went wrong."""
    for name in ("load", "upstream"):
        compiled(name)
    restless = busy()
    beside, remarks = peers.found((ROUTER,))
    more_descriptors()
    kept = json.loads(file.read_text("utf-8")) if file.exists() else {"curves": {}}
    with tempfile.TemporaryDirectory(dir=BUILD) as place:
        runs = options.runs or (1 if options.quick else 3)
        bench = Bench(Path(place), beside, runs, 0.2 if options.quick else 1.0)
        for name in options.only or PARTS:
            began = time.monotonic()
            kept["curves"].update(PARTS[name](bench))
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
        bench.forget_log()
    sitting = Sitting.now(arguments, peers.versions(beside), remarks)
    kept.update(command=f"python -m benchmarks.growth {' '.join(arguments)}".strip(), at=sitting.at)
    kept.update(commit=sitting.commit, machine=[*sitting.machine, *restless])
    file.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    return [*bench.errors[:5]]


def summary(curves: dict[str, Curve]) -> str:
    """For each line, by how much its end is above its beginning."""
    lines = []
    for name, curve in curves.items():
        for line, points in curve.items():
            numbered = {int(size): values for size, values in points.items()}
            lines.append(
                f"{name}, {line}: from {min(numbered):,} to {max(numbered):,}: x {times(numbered):.2f}"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
