"""What has changed among the running requests since a page was told last, so that little is sent.

Laws: pure. Rows are told whole when they are new or anything but their counts has changed; of the others the counts alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

#: Rows that are told at most.
MOST = 500
#: What grows while a request runs; and what else may change. ``age_ms`` a page knows by itself.
COUNTS = ("tokens", "first_token_ms", "tokens_per_second")
_counts = itemgetter(*COUNTS)
_others = itemgetter("state", "provider", "upstream_model", "attempts", "stream")

Row = dict[str, Any]


class Changes:
    """What the pages know."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.total = 0
        #: Of each row what had been told of it: rows themselves may be the same objects the next time.
        self._told: dict[str, tuple[Any, Any]] = {}

    def next(self, rows: Iterable[Row], now: float) -> dict[str, Any] | None:
        """What is to be told of ``rows``, those that run at ``now``; None: nothing has changed."""
        several = list(rows)
        if len(several) > MOST:
            several.sort(key=itemgetter("started_at", "uid"))
        total, self.total = self.total, len(several)
        before, told = self._told, {}
        self.rows = {}
        new, progress = [], []
        for row in several[:MOST]:
            uid = row["uid"]
            self.rows[uid] = row
            told[uid] = current = _others(row), _counts(row)
            old = before.get(uid)
            if old is None or old[0] != current[0]:
                new.append(row)
            elif old[1] != current[1]:
                progress.append([uid, *current[1]])
        gone = [uid for uid in before if uid not in told]
        self._told = told
        if not (new or progress or gone or total != self.total):
            return None
        new.sort(key=itemgetter("started_at", "uid"))
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
            "rows": sorted(self.rows.values(), key=itemgetter("started_at", "uid")),
            "progress": [],
            "gone": [],
            "total": self.total,
        }
