"""The official client's own types of the Responses API, asked field by field."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

from openai.types.responses import Response, ResponseInputItemParam, ResponseStreamEvent
from openai.types.responses.response_output_item import ResponseOutputItem
from openai.types.responses.tool_param import ToolParam
from pydantic import BaseModel


@cache
def _by_type(union: Any) -> dict[str, type[BaseModel]]:
    """The members of a union of models by their ``type``."""
    (members, *_) = get_args(union)
    return {str(get_args(one.model_fields["type"].annotation)[0]): one for one in get_args(members)}


def check_event(event: dict[str, Any]) -> None:
    """Every field of an event is what its type says."""
    kind = event["type"]
    _by_type(ResponseStreamEvent)[kind].model_validate(event, strict=True)
    if "item" in event:
        check_item(event["item"])
    if "response" in event:
        check_response(event["response"])


def check_item(item: dict[str, Any]) -> None:
    """Every field of an item of an answer."""
    _by_type(ResponseOutputItem)[item["type"]].model_validate(item, strict=True)


def check_response(response: dict[str, Any]) -> None:
    """Every field of a response."""
    Response.model_validate(response, strict=True)
    for item in response["output"]:
        check_item(item)


def tool_types() -> set[str]:
    """What kinds of tools the newest client knows."""
    return {kind for one in get_args(ToolParam) for kind in _literals(one)}


def item_types() -> set[str]:
    """What kinds of items a request may hold."""
    return {kind for one in get_args(ResponseInputItemParam) for kind in _literals(one)}


def event_types() -> set[str]:
    """What kinds of events a stream may hold."""
    return set(_by_type(ResponseStreamEvent))


def _literals(typed: Any) -> list[str]:
    """The values of ``type`` of a ``TypedDict``."""
    import typing

    hint = typing.get_type_hints(typed)["type"]
    found: list[str] = []
    stack = [hint]
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            found.append(one)
        else:
            stack.extend(arg for arg in get_args(one) if arg is not type(None))
    return found
