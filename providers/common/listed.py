"""The models that an upstream lists, by its own names for them: ``/v1/models`` of many vendors, Ollama's ``/api/tags``, Gemini's.

Laws: pure, bounded, never raises: what is no list lists nothing (None). Forms are known by their shape, since servers copy each
other's: an object with ``data`` (OpenAI, Anthropic) or ``models`` (Ollama, Gemini), or a bare list (Together).
"""

from __future__ import annotations

import json
from typing import Any

#: So many names are taken from one list; the largest known have a few hundred.
MOST = 10_000


def names_in(body: bytes, *, prefix: str = "") -> tuple[str, ...] | None:
    """The names in ``body``, in its order, each of them once; without ``prefix`` where they begin with it."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    entries = value
    if isinstance(value, dict):
        entries = value.get("data") if isinstance(value.get("data"), list) else value.get("models")
    if not isinstance(entries, list):
        return None
    found = (_name(entry) for entry in entries[:MOST])
    return tuple(dict.fromkeys(name.removeprefix(prefix) for name in found if name))


def _name(entry: Any) -> str:
    if isinstance(entry, str):
        return entry
    if not isinstance(entry, dict):
        return ""
    told = (entry.get(key) for key in ("id", "name", "model"))
    return next((name for name in told if isinstance(name, str) and name), "")
