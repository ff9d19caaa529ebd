"""The report of an import: every field of the source, for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from llm_proxy.cli.importing.draft import Draft, Fate, Line, Place

_WIDTH = 79
_TITLES: dict[Fate, str] = {
    "taken": "Taken as they are",
    "changed": "Changed",
    "not supported": "Not supported",
}


def report(draft: Draft) -> list[str]:
    """Its lines. What is the same of several rows is said once."""
    lines: list[str] = []
    for fate, title in _TITLES.items():
        found = [line for line in draft.lines if line.fate == fate]
        if not found:
            continue
        lines += ["", f"{title} ({len(found)}):"]
        lines += _taken(found) if fate == "taken" else _said(found)
    if draft.variables:
        lines += ["", "To be set in the environment of the service:"]
        wide = max(map(len, draft.variables)) + 2
        for name, why in draft.variables.items():
            lines += _wrapped(f"  {name:{wide}}", why)
    for sentence in draft.advice:
        lines += ["", *textwrap.wrap(sentence, _WIDTH)]
    return lines


def _taken(found: Iterable[Line]) -> list[str]:
    counts: dict[str, int] = {}
    for line in found:
        counts[pattern(line.place)] = counts.get(pattern(line.place), 0) + 1
    text = ", ".join(name + (f" ({number})" if number > 1 else "") for name, number in counts.items())
    return textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


#: From so many different fields on, what is said of all of them stands once, before them.
_MANY = 3


def _said(found: Iterable[Line]) -> list[str]:
    groups: dict[str, dict[str, list[Line]]] = {}
    for line in found:
        groups.setdefault(line.words, {}).setdefault(pattern(line.place), []).append(line)
    lines: list[str] = []
    for words, fields in groups.items():
        names = [
            shown(members[0].place) if len(members) == 1 else f"{name} ({len(members)})"
            for name, members in fields.items()
        ]
        if len(names) < _MANY:
            for name in names:
                lines += _wrapped(f"  {name}: ", words, indent=6)
        else:
            lines += _wrapped("  ", f"{words}:", indent=2)
            lines += _wrapped("      ", ", ".join(names), indent=6)
    return lines


def _wrapped(head: str, words: str, indent: int | None = None) -> list[str]:
    """Words behind a head: below it where it is long."""
    under = " " * (len(head) if indent is None else indent)
    first = words.split(" ", 1)[0]
    if len(head) + len(first) > _WIDTH and head.strip():
        return [head.rstrip(), *_wrapped(" " * 6, words, indent=6)]
    return textwrap.wrap(
        words,
        _WIDTH,
        initial_indent=head,
        subsequent_indent=under,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [head.rstrip(": ")]


def shown(place: Place) -> str:
    """``model_list[0].litellm_params.model``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{_key(part)}" for part in place).removeprefix(
        "."
    )


def pattern(place: Place) -> str:
    """The same without the numbers of items, and without the names that people choose: what several rows have in common."""
    words = []
    for at, part in enumerate(place):
        own = at > 0 and place[at - 1] in ("models", "provider", "peers", "selectors", "api_configs")
        words.append("[]" if isinstance(part, int) else ".*" if own else f".{_key(part)}")
    return "".join(words).removeprefix(".")


def _key(part: str | int) -> str:
    text = str(part)
    shown_part = text if len(text) <= 60 else text[:57] + "..."
    return shown_part if all(c.isprintable() for c in shown_part) else repr(shown_part)
