"""Names that somebody may have meant, for error messages; bounded, because it runs on the event loop."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from difflib import get_close_matches

#: difflib takes about 10 us for each name, so of a long list only the neighbours in the order are compared: they
#: share the longest beginning.
_WINDOW = 100


def close_matches(name: str, known: Sequence[str], count: int = 3) -> list[str]:
    """Up to ``count`` of ``known`` (in order) that resemble ``name``."""
    name = name[:100]
    if len(known) > 2 * _WINDOW:
        place = bisect(known, name)
        known = known[max(0, place - _WINDOW) : place + _WINDOW]
    return get_close_matches(name, known, count, 0.5)
