"""Problems of the files as the console shows them: the sentence of ``/status``, and the place that it names. Pure."""

from __future__ import annotations

import re
from typing import Any

_PLACED = re.compile(
    r"(?:(?P<file>[^:]{1,255}): )?line (?P<line>\d+), column (?P<column>\d+): "
    r"(?:(?P<path>\S{1,500}): )?(?P<message>.*)",
    re.DOTALL,
)


def told(sentence: str) -> dict[str, Any]:
    """``line`` and the others are null where the sentence names no place."""
    found = _PLACED.fullmatch(sentence)
    if found is None:
        return {
            "text": sentence,
            "file": None,
            "line": None,
            "column": None,
            "path": None,
            "message": sentence,
        }
    return {
        "text": sentence,
        "file": found["file"],
        "line": int(found["line"]),
        "column": int(found["column"]),
        "path": found["path"],
        "message": found["message"],
    }
