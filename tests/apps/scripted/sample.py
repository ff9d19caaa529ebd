"""The smallest value of a vendor's type: required fields alone, the first of what is allowed, and a planted word."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from tests.apps.scripted.typed import bare, fields, is_record, members

#: Stands wherever a text may, so that one can see whether it arrived.
WORD = "planted"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
_NAMED: dict[str, Any] = {
    "url": "https://example.org/planted.png",
    "image_url": "data:image/png;base64," + PNG,
    "media_type": "image/png",
    "data": PNG,
    "arguments": "{}",
    "input_schema": {"type": "object", "properties": {}},
    "parameters": {"type": "object", "properties": {}},
    "name": "planted_tool",
}


def sample(kind: Any, name: str = "") -> Any:
    """A value of that type; ``name`` is the field that it is for."""
    kind = bare(kind)
    if name in _NAMED and not is_record(kind):
        allowed = [one for one in members(kind) if typing.get_origin(one) is typing.Literal]
        if not any(_NAMED[name] not in typing.get_args(one) for one in allowed):
            return _NAMED[name]
    options = [one for one in members(kind) if one is not type(None)]
    if len(options) != 1 or options[0] is not kind:
        return sample(next((one for one in options if one is str), options[0]), name)
    if typing.get_origin(kind) is typing.Literal:
        return typing.get_args(kind)[0]
    if is_record(kind):
        return {key: sample(inner, key) for key, (inner, required) in fields(kind).items() if required}
    origin = typing.get_origin(kind) or kind
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return {}
    if (
        origin is not str and inspect.isclass(origin) and issubclass(origin, Iterable)
    ) or "SequenceNotStr" in str(origin):
        return [sample(typing.get_args(kind)[0], name)] if typing.get_args(kind) else []
    return {int: 1, float: 1.0, bool: True, bytes: PNG}.get(kind, WORD)
