"""``make bench-check``: has anything become dearer? The quick part of the table against the ratios in ``ratios.json``, and, on demand,
at which commit.

Laws: what is compared are ratios to vllm-router (or to the gateway itself) of runs in turns, so that the machine's speed does not
matter; a ratio counts as another only where it differs by more than the noise of both sittings, and by more than a tenth: that much it
moves from machine to machine. What looks dearer is measured once more, and only then said to be.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import hypot, sqrt
from pathlib import Path
from statistics import median, quantiles

from benchmarks import bisecting, loads, peers
from benchmarks.building import BUILD, HERE, Missing, compiled
from benchmarks.configured import configured
from benchmarks.loads import Bench
from benchmarks.processes import more_descriptors
from benchmarks.results import busy, commit, machine
from benchmarks.table import GATEWAY, ROUTER, Row

FILE = HERE / "ratios.json"
#: A ratio moves so much between machines, and with what else they do.
LEAST = 0.10
#: Standard errors that count as noise.
_ERRORS = 2.5
_SCALE, _RUNS = 0.2, 9
#: Each row that is looked at, and the target and row that it is divided by; none: it is a ratio already.
RATIOS: Mapping[str, tuple[str, str] | None] = {
    "answer.cpu": (ROUTER, "answer.cpu"),
    "burst.cpu": (ROUTER, "burst.cpu"),
    "token.cpu": (ROUTER, "token.cpu"),
    "ollama.cpu": (GATEWAY, "token.cpu"),
    "configured": None,
}
_DEARER, _CHEAPER, _SAME = "dearer", "cheaper", "as before"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``times``: the ratio now to that of before; ``noise``: by how much that may differ from 1 by chance."""

    before: float
    now: float
    noise: float

    @property
    def times(self) -> float:
        """1 is as before."""
        return self.now / self.before

    @property
    def word(self) -> str:
        """What is said of it."""
        limit = 1 + max(LEAST, self.noise)
        return _DEARER if self.times > limit else _CHEAPER if self.times < 1 / limit else _SAME


def verdict(before: Sequence[float], now: Sequence[float]) -> Verdict:
    """Of the ratios of two sittings."""
    return Verdict(median(before), median(now), _ERRORS * hypot(_error(before), _error(now)))


def _error(values: Sequence[float]) -> float:
    """The standard error of the median, as a share of it, by the distance of the quartiles (of normal values: 1.35 sigma)."""
    if len(values) < 3:
        return 0.0
    low, _, high = quantiles(values, n=4)
    return 1.25 * (high - low) / 1.35 / sqrt(len(values)) / median(values)


def ratios(rows: Mapping[str, Row]) -> dict[str, list[float]]:
    """The ratio of each run, for each row that was measured."""
    found = {}
    for key, to in RATIOS.items():
        if key not in rows:
            continue
        ours = rows[key].runs(GATEWAY)
        if to is not None:
            target, other = to
            theirs = rows[other].runs(target)
            ours = [value / beside for value, beside in zip(ours, theirs, strict=False)]
        if ours:
            found[key] = ours
    return found


def measured(bench: Bench) -> dict[str, Row]:
    """The rows that ratios are made of."""
    rows = [*loads.answers(bench), *loads.bursts(bench), *loads.tokens(bench), *configured(bench)]
    return {row.key: row for row in rows}


def told(verdicts: Mapping[str, Verdict], names: Mapping[str, str]) -> str:
    """A line for each."""
    return "\n".join(
        f"{one.word:9} {names[key]}: {one.before:.2f} -> {one.now:.2f} (x {one.times:.2f}, noise {one.noise:.0%})"
        for key, one in verdicts.items()
    )


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser("python -m benchmarks.check", description="Has anything become dearer?")
    made.add_argument("--runs", type=int, default=_RUNS, metavar="N", help=f"runs for each ratio ({_RUNS})")
    made.add_argument("--write", action="store_true", help="these are the ratios from now on")
    made.add_argument("--bisect", action="store_true", help="look for the commit at which it got dearer")
    made.add_argument("--file", type=Path, default=FILE, help="the ratios (benchmarks/ratios.json)")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """0: nothing is dearer; 1: something is; 2: it could not be measured."""
    options = parser().parse_args(arguments)
    if not options.write and not options.file.exists():
        print(f"{options.file} is not there: --write makes it", file=sys.stderr)
        return 2
    restless = busy()
    print(*restless, sep="\n", end="\n" if restless else "", file=sys.stderr)
    more_descriptors()
    try:
        for name in ("load", "upstream"):
            compiled(name)
        beside, remarks = peers.found((ROUTER,))
        if not beside:
            raise Missing(*remarks)
        with tempfile.TemporaryDirectory(dir=BUILD) as place:
            return _checked(options, Bench(Path(place), beside, options.runs, _SCALE), restless)
    except Missing as missing:
        print(f"not measured: {missing}", file=sys.stderr)
        return 2


def _checked(options: argparse.Namespace, bench: Bench, restless: Sequence[str]) -> int:
    rows = measured(bench)
    now = ratios(rows)
    if options.write:
        _write(options.file, now, [peers.versions(bench.peers), *restless])
        return 0
    kept = json.loads(options.file.read_text("utf-8"))
    verdicts = {key: verdict(kept["ratios"][key], now[key]) for key in now if key in kept["ratios"]}
    names = {key: row.name for key, row in rows.items()}
    if any(one.word == _DEARER for one in verdicts.values()):
        print(told(verdicts, names), "\nonce more, to be sure:", sep="", file=sys.stderr)
        for key, values in ratios(measured(bench)).items():
            now[key] += values
        verdicts = {key: verdict(kept["ratios"][key], now[key]) for key in verdicts}
    print(f"since {kept['commit']} ({kept['at']}):\n{told(verdicts, names)}")
    dearer = {key: one for key, one in verdicts.items() if one.word == _DEARER}
    if dearer and options.bisect:
        worst = max(dearer, key=lambda key: dearer[key].times)
        print(bisecting.found(bench, worst, kept["commit"].split()[0]))
    elif dearer:
        print("at which commit: make bench-check BENCH=--bisect")
    return 1 if dearer else 0


def _write(file: Path, found: Mapping[str, list[float]], beside: Sequence[str]) -> None:
    told = {
        "commit": commit(),
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": [*machine(), *beside],
        "ratios": {key: [round(value, 4) for value in values] for key, values in found.items()},
    }
    file.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    print(f"{file} holds the ratios of {len(found)} rows")


if __name__ == "__main__":
    raise SystemExit(main())
