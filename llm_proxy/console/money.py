"""What a budget will have paid at the end of its period, if it goes on as it did.

Laws: pure; of a period that has just begun nothing is said: a few requests are no trend.
"""

from __future__ import annotations

#: The part of a period that must be over before there is a forecast.
_LEAST = 0.02


def forecast(used: float, start: float, end: float, now: float) -> float | None:
    """``used`` since ``start``, in the same measure; None: it is too early to say."""
    whole, gone = end - start, now - start
    if whole <= 0 or gone / whole < _LEAST:
        return None
    return round(used * whole / min(gone, whole), 6)
