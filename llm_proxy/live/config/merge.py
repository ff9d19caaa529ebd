"""How ``defaults`` and a model's own fields become one set of fields.

Laws: objects merge key by key and null removes (RFC 7396, JSON merge patch); header names are compared without case.
Pure; no argument is ever changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from llm_proxy.wire.json_scan import Path


@dataclass(frozen=True, slots=True)
class Part:
    """The sound fields of one object, and the names of those that are not: from their absence follows nothing."""

    path: Path
    fields: Mapping[str, Any]
    broken: frozenset[str] = frozenset()


def merge(defaults: Part, own: Part) -> Part:
    """``own`` over ``defaults``, without any null."""
    over = own.fields
    known = defaults.fields.get("headers")
    if known and over.get("headers"):
        over = {**over, "headers": _spelled_like(known, over["headers"])}
    fields = patched(patched({}, defaults.fields), over)
    return Part(own.path, fields, own.broken | (defaults.broken - own.fields.keys()))


def patched(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` (which holds no null) with the merge patch ``over`` applied."""
    result = dict(base)
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            below = result.get(key)
            result[key] = patched(below if isinstance(below, dict) else {}, value)
        else:
            result[key] = value
    return result


def _spelled_like(known: Iterable[str], headers: Mapping[str, Any]) -> dict[str, Any]:
    """``headers`` with the spelling of ``known`` where they are the same header."""
    spelling = {name.lower(): name for name in known}
    return {spelling.get(name.lower(), name): value for name, value in headers.items()}
