"""Providers that are served beside those of ``models-config.json``, without being written down: servers that were found
on this machine, and the model that we run ourselves.

Laws: pure; the operator's own rows are never changed: an addition whose name is taken gets another one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

#: No additions.
NONE = b""


def written(providers: Mapping[str, Any]) -> bytes:
    """``providers`` (name -> what ``models-config.json`` has for it) as what ``with_additions`` takes."""
    return json.dumps(providers, ensure_ascii=True).encode() if providers else NONE


def with_additions(document: Mapping[str, Any], added: bytes) -> dict[str, Any]:
    """``document`` and behind it what ``written`` has made."""
    found = dict(document)
    for name, value in (json.loads(added) if added else {}).items():
        found[free_name(name, found)] = value
    return found


def free_name(name: str, taken: Mapping[str, Any]) -> str:
    """``name``, or with a number behind it where that is taken."""
    number, free = 2, name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free
