"""Importing in a test: a source's text, what became of it, and what must hold of every import."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from typing import Any

from llm_proxy.cli.importer import judge, text_of
from llm_proxy.cli.importing.draft import Draft, Fate, leaves
from llm_proxy.cli.importing.report import report, shown
from llm_proxy.cli.importing.sources import BY_WORD, Asked, drafted

#: Whatever holds this in a source is a key, and may be nowhere else.
PLANTED = "pl4nted"


@dataclass(frozen=True)
class Imported:
    """``config`` and ``access`` as written; ``report`` as shown."""

    config: dict[str, Any]
    access: dict[str, Any]
    draft: Draft
    report: str

    def fate(self, place: str) -> tuple[Fate, str]:
        """What became of a field."""
        (found,) = ((line.fate, line.words) for line in self.draft.lines if shown(line.place) == place)
        return found


def imported(word: str, text: str, at: str = "", direct: bool = False) -> Imported:
    """Import it. What is made passes the loader; each leaf of the source is in the report; no key is in anything; no line is too wide."""
    source, text = BY_WORD[word], textwrap.dedent(text)
    draft = drafted(source, text, Asked(at, direct))
    places = {line.place for line in draft.lines}
    for leaf in leaves(source.values(text)):
        near = [place for place in places if place[: len(leaf)] == leaf or leaf[: len(place)] == place]
        assert near, f"nothing is said of {shown(leaf)}"
    config, access = text_of(draft.config("imported")), text_of(draft.access)
    if draft.models:
        judge(config, access if draft.access else "")
    lines = report(draft)
    assert PLANTED not in config + access + "\n".join(lines) + repr(draft)
    assert not [line for line in lines if len(line) > 79 and " " in line.strip()], lines
    return Imported(json.loads(config), json.loads(access), draft, "\n".join(lines))
