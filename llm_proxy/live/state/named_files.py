"""The files that a configuration names, whatever it names them for: found in its bytes, before anybody judges them.

Laws: pure; too many rather than too few: any absolute path that stands alone in a string counts, as does one in
``${file:...}`` or in a variable that is named. Bounded by the size of the file. Also of a text that is no JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

_FILE = re.compile(r"\$\{file:(/[^{}]*)\}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
#: The longest path that Linux takes (limits.h, PATH_MAX).
_LONGEST = 4096


def named_files(data: bytes, env: Mapping[str, str]) -> frozenset[str]:
    """Absolute paths, of files that exist or not."""
    return frozenset(
        path for string in _telling(data) for path in _paths(string, env) if len(path) < _LONGEST
    )


@lru_cache(maxsize=2)
def _telling(data: bytes) -> tuple[str, ...]:
    """The strings that may hold a path. Cached: each look at the prompts asks."""
    text = data.decode("utf-8", "replace")
    try:
        # Pairs, since of a name that stands twice both are meant; and a function, in which other threads get their turn.
        strings = list(_strings(json.loads(text, object_pairs_hook=_members)))
    except (ValueError, RecursionError):
        strings = _QUOTED.findall(text)
    return tuple(string for string in strings if string.startswith("/") or "${" in string)


def _members(pairs: list[tuple[str, Any]]) -> list[Any]:
    return [value for _, value in pairs]


def _strings(top: Any) -> Iterator[str]:
    """All strings that are values, at any depth."""
    rest = [top]
    while rest:
        value = rest.pop()
        if isinstance(value, list):
            rest += value
        elif isinstance(value, str):
            yield value


def _paths(string: str, env: Mapping[str, str]) -> Iterator[str]:
    if string.startswith("/"):
        yield string
    if "${" in string:
        yield from _FILE.findall(string)
        yield from (env[name] for name in _VARIABLE.findall(string) if env.get(name, "").startswith("/"))
