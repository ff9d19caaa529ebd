"""What a vendor grants us a minute: over it an upstream sleeps, and is not asked only to be refused.

Laws: the generic cell rate algorithm; a whole minute's worth may come at once. A request that is larger than the limit passes
when nothing else has been asked, since it would never pass otherwise. What is told is when the next one may come.
"""

from __future__ import annotations

_MINUTE = 60.0


def allowed_at(arrival: float, now: float, limit: int, amount: float) -> float:
    """When ``amount`` of ``limit`` a minute may come: ``now`` or later. ``arrival``: the theoretical arrival time."""
    need = min(amount / limit, 1.0) * _MINUTE
    return max(now, arrival + need - _MINUTE)


def charged(arrival: float, now: float, limit: int, amount: float) -> float:
    """The theoretical arrival time after ``amount`` has come; a negative one gives back."""
    return max(arrival, now) + amount / limit * _MINUTE
