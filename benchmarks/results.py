"""The page of results: what was measured, on what, by which command; and what people have written beside it.

Laws: between the two marks stands what was measured last, all of it; everything else on the page is somebody's text and
is kept.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.building import ROOT
from benchmarks.table import Row, figures, verdicts

BEGIN = "<!-- measured: what stands up to the end mark is written by `python -m benchmarks --write` -->"
END = "<!-- end of what was measured -->"
_PAGE = f"""# What the gateway costs

{BEGIN}
{END}

## What each step gave

Written by hand: the change, its figure before and after, and how it was measured.
"""


@dataclass(frozen=True, slots=True)
class Sitting:
    """One run of the command: how it was called, when, on which commit and machine, and what could not be measured."""

    command: str
    at: str
    commit: str
    machine: Sequence[str]
    remarks: Sequence[str]

    @classmethod
    def now(cls, arguments: Sequence[str], beside: str, remarks: Sequence[str]) -> Sitting:
        """This one; ``beside``: who was measured beside the gateway."""
        at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        command = " ".join(["python -m benchmarks", *arguments])
        return cls(command, at, commit(), [*machine(), beside], remarks)


def commit() -> str:
    """What is checked out, in short."""
    known = _said("git", "rev-parse", "--short=10", "HEAD")
    if not known:
        return "unknown (no checkout)"
    changed = _said("git", "status", "--porcelain", "--untracked-files=no")
    return known + (" with uncommitted changes" if changed else "")


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def machine() -> list[str]:
    """This machine and its software."""
    model = next(
        (rest for name, rest in _fields("/proc/cpuinfo") if name == "model name"), platform.machine()
    )
    kilobytes = next(
        (int(rest.split()[0]) for name, rest in _fields("/proc/meminfo") if name == "MemTotal"), 0
    )
    packages = ("tornado", "uvloop", "httptools", "pydantic")
    return [
        f"{os.cpu_count()} cores of {model}, {kilobytes / 1024**2:.0f} GiB of memory",
        f"{platform.system()} {platform.release()}, {platform.python_implementation()} {platform.python_version()} ({_built()})",
        ", ".join(f"{name} {_version(name)}" for name in packages),
    ]


def _built() -> str:
    """Who has built this Python, as far as it can be told, and whether with a profile."""
    where = "pyenv's" if ".pyenv" in sys.base_prefix else f"in {sys.base_prefix}"
    options = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    with_it = "with" if "--enable-optimizations" in options else "without"
    return f"{where}, configured {with_it} --enable-optimizations"


def busy() -> list[str]:
    """A sentence if others keep this machine busy; to be asked before anything is measured."""
    load = os.getloadavg()[0]
    return [f"the machine was busy when it began: load average {load:.1f}"] if load > 1 else []


def _fields(path: str) -> list[tuple[str, str]]:
    """The lines ``name: value`` of a file of /proc; none if there is no such file."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return []
    return [(name.strip(), rest.strip()) for name, _, rest in (line.partition(":") for line in lines)]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def measured(sitting: Sitting, rows: Sequence[Row]) -> str:
    """Machine, targets and figures, in Markdown."""
    about = [f"`{sitting.command}`, {sitting.at}, commit {sitting.commit}.", *sitting.machine]
    head = about[0] + "\n\n" + "".join(f"* {line}\n" for line in about[1:])
    remarks = "".join(f"* {line}\n" for line in sitting.remarks)
    table = {row.key: row for row in rows}
    return "\n".join(
        [
            head,
            "## Targets\n",
            verdicts(table),
            "## Figures\n",
            "Medians of the runs, in brackets the least and the greatest. CPU is that of the proxy's process, user and",
            "system. An added latency is what a target takes longer than a direct call; the direct column shows that call.",
            "A bad answer is one that is not a complete 200 with all its events.\n",
            figures(rows),
            *(["## Remarks\n", remarks] if remarks else []),
        ]
    )


def write(page: Path, text: str) -> None:
    """Put ``text`` between the marks of the page, which is made if there is none. Raises ``ValueError`` without marks."""
    old = page.read_text("utf-8") if page.exists() else _PAGE
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} has not the two marks between which the figures belong")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", "utf-8")
