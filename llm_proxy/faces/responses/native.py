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
from llm_proxy.faces.responses.kinds import KINDS
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


def refers(body: Mapping[str, Any]) -> bool:
    """Whether ``body`` refers to something that an upstream keeps, so that not any of several will do."""
    if any(body.get(name) for name in _KEPT):
        return True
    given = body.get("input")
    items = given if isinstance(given, list) else []
    return any(isinstance(item, dict) and item.get("type") == "item_reference" for item in items)


def told_as_functions(body: Mapping[str, Any]) -> bool:
    """Whether ``body`` has tools or items that its client executes and that are no functions. OpenAI's own models know them;
    other servers of this API leave such tools out without a word (vLLM), or refuse them, and have to be told of functions."""
    return any(one.get("type") in _TOOLS for one in _objects(body, "tools")) or any(
        one.get("type") in _ITEMS or one.get("namespace") for one in _objects(body, "input")
    )


#: What a program of its own runs, beside functions; ``additional_tools`` and results of a search bring such tools.
_TOOLS = frozenset({"namespace", *(kind.type for kind in KINDS.values())} - {"function"})
_CALLS = frozenset(kind.item for kind in KINDS.values()) - {"function_call"}
_ITEMS = _CALLS | {f"{call}_output" for call in _CALLS} | {"tool_search_output", "additional_tools"}


def _objects(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    given = body.get(name)
    return [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []


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
