"""Whether a worker still turns, as its parent sees it by the heartbeats.

Laws: pure; time is what the parent itself has seen pass, in steps, of which a long one counts as a short one. So a
machine that was suspended, a container that was frozen, or a parent that was not run for a while makes no worker look
dead: after such a leap a healthy one beats again before enough steps have passed.
"""

from __future__ import annotations

#: A worker beats once a second; one that has not for so many seconds hangs.
HUNG = 10.0
#: The most that one step counts, in seconds.
_STEP = 2.0


class Liveness:
    """One worker's. ``look`` is called at least once in a few seconds."""

    __slots__ = ("_beat", "_looked_at", "silent")

    def __init__(self) -> None:
        self._beat: float | None = None
        self._looked_at = 0.0
        #: For how long it has not beaten, in seconds.
        self.silent = 0.0

    def look(self, now: float, beat: float | None) -> bool:
        """Whether it hangs, with its newest ``beat`` (None before the first: who is not up yet is not judged)."""
        if beat is None or beat != self._beat:
            self.silent = 0.0
        else:
            self.silent += min(now - self._looked_at, _STEP)
        self._beat, self._looked_at = beat, now
        return self.silent >= HUNG
