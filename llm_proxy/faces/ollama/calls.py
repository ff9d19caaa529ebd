"""Tool calls for a dialect that has them whole, from pieces in the canonical form (see ``chunk_reading``)."""

from __future__ import annotations

from typing import Any

from llm_proxy.faces.arguments import CUT, as_object
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

    def whole(self, finish: Any = None) -> list[_Json]:
        """The calls in Ollama's form, where arguments are objects; ``finish`` is why the answer has ended."""
        cut = finish in CUT
        return [
            {
                **({"id": call["id"]} if call["id"] else {}),
                "function": {
                    "index": at,
                    "name": call["name"],
                    "arguments": as_object(call["arguments"], cut=cut),
                },
            }
            for at, (_, call) in enumerate(sorted(self._calls.items()))
        ]
