"""Tool calls for a dialect that has them whole, from pieces in the canonical form.

Laws: pieces come from an upstream and may be anything: those that do not fit together are an ``UpstreamError``. An index is
a name, never a size; a piece without one goes on with the latest call, unless it has another id.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from llm_proxy.errors import UpstreamError

_Json = dict[str, Any]


class Calls:
    """The calls of one answer while their pieces come in."""

    def __init__(self) -> None:
        self._calls: dict[int, _Json] = {}

    def add(self, pieces: Any) -> None:
        """Add the pieces of one delta, or all calls of a message. Raises ``UpstreamError``."""
        if not isinstance(pieces, list):
            raise _misfit("tool calls that are no list")
        for piece in map(_object, pieces):
            call = self._calls.setdefault(self._index(piece), {"id": "", "name": "", "arguments": ""})
            call["id"] = string(piece.get("id")) or call["id"]
            function = _object(piece.get("function") or {})
            for part in ("name", "arguments"):
                call[part] += string(function.get(part))

    def _index(self, piece: _Json) -> int:
        index = piece.get("index")
        if index is None:
            latest = max(self._calls, default=-1)
            known = self._calls.get(latest, {}).get("id")
            return latest if known and piece.get("id") in (None, "", known) else latest + 1
        if type(index) is not int:
            raise _misfit("an index that is no integer")
        return index

    def whole(self) -> list[_Json]:
        """The calls in Ollama's form: arguments are objects."""
        return [
            {
                **({"id": call["id"]} if call["id"] else {}),
                "function": {"index": at, "name": call["name"], "arguments": _arguments(call["arguments"])},
            }
            for at, (_, call) in enumerate(sorted(self._calls.items()))
        ]


def string(value: Any) -> str:
    """A text of an upstream; nothing is an empty one. Raises ``UpstreamError`` for anything else."""
    if value is None or isinstance(value, str):
        return value or ""
    raise _misfit("a piece of text that is no string")


def _arguments(text: str) -> _Json:
    """Arguments as an object; a model that wrote something else still gets it through, under a name of ours."""
    try:
        value = from_json(text or "{}", allow_inf_nan=False)
    except ValueError:
        value = text
    return value if isinstance(value, dict) else {"arguments": value}


def _object(value: Any) -> _Json:
    if not isinstance(value, dict):
        raise _misfit("something else where an object belongs")
    return value


def _misfit(what: str) -> UpstreamError:
    return UpstreamError(f"the upstream's answer has {what}", phase="body", kind="event")
