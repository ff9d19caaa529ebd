"""What the doctor finds, as values, and how they are shown in a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Grade = Literal["ok", "note", "broken"]
_WIDTH = 79
_MARKS: dict[Grade, str] = {"ok": "ok", "note": "note", "broken": "BROKEN"}
_WIDE = max(map(len, _MARKS.values()))


@dataclass(frozen=True, slots=True)
class Finding:
    """``subject``: what was looked at; ``words``: how it is; ``remedy``: what to do, for all but what is ok. No secret is in any."""

    grade: Grade
    subject: str
    words: str
    remedy: str = ""


def ok(subject: str, words: str) -> Finding:
    """Nothing to do."""
    return Finding("ok", subject, words)


def note(subject: str, words: str, remedy: str) -> Finding:
    """It works, and may not be what is meant."""
    return Finding("note", subject, words, remedy)


def broken(subject: str, words: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding("broken", subject, words, remedy)


def shown(findings: Iterable[Finding]) -> list[str]:
    """A line for each, the remedy below, and how many of what at the end."""
    found = tuple(findings)
    lines: list[str] = []
    under = " " * (_WIDE + 2)
    for one in found:
        head = f"{_MARKS[one.grade]:{_WIDE}}  "
        lines += _wrapped(f"{one.subject}: {one.words}", head, under)
        if one.remedy:
            lines += _wrapped(one.remedy, f"{under}-> ", f"{under}   ")
    counts = {grade: sum(one.grade == grade for one in found) for grade in _MARKS}
    end = "nothing is broken" if not counts["broken"] else f"{counts['broken']} broken"
    if counts["note"]:
        end += f", {counts['note']} note{'s' * (counts['note'] != 1)}"
    return [*lines, "", f"{end} ({len(found)} looked at)"]


def _wrapped(text: str, head: str, under: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=head,
        subsequent_indent=under,
        break_long_words=False,
        break_on_hyphens=False,
    )
