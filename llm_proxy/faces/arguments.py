"""The arguments of a call for dialects that have them as an object, where the canonical form has a text.

Laws: a model that wrote something else still gets it through, under a name of ours; but of arguments that were cut off the
members that are whole are what is told, without a key that no tool has. Pure.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import from_json

_Json = dict[str, Any]
#: Ends of an answer at which something may be missing.
CUT = ("length", "content_filter")


def as_object(text: str, *, cut: bool) -> _Json:
    """``text`` as an object; ``cut``: the answer has ended before its end."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return _begun(text) if cut else {"arguments": text}
    return value if isinstance(value, dict) else {"arguments": value}


def _begun(text: str) -> _Json:
    try:
        value = from_json(text, allow_partial=True)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
