"""What a process remembers of its requests for the console: the last ones, and the last quarter of an hour in figures.

Laws: a request that ends is appended to a list and costs nothing else; once a second the list is folded into what is
remembered. All of it is bounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice

from llm_proxy.console.finished import Ended, Request, count_in, kept, speed_of
from llm_proxy.console.history import History

#: Requests that are remembered.
KEPT = 500


class Activity:
    """``face_of``: which face an endpoint belongs to."""

    def __init__(self, face_of: Callable[[str], str]) -> None:
        #: Where requests are appended to as they end.
        self.fresh: list[Ended] = []
        self.history = History()
        #: How many have ended altogether; the newest of ``recent`` is that one.
        self.count = 0
        self._face_of = face_of
        self._recent: deque[Request] = deque(maxlen=KEPT)

    def fold(self, now: float, running: int) -> None:
        """Take up what has ended, while ``running`` go on."""
        self.history.piece(now)["running"] = running
        if not self.fresh:
            return
        fresh = self.fresh[:]
        self.fresh.clear()
        for at, status, fields, _, _ in fresh:
            self.history.add(
                at,
                status,
                count_in(fields.get("prompt_tokens")),
                count_in(fields.get("completion_tokens")),
                fields.get("first_byte_ms") if fields.get("stream") else None,
                speed_of(fields),
            )
        self.count += len(fresh)
        self._recent.extend(kept(one, self._face_of(one.fields["endpoint"])) for one in fresh[-KEPT:])

    def recent(self) -> list[Request]:
        """All that are remembered, oldest first."""
        return list(self._recent)

    def since(self, count: int, most: int) -> list[Request]:
        """Those that ended after the first ``count``, at most the newest ``most``."""
        wanted = min(self.count - count, most, len(self._recent))
        return list(islice(self._recent, len(self._recent) - wanted, None)) if wanted > 0 else []
