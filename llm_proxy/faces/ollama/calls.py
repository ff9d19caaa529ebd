"""Tool calls for a dialect that has them whole, from pieces in the canonical form (see ``chunk_reading``)."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from llm_proxy.faces.chunk_reading import Numbers, obj, objects, string

_Json = dict[str, Any]


class Calls:
    """The calls of one answer while their pieces come in."""

    def __init__(self) -> None:
        self._numbers = Numbers()
        self._calls: dict[int, _Json] = {}

    def add(self, pieces: Any) -> None:
        """Add the pieces of one delta, or all calls of a message. Raises ``UpstreamError``."""
        for piece in objects(pieces):
            call = self._calls.setdefault(self._numbers.of(piece), {"id": "", "name": "", "arguments": ""})
            call["id"] = string(piece.get("id")) or call["id"]
            function = obj(piece.get("function"))
            for part in ("name", "arguments"):
                call[part] += string(function.get(part))

    def whole(self) -> list[_Json]:
        """The calls in Ollama's form: arguments are objects."""
        return [
            {
                **({"id": call["id"]} if call["id"] else {}),
                "function": {"index": at, "name": call["name"], "arguments": _arguments(call["arguments"])},
            }
            for at, (_, call) in enumerate(sorted(self._calls.items()))
        ]


def _arguments(text: str) -> _Json:
    """Arguments as an object; a model that wrote something else still gets it through, under a name of ours."""
    try:
        value = from_json(text or "{}", allow_inf_nan=False)
    except ValueError:
        value = text
    return value if isinstance(value, dict) else {"arguments": value}
