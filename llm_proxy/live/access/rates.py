"""The generic cell rate algorithm in whole nanoseconds: how much may come, and how long to wait for it exactly.

Laws: pure, and exact: no window has a border at which twice as much fits. A limit is a bucket that empties steadily; its state is
the time at which it will be empty (ITU-T I.371, Annex A: the theoretical arrival time). What is given back is at most
what has not run out meanwhile, so that nobody gains by asking for too much.
"""

from __future__ import annotations

from dataclasses import dataclass

SECOND = 1_000_000_000
_SPANS = {"rpd": 86_400, "tpd": 86_400}


@dataclass(frozen=True, slots=True)
class Rate:
    """``limit`` in ``span`` nanoseconds, ``burst`` of them at once; one takes ``each`` to run out."""

    limit: int
    burst: int
    span: int
    each: int

    @classmethod
    def of(cls, kind: str, limit: int, burst: int) -> Rate:
        """That of a limit such as ``rpm``."""
        span = _SPANS.get(kind, 60) * SECOND
        return cls(limit, burst, span, max(1, span // limit))

    def after(self, empty_at: int, now: int, amount: int) -> int:
        """When the bucket would be empty with ``amount`` more in it."""
        return max(empty_at, now) + amount * self.each

    def wait(self, empty_at: int, now: int, amount: int) -> int:
        """Nanoseconds until ``amount`` fits; 0: now. What is more than the burst waits for an empty bucket."""
        return max(0, self.after(empty_at, now, amount) - now - max(self.burst, amount) * self.each)

    def left(self, empty_at: int, now: int) -> int:
        """What would fit now."""
        return max(0, (self.burst * self.each - max(0, empty_at - now)) // self.each)

    def corrected(self, empty_at: int, now: int, reserved: int, used: int, since: int) -> int:
        """When it is empty if ``used`` has come instead of what was ``reserved`` at ``since``."""
        if used >= reserved:
            return max(empty_at, now) + (used - reserved) * self.each
        still = max(0, reserved * self.each - (now - since))
        return max(now, empty_at - min((reserved - used) * self.each, still)) if empty_at > now else empty_at
