"""From a row of access.json that has the right form to what its key may. Pure."""

from __future__ import annotations

from math import inf
from typing import Any

from llm_proxy.live.access.fields import Key, TeamFields
from llm_proxy.live.access.values import Limit, Models, Terms, written

#: Names are parts of headers, log lines and tables.
LONGEST = 128
#: So many parts are remembered.
_KNOWN = 16_384


def is_comment(name: str) -> bool:
    """Whether a member of that name means nothing."""
    return name == "$schema" or name.startswith("$comment")


def without_comments(row: Any) -> Any:
    """The members of a row that mean something; what is no row stays as it is."""
    if isinstance(row, dict) and any(map(is_comment, row)):
        return {field: value for field, value in row.items() if not is_comment(field)}
    return row


class TermsMaker:
    """Makes one object for equal parts of terms."""

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}

    def of(self, row: Key) -> Terms:
        """What the key may."""
        same = self._known.setdefault
        expires, text = row.expires or (inf, "")
        team, models, limits, budgets = (
            row.team or "",
            models_of(row),
            written(limits_of(row)),
            budgets_of(row),
        )
        if len(self._known) >= _KNOWN:
            self._known.clear()
        return Terms(
            same(team, team),
            same(models, models),
            same(limits, limits),
            same(budgets, budgets),
            expires,
            same(text, text),
            row.priority or "default",
            row.active is not False,
            row.admin or "",
            bool(row.passthrough),
            tuple(sorted(row.metadata.items())) if row.metadata else (),
        )


def models_of(row: Key | TeamFields) -> Models:
    """The names and patterns of models that are for it."""
    return None if row.models is None else tuple(row.models)


def limits_of(row: Key | TeamFields) -> tuple[Limit, ...]:
    """Those that are set."""
    return row.limits.found() if row.limits is not None else ()


def budgets_of(row: Key | TeamFields) -> tuple[str, ...]:
    """The names of its budgets, each once."""
    return tuple(dict.fromkeys(row.budgets or ()))
