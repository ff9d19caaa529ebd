"""Settings merged as values: what a file is to say after the new ones are in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


class MergeError(Exception):
    """The file cannot be edited; the text is one line, and shows nothing of it."""


def merged_value(
    old: Any, new: Any, same: str, keep: Collection[Any] = (), path: tuple[str | int, ...] = ()
) -> Any:
    """``old`` with ``new`` in it. Mappings are merged; a list of mappings item by item, where two are the same if their ``same`` is;
    anything else is replaced, unless its place in ``new`` is one of ``keep`` and something stands there already."""
    if path in keep and old not in (None, ""):
        return old
    if isinstance(old, dict) and isinstance(new, Mapping):
        found = dict(old)
        for key, value in new.items():
            here = (*path, key)
            found[key] = merged_value(old[key], value, same, keep, here) if key in old else value
        return found
    if isinstance(old, list) and isinstance(new, list) and _rows(old, new):
        items = list(old)
        for at, item in enumerate(new):
            place = next((i for i, one in enumerate(items) if one.get(same) == item.get(same)), None)
            if place is None:
                items.append(item)
            else:
                items[place] = merged_value(items[place], item, same, keep, (*path, at))
        return items
    return new


def _rows(*lists: list[Any]) -> bool:
    return all(isinstance(item, dict) for items in lists for item in items)
