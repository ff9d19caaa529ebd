"""When an upstream that fails is taken out of the rotation, for how long, and what brings it back.

Laws: five failures in a row, or half of at least twenty requests within thirty seconds. It is out for ten seconds times the
number of its ejections, at most five minutes; then one request tries it, and what comes of that decides. Requests that
began before it was ejected say nothing new. That a model's last upstream is asked all the same is known where one is
picked. Time is handed in.
"""

from __future__ import annotations

IN_A_ROW = 5
LEAST, SHARE = 20, 0.5
BASE, LONGEST = 10.0, 300.0
#: A key that was refused may be accepted again after so many seconds.
REFUSED = 60.0
#: One ejection is forgotten for each so many seconds in service.
FORGIVEN = 30.0
#: A request that tries an upstream and says nothing for so long does not keep others from trying.
PROBE = 60.0

_BUCKETS, _WIDTH = 10, 3.0


class Health:
    """Of one upstream, or of one server and key. ``until`` is 0 while it is in service; it stays when that time is over,
    until a request has shown that it is well. ``newest``: requests answered of late, ``turns``: until when they count as one."""

    __slots__ = (
        "_at",
        "_bad",
        "_good",
        "count",
        "in_a_row",
        "newest",
        "probe_at",
        "reason",
        "refused",
        "since",
        "turns",
        "until",
    )

    def __init__(self) -> None:
        self.in_a_row = 0
        self.until = 0.0
        self.since = 0.0
        self.count = 0
        self.reason = ""
        self.refused = False
        self.probe_at = 0.0
        self._good = [0] * _BUCKETS
        self._bad = [0] * _BUCKETS
        self._at = 0
        #: Those that the bucket of now does not hold yet, and when the next one begins.
        self.newest = 0
        self.turns = 0.0

    def served(self, now: float, began: float) -> bool:
        """A request was answered. Whether that brings it back."""
        self.in_a_row = 0
        if now >= self.turns:
            self._turn(now)
        self.newest += 1
        if not self.until or began < self.since:
            return False
        self.until = self.probe_at = 0.0
        self.since = now
        self._good, self._bad = [0] * _BUCKETS, [0] * _BUCKETS
        self.newest = 0
        return True

    def failed(self, now: float, began: float, reason: str) -> bool:
        """A request failed. Whether it is ejected for that."""
        self.in_a_row += 1
        if now >= self.turns:
            self._turn(now)
        self._bad[self._at % _BUCKETS] += 1
        if self.until:
            if began < self.since or now < self.until:
                return False
            return self.eject(now, reason)
        if self.in_a_row >= IN_A_ROW:
            return self.eject(now, reason)
        bad = sum(self._bad)
        total = bad + sum(self._good) + self.newest
        return total >= LEAST and bad >= SHARE * total and self.eject(now, reason)

    def eject(self, now: float, reason: str, seconds: float | None = None) -> bool:
        """Out of the rotation from now on: for ``seconds``, or for as long as it deserves."""
        if not self.until:
            self.count = max(0, self.count - int((now - self.since) / FORGIVEN))
        self.count += 1
        self.since, self.probe_at, self.in_a_row = now, 0.0, 0
        self.until = now + (min(LONGEST, BASE * self.count) if seconds is None else seconds)
        self.reason = reason
        self.refused = False
        return True

    def refuse(self, now: float) -> None:
        """It does not take our key: nothing else needs to be said for a while."""
        self.eject(now, "it refuses our key", REFUSED)
        self.refused = True

    def may_probe(self, now: float) -> bool:
        """Whether its time is over, and nobody tries it at the moment."""
        return now >= self.until and (not self.probe_at or now >= self.probe_at + PROBE)

    def _turn(self, now: float) -> None:
        """What happens now is counted in another bucket; what is older than the window is forgotten."""
        at = int(now / _WIDTH)
        self._good[self._at % _BUCKETS] += self.newest
        self.newest = 0
        for old in range(max(self._at + 1, at - _BUCKETS + 1), at + 1):
            self._good[old % _BUCKETS] = self._bad[old % _BUCKETS] = 0
        self._at = at
        self.turns = (at + 1) * _WIDTH
