"""What the official clients need of OpenAI's responses and their events, filled in where an upstream has left it out.

llama.cpp numbers neither events nor items nor parts, and its responses have six fields: the official clients, the Vercel AI
SDK and others raise on them, or tell an answer as failed. (Types: ``openai.types.responses``; seen at the server.)

Laws: what is there stays as it is, whatever it is; a value that lacks nothing is given back as the same object. An answer that
is as long as it was allowed to be, and is told as complete, is told as cut: such a server knows no other word for the end.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from llm_proxy.faces.responses.request import ResponsesRequest
from llm_proxy.faces.responses.response_object import frame
from providers.common.json_objects import JsonObject

_PART: JsonObject = {"annotations": [], "logprobs": []}
#: What items have, by their type.
_ITEMS: Mapping[str, JsonObject] = {
    "message": {"status": "completed", "role": "assistant", "content": []},
    "function_call": {"status": "completed", "arguments": ""},
    "reasoning": {"summary": []},
}
_DETAILS: Mapping[str, JsonObject] = {
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 0},
}
_OF_ITEMS = ("response.output_item.", "response.content_part.", "response.output_text.", "response.refusal.")
_OF_PARTS = (
    "response.content_part.",
    "response.output_text.",
    "response.refusal.",
    "response.reasoning_text.",
)
_OTHERS = ("response.reasoning_", "response.function_call_arguments.")
_SUMMARIES = "response.reasoning_summary_"


class Filler:
    """One answer to ``sent``, which asked for the model ``name``."""

    def __init__(self, sent: Mapping[str, Any], name: str) -> None:
        self._sent = sent
        self._name = name
        self._frame: JsonObject = {}
        self._number = -1
        #: The places of the items so far by their ids, and the parts of the newest.
        self._items: dict[str, int] = {}
        self._parts = 0
        #: Ids of the calls whose arguments were told to be whole.
        self._argued: set[str] = set()

    def whole(self, response: JsonObject) -> JsonObject:
        """The response object."""
        usual = self._usual()
        made = _with(response, {name: value for name, value in usual.items() if name != "id"})
        made = _changed(made, "output", _items(made.get("output")))
        usage = made.get("usage")
        if isinstance(usage, dict):
            told = _with(usage, _DETAILS)
            for name, details in _DETAILS.items():
                if isinstance(told[name], dict):
                    told = _changed(told, name, _with(told[name], details))
            made = _changed(made, "usage", told)
        if self._is_cut(made):
            details = {"reason": "max_output_tokens"}
            made = {**made, "status": "incomplete", "incomplete_details": details, "completed_at": None}
        return made

    def before(self, kind: str, value: JsonObject) -> list[JsonObject]:
        """Events that should have come before ``value``: where events have no numbers, so that one more is no harm."""
        item = value.get("item")
        if kind == "response.function_call_arguments.done":
            self._argued.add(str(value.get("item_id")))
        if kind != "response.output_item.done" or not isinstance(item, dict) or "sequence_number" in value:
            return []
        if item.get("type") != "function_call" or str(item.get("id")) in self._argued:
            return []
        told = {"item_id": item.get("id"), "name": item.get("name"), "arguments": item.get("arguments") or ""}
        return [self.event({"type": "response.function_call_arguments.done", **told})]

    def event(self, value: JsonObject) -> JsonObject:
        """One event."""
        kind = str(value.get("type"))
        if isinstance(value.get("sequence_number"), int):
            self._number = value["sequence_number"]
            made = value
        else:
            self._number += 1
            made = {**value, "sequence_number": self._number}
        if kind.startswith((*_OF_ITEMS, *_OTHERS)):
            made = self._placed(kind, made)
        response = made.get("response")
        if isinstance(response, dict):
            made = _changed(made, "response", self.whole(response))
            if made["response"].get("status") == "incomplete" and kind == "response.completed":
                made = {**made, "type": "response.incomplete"}
        return made

    def _placed(self, kind: str, value: JsonObject) -> JsonObject:
        """An event about an item, with its place in the output, and in the item that of the part."""
        item = value.get("item")
        name = str(value.get("item_id") if item is None else _object(item).get("id"))
        if kind == "response.output_item.added":
            told = value.get("output_index")
            self._items[name] = told if isinstance(told, int) else len(self._items)
            self._parts = 0
        newest = next(reversed(self._items), "")
        place = self._items.get(name, self._items.get(newest, 0))
        made = _with(value, {"output_index": place})
        if isinstance(item, dict):
            return _changed(made, "item", _item(item))
        made = _with(made, {"item_id": newest})
        if kind == "response.content_part.added":
            self._parts += 1
        if kind.startswith(_SUMMARIES):
            made = _with(made, {"summary_index": 0})
        elif kind.startswith(_OF_PARTS):
            made = _with(made, {"content_index": max(self._parts - 1, 0)})
        if kind in ("response.output_text.delta", "response.output_text.done"):
            made = _with(made, {"logprobs": []})
        return _changed(made, "part", _part(made["part"])) if "part" in made else made

    def _usual(self) -> JsonObject:
        """What a response has that says nothing but what was asked for."""
        if not self._frame:
            form = ResponsesRequest.model_construct(**_sound(self._sent), model=self._name, input="")
            self._frame = {**frame(form, int(time.time())), "status": "completed", "output": []}
        return self._frame

    def _is_cut(self, response: JsonObject) -> bool:
        limit = self._sent.get("max_output_tokens")
        spent = _object(response.get("usage")).get("output_tokens")
        if response.get("status") != "completed" or response.get("incomplete_details"):
            return False
        return isinstance(limit, int) and isinstance(spent, int) and spent >= limit > 0


def _sound(sent: Mapping[str, Any]) -> dict[str, Any]:
    """What of a request may be echoed: the upstream has judged it, but not as we would."""
    known: dict[str, Any] = {name: sent[name] for name in ResponsesRequest.model_fields if name in sent}
    for name in ("model", "input"):
        known.pop(name, None)
    tools = known.get("tools")
    known["tools"] = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else None
    return {**known, **{name: _object(known.get(name)) for name in ("reasoning", "text", "metadata")}}


def _items(output: Any) -> Any:
    if not isinstance(output, list):
        return output
    made = [_item(item) if isinstance(item, dict) else item for item in output]
    return output if all(new is old for new, old in zip(made, output, strict=True)) else made


def _item(item: JsonObject) -> JsonObject:
    made = _with(item, _ITEMS.get(str(item.get("type")), {}))
    content = made.get("content")
    if item.get("type") != "message" or not isinstance(content, list):
        return made
    parts = [_part(part) for part in content]
    return (
        made
        if all(new is old for new, old in zip(parts, content, strict=True))
        else {**made, "content": parts}
    )


def _part(part: Any) -> Any:
    is_text = isinstance(part, dict) and part.get("type") == "output_text"
    return _with(part, _PART) if is_text else part


def _with(value: JsonObject, usual: Mapping[str, Any]) -> JsonObject:
    """``value`` with those of ``usual`` that it has not; the same object if it has all."""
    missing = {name: default for name, default in usual.items() if name not in value}
    return {**value, **missing} if missing else value


def _changed(value: JsonObject, name: str, inner: Any) -> JsonObject:
    return value if value.get(name) is inner else {**value, name: inner}


def _object(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}
