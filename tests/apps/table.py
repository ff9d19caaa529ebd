"""``docs/clients.md``: made from what the runs found, written by ``make test-apps``; a test keeps it current."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.apps.places import App
from tests.apps.programs import APPS
from tests.apps.results import Cell, Results, load
from tests.apps.scripted.server import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"

_HEAD = """# Programs that were tried

Real programs, unmodified and in the versions named, each with a HOME of its own, a dummy key and no way out of the machine,
pointed at the gateway by their documented settings (see [faces.md](faces.md)): those that `llm-proxy client` knows by what it writes for them. Behind the gateway stands a scripted model
that speaks as each vendor does, judges each request by the vendor's own type definitions, and refuses what that vendor
refuses. `make test-apps` (`tests/apps`) installs them, runs them, and writes this page; none of it is written by hand.

*ok*: the program did its main job: an agent wrote the file that it was asked for by its own tool, and ended with the model's
words; an asker showed the words, after a call of its tool where it has one. *fails*: the reason stands below the table.
*-*: not run. The columns of the upstreams: `openai` is a reasoning model of OpenAI's, `gpt5` one that takes tools with
reasoning through Responses alone, `plain-openai` and `plain-ollama` are models without thinking, and `strict` is a server
of OpenAI's dialect that takes OpenAI's own fields only.
"""
_MCP = """
## A tool from an MCP server, and its picture

The agent is given an MCP server with one tool, must call it, and the model must get back what it answered. *picture*: the
picture arrived at the model; *words*: the words beside it did, and this program does not show pictures to a model that is
reached so.
"""


def page(results: Results) -> str:
    """The whole page."""
    notes: list[str] = []
    parts = [_HEAD, *_table(results, list(APPS.values()), "", notes)]
    agents = [app for app in APPS.values() if app.mcp]
    parts += [_MCP, *_table(results, agents, "+mcp", notes)]
    if notes:
        parts += ["\n## Why\n", *(f"{number}. {note}" for number, note in enumerate(notes, 1))]
    return "\n".join(parts) + "\n"


def _table(results: Results, apps: list[App], suffix: str, notes: list[str]) -> list[str]:
    head = f"| program | speaks | {' | '.join(KINDS)} |"
    rows = []
    for app in apps:
        cells = [_word(app, results.get(app.id, {}).get(kind + suffix), suffix, notes) for kind in KINDS]
        rows.append(f"| {app.title} | {app.speaks} | {' | '.join(cells)} |")
    return [head, "|---" * (len(KINDS) + 2) + "|", *rows]


def _word(app: App, cell: Cell | None, suffix: str, notes: list[str]) -> str:
    if cell is None or cell.version != app.version:
        return "-"
    if not cell.reason:
        return (app.mcp if suffix else "") or "ok"
    if cell.reason not in notes:
        notes.append(cell.reason)
    return f"fails [{notes.index(cell.reason) + 1}]"


def write() -> None:
    """Write the page from the file of results."""
    PAGE.write_text(page(load()), "utf-8")


if __name__ == "__main__":
    write()
    sys.stdout.write(f"{PAGE.name} is written\n")
