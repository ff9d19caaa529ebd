"""At which commit did a figure of the gateway grow?

Laws: two checkouts of the same history are measured beside each other, in turns, with the Python and the packages of today: the one
that was well, and the one that is asked about. Dearer is what costs more than half of the way up to the newest. A commit that does not
start, or answers badly, is passed over. The checkouts are worktrees below the folder of what was built, and are removed again.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import median

from benchmarks.building import BUILD, ROOT, Missing
from benchmarks.configured import access_file
from benchmarks.loads import Bench
from benchmarks.measure import load
from benchmarks.processes import Target, gateway, upstream
from benchmarks.questions import question


@dataclass(frozen=True, slots=True)
class Load:
    """What a row is made of: the upstream's kind, and the arguments of ``load``."""

    kind: str
    stream: bool
    connections: int
    requests: int
    ramp: float = 0.0
    ollama: bool = False
    keys: bool = False


LOADS: Mapping[str, Load] = {
    "answer.cpu": Load("fast", False, 32, 60),
    "burst.cpu": Load("fast", True, 32, 8),
    "token.cpu": Load("paced", True, 200, 1, 2.0),
    "ollama.cpu": Load("paced", True, 200, 1, 2.0, ollama=True),
    "configured": Load("fast", False, 32, 60, keys=True),
}
#: What is dearer by less than this cannot be told from what is not.
_LEAST = 1.05
Judge = Callable[[Path], bool | None]


def found(bench: Bench, key: str, good: str) -> str:
    """A sentence that says at which commit since ``good`` the row ``key`` grew. Raises ``Missing``."""
    with _worktree("good", good) as well, _worktree("asked", "HEAD") as asked:
        whole = times(bench, LOADS[key], well, asked)
        if whole is None:
            raise Missing(f"HEAD or {good} cannot be measured")
        if whole < _LEAST:
            return f"{key}: side by side with {good} it is not dearer (x {whole:.2f})"
        limit = sqrt(whole)

        def judge(tree: Path) -> bool | None:
            value = times(bench, LOADS[key], well, tree)
            return None if value is None else value > limit

        bad = first_bad(asked, good, "HEAD", judge)
        name = _git(asked, "log", "-1", "--format=%h %s", bad)
        _git(well, "checkout", "--quiet", "--detach", f"{bad}^")
        _git(asked, "checkout", "--quiet", "--detach", bad)
        step = times(bench, LOADS[key], well, asked)
    alone = "" if step is None else f", itself x {step:.2f}"
    return f"{key}: x {whole:.2f} since {good}; first at {name}{alone}"


def first_bad(tree: Path, good: str, bad: str, judge: Judge) -> str:
    """The commit from which on ``judge`` says true, by git bisect in the worktree ``tree``; None passes a commit over. Raises
    ``Missing`` if only such are left."""
    said = _git(tree, "bisect", "start", bad, good)
    try:
        while "is the first bad commit" not in said:
            if "only 'skip'ped commits left" in said:
                raise Missing("between the last good and the first bad commit none can be measured")
            dearer = judge(tree)
            said = _git(
                tree, "bisect", "skip" if dearer is None else "bad" if dearer else "good", check=False
            )
        return next(line for line in said.splitlines() if "is the first bad commit" in line).split()[0]
    finally:
        _git(tree, "bisect", "reset")


def times(bench: Bench, how: Load, well: Path, asked: Path) -> float | None:
    """CPU of the gateway of ``asked`` for that of ``well``: the median of the runs; None if one does not serve well."""
    with ExitStack() as stack:
        try:
            port = stack.enter_context(upstream(how.kind, bench.place))
            found = [stack.enter_context(_gateway(bench, how, port, root)) for root in (well, asked)]
        except Missing:
            return None
        body = question(bench.place, how.kind, stream=how.stream, ollama=how.ollama)
        ratios = []
        for run in range(bench.runs + 1):
            spent = []
            for target in found:
                outcome = load(target, body, how.connections, how.requests, ramp=how.ramp)
                if outcome.bad:
                    return None
                spent.append(outcome.cpu)
            if run:  # the first is for warmth
                ratios.append(spent[1] / spent[0])
    bench.forget_log()
    return median(ratios)


@contextmanager
def _gateway(bench: Bench, how: Load, port: int, root: Path) -> Iterator[Target]:
    more = {"LLM_PROXY_API_ACCESS": str(access_file(bench.place))} if how.keys else {}
    with gateway(bench.place, {how.kind: port}, more, root=root) as target:
        yield target


@contextmanager
def _worktree(name: str, commit: str) -> Iterator[Path]:
    place = BUILD / "bisect" / name
    _git(ROOT, "worktree", "prune")
    shutil.rmtree(place, ignore_errors=True)
    _git(ROOT, "worktree", "add", "--quiet", "--force", "--detach", str(place), commit)
    try:
        yield place
    finally:
        _git(ROOT, "worktree", "remove", "--force", str(place), check=False)


def _git(tree: Path, *arguments: str, check: bool = True) -> str:
    done = subprocess.run(["git", *arguments], cwd=tree, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise Missing(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()
