"""What has changed among the running requests since a page was told last, so that little is sent.

Laws: pure. Rows are told whole when they are new or anything but their counts has changed; of the others the counts alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: Rows that are told at most.
MOST = 500
#: What grows while a request runs; ``age_ms`` a page knows by itself.
COUNTS = ("tokens", "first_token_ms", "tokens_per_second")
_GROWS = frozenset((*COUNTS, "age_ms"))

Row = dict[str, Any]


class Changes:
    """What the pages know."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.total = 0

    def next(self, rows: Iterable[Row], now: float) -> dict[str, Any] | None:
        """What is to be told of ``rows``, those that run at ``now``; None: nothing has changed."""
        several = list(rows)
        several.sort(key=lambda row: (row["started_at"], row["uid"]))
        current = {row["uid"]: row for row in several[:MOST]}
        before, self.rows = self.rows, current
        total, self.total = self.total, len(several)
        gone = [uid for uid in before if uid not in current]
        new, progress = [], []
        for uid, row in current.items():
            old = before.get(uid)
            if old is None or _differ(old, row):
                new.append(row)
            elif any(old[name] != row[name] for name in COUNTS):
                progress.append([uid, *(row[name] for name in COUNTS)])
        if not (new or progress or gone or total != self.total):
            return None
        return {
            "at": round(now, 3),
            "whole": False,
            "rows": new,
            "progress": progress,
            "gone": gone,
            "total": self.total,
        }

    def whole(self, now: float) -> dict[str, Any]:
        """All of it, for a page that knows nothing."""
        return {
            "at": round(now, 3),
            "whole": True,
            "rows": [*self.rows.values()],
            "progress": [],
            "gone": [],
            "total": self.total,
        }


def _differ(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return any(value != old[name] for name, value in new.items() if name not in _GROWS)
