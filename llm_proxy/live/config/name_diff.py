"""What an edit changed in ``$models``, in words.

Laws: those of ``diff``: pure; what came from the environment or a file only ever reads "changed".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from llm_proxy.live.config.placeholders import Filled
from llm_proxy.wire.json_scan import shown

#: The rows of ``$models`` by key, as they were written.
NameRows = Mapping[str, Mapping[str, Any]]

_UNSET = object()


def name_changes(old: NameRows, new: NameRows) -> Iterator[str]:
    """One sentence for each row that was added, removed or changed."""
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        label = f"$models {shown(key)}"
        if before is None:
            yield f"{label} added: {', '.join(_changes({}, after or {})) or 'nothing'}"
        elif after is None:
            yield f"{label} removed"
        elif changes := list(_changes(before, after)):
            yield f"{label}: {', '.join(changes)}"


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name, _UNSET), new.get(name, _UNSET)
        label = above + name
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _changes(before, after, f"{label}.")
        elif not _same(before, after):
            if _is_hidden(before) or _is_hidden(after):
                yield f"{label} changed"
            else:
                yield f"{label} {_text(before)} -> {_text(after)}"


def _same(before: Any, after: Any) -> bool:
    return bool(before == after) and isinstance(before, bool) == isinstance(after, bool)


def _is_hidden(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_is_hidden, value))
    if isinstance(value, dict):
        return any(map(_is_hidden, value.values()))
    return isinstance(value, Filled)


def _text(value: Any) -> str:
    """A value in few words: a fallback is its model, and when it is meant."""
    if value is _UNSET:
        return "unset"
    if value is None:
        return "none"
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, list):
        return "/".join(map(_text, value)) or "none"
    if isinstance(value, dict):
        return " ".join(f"{name} {_text(item)}" for name, item in value.items()) or "unset"
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)
