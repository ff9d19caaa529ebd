"""The result of a long run, as a page: ``benchmarks/SOAK.md``."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime

from tests.soak.run import ROOT, Soak, size_of

_MIB = 1 << 20


def page(soak: Soak, began: float, arguments: str) -> str:
    """What was run and what came of it."""
    parts = soak.tenths()
    rows = [
        ("resident MiB, between the attacks", [f"{size_of(part) / _MIB:.1f}" for part in parts]),
        ("resident MiB, at most", [f"{max(each.rss for each in part) / _MIB:.1f}" for part in parts]),
        ("descriptors, at most", [str(max(each.descriptors for each in part)) for part in parts]),
        ("threads, at most", [str(max(each.threads for each in part)) for part in parts]),
    ]
    asked = ", ".join(f"{name} {count}" for name, count in sorted(soak.asked.items()))
    attacks = ", ".join(f"{name} ({count})" for name, count in sorted(soak.attacks.items()))
    lines = [f"| {count} | {line} |" for line, count in soak.lines.most_common()]
    failures = [f"* {text[:500]}" for text in soak.failures[:50]] or ["None."]
    return "\n".join(
        [
            "# A long run with attackers",
            "",
            "Written by `make soak`; what each client asks and must get is in `tests/soak/clients.py`, the attackers are those of",
            "`tests/overload/attacks.py`. An honest request that is not answered exactly as it must be is a failure, and so is memory that",
            (
                "grows: its lower quartile (attacks take memory and give it back) of the last third of the time must not be more than "
                f"{soak.growth:.0%}"
            ),
            "and 8 MiB above that of the first third after every kind of attack was seen.",
            "",
            f"* {datetime.fromtimestamp(began, UTC):%Y-%m-%d %H:%M} UTC, for {soak.seconds / 60:g} minutes: `python -m tests.soak {arguments}`",
            f"* commit {_commit()}, Python {platform.python_version()}, {os.cpu_count()} processors",
            (
                f"* {sum(soak.asked.values())} honest requests by {soak.clients} clients at once, {soak.edits} edits of the configuration,"
                f" {soak.attacks.total()} attacks"
            ),
            f"* **{len(soak.failures)} failures**",
            "",
            "| in tenths of the time |" + "".join(f" {number} |" for number in range(1, len(parts) + 1)),
            "|---|" + "---|" * len(parts),
            *(f"| {name} | {' | '.join(values)} |" for name, values in rows),
            "",
            (
                f"Before the load: {soak.idle.rss / _MIB:.1f} MiB, {soak.idle.descriptors} descriptors, {soak.idle.threads} threads; after it:"
                f" {soak.last.rss / _MIB:.1f} MiB, {soak.last.descriptors}, {soak.last.threads}."
            ),
            "",
            f"Asked: {asked}.",
            "",
            f"Attacks: {attacks}.",
            "",
            "## Failures",
            "",
            *failures,
            "",
            "## The log",
            "",
            "| lines | what |",
            "|---|---|",
            *lines,
            "",
        ]
    )


def _commit() -> str:
    found = subprocess.run(
        ["git", "log", "-1", "--format=%h"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
