"""What the last run of each program found: kept in ``results.json``, from which ``docs/clients.md`` is made.

A run of some programs replaces their cells and leaves the others. A cell says with which version of the program it was
found: of another version it is "not run".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("results.json")


@dataclass(frozen=True, slots=True)
class Cell:
    """How a program ended over a kind of upstream; ``reason`` is empty when it did its job."""

    version: str
    reason: str


Results = dict[str, dict[str, Cell]]


def load() -> Results:
    """By the program's id and the kind of upstream (``KIND+mcp`` for the picture)."""
    if not FILE.exists():
        return {}
    found = json.loads(FILE.read_text("utf-8"))
    return {app: {kind: Cell(**cell) for kind, cell in cells.items()} for app, cells in found.items()}


def save(results: Results) -> None:
    """Write the file, in the same order always."""
    plain = {
        app: {kind: {"version": cell.version, "reason": cell.reason} for kind, cell in sorted(cells.items())}
        for app, cells in sorted(results.items())
    }
    FILE.write_text(json.dumps(plain, indent=1) + "\n", "utf-8")
