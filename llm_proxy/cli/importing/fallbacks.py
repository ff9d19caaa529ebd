"""Fallbacks of a source: each leads to a model that is served, and in no circle, as ours must."""

from __future__ import annotations

from typing import Any

from llm_proxy.cli.importing.draft import Draft, is_name

#: By which of our reasons a model answers for another; nothing: the two that hold where none is said.
UNSAID: tuple[str, ...] = ()


class Fallbacks:
    """Gathered in the order of the source."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._found: dict[str, dict[str, list[str]]] = {}

    def add(self, model: str, other: str, reasons: tuple[str, ...]) -> str:
        """``other`` answers for ``model``; why that cannot be, if it cannot."""
        if not is_name(model) or not is_name(other):
            return "is no name that a model can have here"
        for name in (model, other):
            if not self._draft.serves(name):
                return f"nothing that was imported serves {name}"
        if model == other:
            return "a model cannot answer for itself"
        if self._leads(other, model):
            return f"{other} leads back to {model}, and a circle of fallbacks is an error here"
        there = self._found.setdefault(model, {}).setdefault(other, [])
        there += [reason for reason in reasons or ("unavailable", "rate_limit") if reason not in there]
        return ""

    def has(self, model: str) -> bool:
        """Whether there are any for it."""
        return model in self._found

    def finish(self) -> None:
        """Write them down."""
        for model, others in self._found.items():
            items: list[Any] = [
                other if set(reasons) == {"unavailable", "rate_limit"} else {"model": other, "on": reasons}
                for other, reasons in others.items()
            ]
            self._draft.said(model, fallbacks=items)

    def _leads(self, start: str, end: str) -> bool:
        waiting, seen = [start], set()
        while waiting:
            name = waiting.pop()
            name = self._draft.names.get(name, {}).get("alias", name)
            if name == self._draft.names.get(end, {}).get("alias", end):
                return True
            if name not in seen:
                seen.add(name)
                waiting.extend(self._found.get(name, ()))
        return False
