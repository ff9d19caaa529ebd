"""What may have changed since it was last looked at, who said so, and when the next look is due.

Laws: pure; no hint is lost, only put off. Hints of inotify are paced: a neighbour's busy log file must cost a bounded
share of one core, however many events it makes; each part has its own pace, so that costly looks at a large prompt tree
do not put off those at the configuration. Whoever else asks is served at once. Time is in seconds on any steady clock.
"""

from __future__ import annotations

from llm_proxy.live.state.reading import Part

#: How the watcher notices a change, the surest first; any other cause is somebody who asks for a look.
WATCHER = ("inotify", "sweep", "start")
#: The pause after a look, and after one that found nothing new; then it is also a multiple of the look's CPU time.
_PAUSE, _IDLE_PAUSE, _IDLE_SHARE = 0.01, 0.02, 4


class Hints:
    """``add`` what was heard, ``take`` what is due, and tell by ``looked`` what it cost."""

    def __init__(self) -> None:
        self.parts: frozenset[Part] = frozenset()
        self.causes: frozenset[str] = frozenset()
        #: Whether somebody asked, and has no verdict yet.
        self.urgent = False
        self._not_before: dict[Part, float] = {}

    def add(self, cause: str, parts: frozenset[Part]) -> None:
        """Somebody says that ``parts`` may have changed."""
        self.parts |= parts
        self.causes |= {cause}
        self.urgent |= cause not in WATCHER

    def due_at(self) -> float | None:
        """When something is to be looked at; None if nothing is."""
        if not self.parts:
            return None
        if self.causes - {"inotify"}:
            return 0.0
        return min(self._not_before.get(part, 0.0) for part in self.parts)

    def take(self, now: float) -> tuple[frozenset[Part], frozenset[str]]:
        """The parts that are due, and all causes."""
        asked = bool(self.causes - {"inotify"})
        parts = frozenset(part for part in self.parts if asked or self._not_before.get(part, 0.0) <= now)
        causes, self.parts = self.causes, self.parts - parts
        self.causes = frozenset({"inotify"}) if self.parts else frozenset()
        return parts, causes

    def drop(self) -> None:
        """Everything is being looked at."""
        self.parts, self.causes = frozenset(), frozenset()

    def looked(self, parts: frozenset[Part], now: float, cost: float, *, fruitless: bool) -> None:
        """A look at ``parts`` has ended that took ``cost`` seconds of CPU time."""
        pause = max(_IDLE_PAUSE, _IDLE_SHARE * cost) if fruitless else max(_PAUSE, cost)
        for part in parts:
            self._not_before[part] = now + pause


def first_cause(causes: frozenset[str]) -> str:
    """The one to be told of several: somebody who asked, else the surest."""
    return min(causes, key=lambda cause: (WATCHER.index(cause) if cause in WATCHER else -1, cause))
