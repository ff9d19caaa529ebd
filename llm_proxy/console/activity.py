"""What a process remembers of its requests for the console: the last ones, and the last quarter of an hour in figures.

Laws: a request that ends is counted and put into a ring, as its handler leaves it: what the console shows of it is made when
somebody looks. All of it is bounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from llm_proxy.console.finished import Ended, Request, kept, speed_of
from llm_proxy.console.history import History

#: Requests that are remembered.
KEPT = 500
#: So many are counted at a time, or as soon as somebody looks: together they cost a fraction.
_BATCH = 200

#: Takes note of a request that has ended: when, with which status, its facts for the access line, and the rest of ``Ended``.
Note = Callable[
    [float, int, Mapping[str, Any], "str | Mapping[str, Any]", Mapping[str, str], Mapping[str, Any]], None
]


class Activity:
    """``face_of``: which face an endpoint belongs to."""

    def __init__(self, face_of: Callable[[str], str]) -> None:
        self._history = History()
        #: Arguments of ``History.add`` that it has not been told yet.
        self._fresh: list[tuple[Any, ...]] = []
        #: How many have ended altogether; the newest of ``recent`` is that one.
        self.count = 0
        self._face_of = face_of
        #: Fields of ``Ended``, or what the console shows, if somebody has looked.
        self._recent: deque[tuple[Any, ...] | Request] = deque(maxlen=KEPT)

    def note(
        self,
        at: float,
        status: int,
        facts: Mapping[str, Any],
        said: str | Mapping[str, Any],
        headers: Mapping[str, str],
        usage: Mapping[str, Any],
    ) -> None:
        """A request has ended (``Note``)."""
        self.count += 1
        self._recent.append((at, status, said, headers, usage))
        get = facts.get
        first = speed = None
        if get("stream"):
            first, speed = get("first_byte_ms"), speed_of(facts)
        fresh = self._fresh
        fresh.append((at, status, get("prompt_tokens"), get("completion_tokens"), first, speed))
        if len(fresh) >= _BATCH:
            self._tell()

    @property
    def history(self) -> History:
        """The last quarter of an hour, with all that has ended."""
        if self._fresh:
            self._tell()
        return self._history

    def _tell(self) -> None:
        fresh, self._fresh = self._fresh, []
        self._history.add_all(fresh)

    def running(self, now: float, count: int) -> None:
        """So many go on."""
        self.history.piece(now)["running"] = count

    def recent(self) -> list[Request]:
        """All that are remembered, oldest first."""
        return self._shown(0)

    def since(self, count: int, most: int) -> list[Request]:
        """Those that ended after the first ``count``, at most the newest ``most``."""
        wanted = min(self.count - count, most, len(self._recent))
        return self._shown(len(self._recent) - wanted) if wanted > 0 else []

    def _shown(self, first: int) -> list[Request]:
        """Those from the one at ``first`` on; each is made once."""
        ring = self._recent
        for at in range(first, len(ring)):
            one = ring[at]
            if type(one) is tuple:
                ring[at] = kept(Ended._make(one), self._face_of)
        return list(islice(ring, first, None))  # type: ignore[arg-type]  # all of them are made now
