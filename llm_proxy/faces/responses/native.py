"""OpenAI's Responses API from client to upstream as it is: what is checked of a request, and what is said when it breaks off.

Laws: the upstream judges its own dialect; only what decides about the answer's form and about where it goes is read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from llm_proxy.errors import GatewayError, openai_face
from llm_proxy.faces.face import Face
from llm_proxy.faces.native import NativeFace
from llm_proxy.wire.events import Chunk, Comment
from llm_proxy.wire.schema import Open
from llm_proxy.wire.sse import sse_event

#: What refers to something that only the upstream knows that has kept it.
_KEPT = ("previous_response_id", "conversation", "prompt")


class Asked(Open):
    """What is checked of any request."""

    model: str = Field(min_length=1)
    stream: bool | None = None
    store: bool | None = None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def refers(body: Mapping[str, Any]) -> bool:
    """Whether ``body`` refers to something that an upstream keeps, so that not any of several will do."""
    if any(body.get(name) for name in _KEPT):
        return True
    items = _list(body.get("input"))
    return any(isinstance(item, dict) and item.get("type") == "item_reference" for item in items)


class ResponsesRelayFace(NativeFace):
    """A relayed stream that breaks off ends in an ``error`` event, in both forms that clients know: flat, as documented,
    and with the object ``error``, on which the official clients raise."""

    def __init__(self, own: Face) -> None:
        super().__init__(own)
        self._events = 0

    def event(self, event: Chunk | Comment) -> bytes:
        self._events += 1
        return super().event(event)

    def failure(self, error: GatewayError, request_id: str) -> bytes:
        flat = {"code": error.code, "message": error.message, "param": error.param}
        told = {"type": "error", "sequence_number": self._events, **flat, **openai_face(error, request_id)}
        return sse_event("error", told)
