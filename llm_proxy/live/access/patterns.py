"""Lists of names in which a ``*`` stands for any characters. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache


@lru_cache(maxsize=1024)
def matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether a name is one of ``patterns``, or like one. A ``*`` is the only sign that means something."""
    plain = frozenset(pattern for pattern in patterns if "*" not in pattern)
    if "*" in patterns:
        return lambda name: True
    like = [pattern for pattern in patterns if "*" in pattern]
    if not like:
        return plain.__contains__
    parts = [_Like(pattern) for pattern in like]
    return lambda name: name in plain or any(part.fits(name) for part in parts)


class _Like:
    """One pattern. The text between two stars is looked for from left to right, which takes no longer than the name."""

    __slots__ = ("_end", "_middle", "_shortest", "_start")

    def __init__(self, pattern: str) -> None:
        self._start, *self._middle, self._end = pattern.split("*")
        self._shortest = len(pattern) - pattern.count("*")

    def fits(self, name: str) -> bool:
        """Whether ``name`` is like the pattern."""
        if len(name) < self._shortest or not (name.startswith(self._start) and name.endswith(self._end)):
            return False
        at, end = len(self._start), len(name) - len(self._end)
        for part in self._middle:
            at = name.find(part, at, end)
            if at < 0:
                return False
            at += len(part)
        return True
