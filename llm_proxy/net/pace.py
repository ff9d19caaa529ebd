"""Whether something goes on: so much of it in any so many seconds.

Laws: pure; the caller looks, four times in that span, and says how much there is by then. So silence and a trickle are
found within a quarter more than the span, nothing is done for each piece, and a pause of the whole process, after
which one look comes late, counts as one look: what had come meanwhile is read before the next.
"""

from __future__ import annotations

from collections import deque

_LOOKS = 4


class Pace:
    """``seconds``: the span; ``amount``: how much there is at the beginning; ``least``: how much must be added in each
    span. Call ``stalled`` once in each ``interval``."""

    __slots__ = ("_least", "_marks", "interval")

    def __init__(self, seconds: float, amount: int, least: float = 1) -> None:
        self.interval = seconds / _LOOKS
        self._least = least
        #: The amounts at the newest looks, the oldest of them a whole span ago, once there were so many.
        self._marks = deque([amount], _LOOKS)

    def stalled(self, amount: int) -> bool:
        """Whether too little has been added in the newest span, now that there is ``amount``."""
        oldest, full = self._marks[0], len(self._marks) == _LOOKS
        self._marks.append(amount)
        return full and amount - oldest < self._least
