"""Names with ``*`` in them: which names fit, what each ``*`` stands for, and which pattern is the closest.

Laws: pure; linear in the length of a name for each ``*``, whatever the name, since clients choose it. A ``*`` stands for any
characters, for none too, and the earlier of several for as few as possible. There is no way to write the character itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: The longest name that a model can have (``checks.name``).
LONGEST = 256


@dataclass(frozen=True, slots=True)
class Pattern:
    """``text`` is as the configuration has it; ``fixed``: how many of its characters are not ``*``."""

    text: str
    fixed: int = field(init=False)
    _parts: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_parts", tuple(self.text.split("*")))
        object.__setattr__(self, "fixed", sum(map(len, self._parts)))

    def stands_for(self, name: str) -> tuple[str, ...] | None:
        """What each ``*`` is in ``name``; None if that does not fit."""
        first, *inner, last = self._parts
        if len(name) < self.fixed or not name.startswith(first) or not name.endswith(last):
            return None
        at, end = len(first), len(name) - len(last)
        found: list[str] = []
        for part in inner:
            start = name.find(part, at, end)
            if start < 0:
                return None
            found.append(name[at:start])
            at = start + len(part)
        return (*found, name[at:end])

    def fits(self, name: str) -> bool:
        """Whether ``name`` does."""
        return self.stands_for(name) is not None


def is_pattern(name: str) -> bool:
    """Whether a key of the configuration is one."""
    return "*" in name


def filled(template: str, found: tuple[str, ...]) -> str:
    """``template`` with ``found`` in the places of its ``*``; as it is if it has none."""
    if "*" not in template:
        return template
    parts = template.split("*")
    return "".join(text for pair in zip(parts, (*found, ""), strict=True) for text in pair)


_DOTS = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")


def may_be_asked(name: str) -> bool:
    """Whether ``name``, which a client chose, can be a model's: names that fit patterns reach headers, logs and the paths of
    upstream calls."""
    return 0 < len(name) <= LONGEST and name.isprintable() and name == name.strip() and not _DOTS.search(name)
