"""Configured models as Anthropic lists its own (docs.anthropic.com/en/api/models-list).

Laws: nothing is made up: what the configuration does not know is left out. A page is a stretch of the names in their
order, so that a cursor still means something after the model that it names was taken away.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.wire.calls import Deployment

#: The API's own limits of a page.
_DEFAULT, _MOST = 20, 1000


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page is asked for: ``limit`` models after one name, or before another."""

    limit: int = _DEFAULT
    after: str | None = None
    before: str | None = None

    @classmethod
    def of(cls, argument: Callable[[str, None], str | None]) -> Self:
        """Read it from the arguments of a query. Raises ``InvalidRequest``."""
        limit, after, before = (argument(name, None) or None for name in ("limit", "after_id", "before_id"))
        problems = []
        if limit is not None and not (
            limit.isascii() and limit.isdigit() and len(limit) < 10 and 1 <= int(limit) <= _MOST
        ):
            problems.append(Problem("limit", f"must be a number from 1 to {_MOST}"))
        if after is not None and before is not None:
            problems.append(Problem("before_id", "cannot be combined with after_id"))
        if problems:
            raise InvalidRequest.of(problems)
        return cls(int(limit or _DEFAULT), after, before)


def page(models: Mapping[str, Sequence[Deployment]], loaded_at: float, paging: Paging) -> dict[str, Any]:
    """One page of ``models``; ``loaded_at`` (seconds) is when the configuration was loaded."""
    names = sorted(models)
    if paging.before is not None:
        end = bisect_left(names, paging.before)
        start = max(0, end - paging.limit)
        more = start > 0
    else:
        start = 0 if paging.after is None else bisect_right(names, paging.after)
        end = start + paging.limit
        more = end < len(names)
    shown = names[start:end]
    return {
        "data": [described(name, models[name], loaded_at) for name in shown],
        "has_more": more,
        "first_id": shown[0] if shown else None,
        "last_id": shown[-1] if shown else None,
    }


def described(name: str, rows: Sequence[Deployment], loaded_at: float) -> dict[str, Any]:
    """One model. It was "released" when the configuration was loaded, since nobody knows better; its context is the
    smallest of its deployments, since any of them may be chosen."""
    sizes = [row.input_size for row in rows if row.input_size is not None]
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": datetime.fromtimestamp(int(loaded_at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
        **({"max_input_tokens": min(sizes)} if sizes else {}),
    }
