"""References within a JSON Schema (RFC 6901, JSON Pointer)."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote


def target(root: Any, ref: str) -> Any:
    """What ``ref`` points to in ``root``; None if that is nothing, or elsewhere."""
    if not ref.startswith("#"):
        return None
    found = root
    for part in unquote(ref[1:]).split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and name.isascii() and name.isdigit() and len(name) < 6:
            found = found[int(name)] if int(name) < len(found) else None
        else:
            return None
    return found
