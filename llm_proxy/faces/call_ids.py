"""Ids of tool calls in the only form that Anthropic's API takes, ``^[a-zA-Z0-9_-]+$``.

Other vendors' ids hold dots and colons (Moonshot's ``functions.Bash:0``), whole signatures, or begin anew with each answer.
Laws: the same conversation gives the same ids, a result has the id of its call, and no two calls have one.
"""

from __future__ import annotations

import hashlib
import re

_REFUSED = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST = 64


def clean(call_id: str) -> str:
    """``call_id`` as the API takes it; one that is sound stays."""
    found = _REFUSED.sub("_", call_id)
    if len(found) <= _LONGEST:
        return found
    return f"{found[: _LONGEST - 17]}_{hashlib.sha256(call_id.encode()).hexdigest()[:16]}"


class CallIds:
    """The ids of one conversation, or of one answer, in order."""

    def __init__(self) -> None:
        #: The ids that calls have, how many were told apart by their number behind the same beginning, and the newest id
        #: for each one that was given.
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}
        self._newest: dict[str, str] = {}

    def asked(self, call_id: str) -> str:
        """The id of the next call."""
        found = wanted = clean(call_id)
        beginning = wanted[: _LONGEST - 10]
        while found in self._taken:
            self._numbers[beginning] = number = self._numbers.get(beginning, 1) + 1
            found = f"{beginning}_{number}"
        self._taken.add(found)
        self._newest[call_id] = found
        return found

    def answered(self, call_id: str) -> str:
        """The id of the newest call that was given as ``call_id``."""
        return self._newest.get(call_id) or clean(call_id)
