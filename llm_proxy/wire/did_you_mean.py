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


def near_path(path: str, known: Sequence[str]) -> str | None:
    """That one of the paths ``known`` that ``path`` may mean: one with the same end, as many segments of it as can be
    had, or one that is spelled nearly so."""
    asked = path.rstrip("/").split("/")[1:]
    best, found = 0, None
    for other in sorted(known, key=lambda name: (len(name), name)):
        same = 0
        for mine, theirs in zip(reversed(asked), reversed(other.split("/")[1:]), strict=False):
            if not mine or mine != theirs:
                break
            same += 1
        if same > best:
            best, found = same, other
    if found is None:
        found = next(iter(get_close_matches(path[:100], known, 1, 0.75)), None)
    return found
