"""A kind of tool that the client executes, between OpenAI's Responses API and the functions of a chat API.

Laws: a kind is a value that says four things: the function that stands for the tool, what an item of the API says of a
call's arguments, the arguments of a call in a history, and what its result says. Nothing is known here of names that must
be unique, of streams, or of other items. Types: the official client's ``openai.types.responses``.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

from llm_proxy.wire.sse import dumps

_Json = dict[str, Any]


class Kind:
    """One kind; the class describes a tool without anything to say about itself."""

    #: What the tool is called where it is declared, and the item of its calls.
    type: ClassVar[str] = ""
    item: ClassVar[str] = ""
    #: Beginning of the item's id.
    prefix: ClassVar[str] = ""
    #: Stem of the events with pieces of a call, and the field that they are of; empty: the item comes when it is whole.
    events: ClassVar[str] = ""
    field: ClassVar[str] = ""

    def name(self, tool: _Json) -> Any:
        """The client's name for it."""
        return self.type

    def function(self, tool: _Json) -> _Json:
        """``description`` and ``parameters`` (and ``strict``) of the function."""
        raise NotImplementedError

    def fields(self, arguments: _Json, tool: _Json) -> _Json | None:
        """What the item of a call says; None if the model's arguments do not mean any."""
        raise NotImplementedError

    def arguments(self, item: _Json) -> str | None:
        """The arguments of a call in a history; None if the item does not say them."""
        raise NotImplementedError

    def result(self, item: _Json) -> Any:
        """What a call came to: a text or the API's own parts; None if the item does not say it."""
        return item.get("output")


def text_of(value: Any) -> str:
    """Arguments as chat APIs have them."""
    return dumps(value).decode()


def loaded(text: str) -> Any:
    """The JSON value in a text of the model's; None if there is none."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def as_list(value: Any) -> list[Any]:
    """A list; empty for anything else."""
    return value if isinstance(value, list) else []


def integer(value: Any) -> int | None:
    """A whole number, however a model writes it."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def schema(required: tuple[str, ...], **properties: _Json) -> _Json:
    """The JSON Schema of an object."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


TEXT: _Json = {"type": "string"}
TEXTS: _Json = {"type": "array", "items": TEXT}
NUMBER: _Json = {"type": "integer"}


def told(kind: _Json, description: str) -> _Json:
    """A schema with a word about itself."""
    return {**kind, "description": description}
