"""How many retries a model may make: so many that a failure is hidden, so few that no storm follows.

Laws: each request earns a fifth of a retry, each second three of them; at most thirty are saved, and a fifth of the requests of
the last ten seconds besides. It begins full. A fallback is no retry. Time is handed in.
"""

from __future__ import annotations

SHARE, EACH_SECOND, SAVED, SPAN = 0.2, 3.0, 30.0, 10.0


class RetryBudget:
    """Of one public name. The requests of the last ten seconds are counted in two halves."""

    __slots__ = ("_at", "_earned", "_half", "_newer", "_older", "_turns", "tokens")

    def __init__(self, now: float) -> None:
        self.tokens = SAVED
        self._at = now
        self._half = int(now / (SPAN / 2))
        #: When the next half begins.
        self._turns = (self._half + 1) * (SPAN / 2)
        self._newer = self._older = 0
        #: How many of the newer ones stand in ``tokens``: what they earn is reckoned up when somebody wants a retry.
        self._earned = 0

    def request(self, now: float) -> None:
        """A request has come."""
        if now >= self._turns:
            self._turn(now)
        self._newer += 1

    def take(self, now: float) -> bool:
        """One retry, if there is one left."""
        self._turn(now)
        if self.tokens < 1.0 - 1e-9:  # sums of fifths
            return False
        self.tokens = max(0.0, self.tokens - 1.0)
        return True

    @property
    def most(self) -> float:
        """How many can be saved now."""
        return SAVED + SHARE * (self._newer + self._older)

    def _turn(self, now: float) -> None:
        if self._newer > self._earned:
            # Each of them has made room for what it earns, so that to add it up at once comes to the same.
            self.tokens = min(self.tokens + SHARE * (self._newer - self._earned), self.most)
            self._earned = self._newer
        half = int(now / (SPAN / 2))
        if half != self._half:
            self._older = self._newer if half == self._half + 1 else 0
            self._newer = self._earned = 0
            self._half = half
            self._turns = (half + 1) * (SPAN / 2)
        self.tokens = min(self.tokens + EACH_SECOND * max(0.0, now - self._at), self.most)
        self._at = max(now, self._at)
