"""The pieces of an answer in the canonical form, read soundly by faces that write another dialect.

Laws: pieces come from an upstream and may be anything: those that do not fit together are an ``UpstreamError``. Null and
absent are the same. An index is a name, never a size; a piece without one goes on with the latest call, unless it has
another id (Google's endpoint of OpenAI's dialect leaves it out).
"""

from __future__ import annotations

from typing import Any

from llm_proxy.errors import UpstreamError

_Json = dict[str, Any]


class Numbers:
    """Which call of one answer a piece belongs to."""

    def __init__(self) -> None:
        #: The id of each call so far, empty as long as none was told.
        self._ids: dict[int, str] = {}

    def of(self, piece: _Json) -> int:
        """The number of the call that ``piece`` is a piece of. Raises ``UpstreamError``."""
        given = string(piece.get("id"))
        index = piece.get("index")
        if index is None:
            latest = max(self._ids, default=-1)
            known = self._ids.get(latest, "")
            index = latest if known and given in ("", known) else latest + 1
        elif type(index) is not int:
            raise _misfit("an index that is no integer")
        self._ids[index] = given or self._ids.get(index, "")
        return int(index)


def delta(value: Any, numbers: Numbers) -> _Json:
    """A delta, or a message, whose texts are texts and whose calls say which they are pieces of; other fields are as they
    were. Raises ``UpstreamError``."""
    found = dict(obj(value))
    for name in _TEXTS & found.keys():
        found[name] = string(found[name])
    if "thinking_blocks" in found:
        found["thinking_blocks"] = objects(found["thinking_blocks"])
    if "tool_calls" in found:
        found["tool_calls"] = [_call(piece, numbers) for piece in objects(found["tool_calls"])]
    return found


_TEXTS = frozenset({"content", "reasoning", "reasoning_content", "refusal"})


def _call(piece: _Json, numbers: Numbers) -> _Json:
    function = obj(piece.get("function"))
    parts = {name: string(function.get(name)) for name in ("name", "arguments")}
    return {**piece, "id": string(piece.get("id")), "index": numbers.of(piece), "function": parts}


def in_order(calls: Any) -> list[_Json]:
    """The calls of a whole message, numbered by their places: some servers number them all 0."""
    return [{**call, "index": at} for at, call in enumerate(objects(calls))]


def string(value: Any) -> str:
    """A text; empty if there is none. Raises ``UpstreamError`` for anything else."""
    if value is None or isinstance(value, str):
        return value or ""
    raise _misfit("a piece of text that is no string")


def count(value: Any) -> int:
    """A number of tokens; 0 if there is none. Raises ``UpstreamError`` for anything else."""
    if value is None or type(value) is int:
        return value or 0
    raise _misfit("a count that is no integer")


def obj(value: Any) -> _Json:
    """An object; empty if there is none. Raises ``UpstreamError`` for anything else."""
    if value is None or isinstance(value, dict):
        return value or {}
    raise _misfit("something else where an object belongs")


def objects(value: Any) -> list[_Json]:
    """A list of objects; empty if there is none. Raises ``UpstreamError`` for anything else."""
    if value is None:
        return []
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    raise _misfit("something else where a list of objects belongs")


def _misfit(what: str) -> UpstreamError:
    return UpstreamError(f"the upstream's answer has {what}", phase="body", kind="event")
