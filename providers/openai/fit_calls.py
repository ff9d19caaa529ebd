"""Ids of calls in a vendor's grammar, for histories that were had with models of other vendors.

Laws: an id that fits stays; any other gets a new one that is made of it alone, so that a call and its result keep the same,
and the next request of the conversation has them again. Two ids of a conversation never become one.
"""

from __future__ import annotations

import hashlib
import re
from string import ascii_letters, digits
from typing import Any

_Json = dict[str, Any]
_LETTERS = ascii_letters + digits


def fit_ids(messages: list[_Json], grammar: re.Pattern[str], length: int) -> list[_Json]:
    """``messages`` with ids in ``grammar``; new ones are ``length`` letters and digits."""
    ids = dict.fromkeys(found for message in messages if len(message) > 2 for found in _ids(message))
    new = _new(list(ids), grammar, length) if ids else {}
    return [_renamed(message, new) for message in messages] if new else messages


def _ids(message: _Json) -> list[str]:
    """The ids that stand in ``message``, of calls and of a result."""
    found = [call.get("id") for call in message.get("tool_calls") or ()]
    found.append(message.get("tool_call_id"))
    return [value for value in found if isinstance(value, str)]


def _new(ids: list[str], grammar: re.Pattern[str], length: int) -> dict[str, str]:
    """What the ids that do not fit become."""
    taken = {value for value in ids if grammar.fullmatch(value)}
    new: dict[str, str] = {}
    for value in [value for value in ids if value not in taken]:
        salt = 0
        while (made := _made(f"{salt}:{value}", length)) in taken:
            salt += 1
        taken.add(made)
        new[value] = made
    return new


def _made(text: str, length: int) -> str:
    number = int.from_bytes(hashlib.sha512(text.encode("utf-8", "surrogatepass")).digest())
    letters = []
    for _ in range(length):
        number, rest = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[rest])
    return "".join(letters)


def _renamed(message: _Json, new: dict[str, str]) -> _Json:
    found = message
    if message.get("tool_call_id") in new:
        found = {**found, "tool_call_id": new[message["tool_call_id"]]}
    calls = message.get("tool_calls") or ()
    if any(call.get("id") in new for call in calls):
        found = {
            **found,
            "tool_calls": [{**call, "id": new.get(call.get("id"), call.get("id"))} for call in calls],
        }
    return found
