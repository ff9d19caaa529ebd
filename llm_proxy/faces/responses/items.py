"""The items of one answer in OpenAI's Responses API, as the events that tell of them
(platform.openai.com/docs/api-reference/responses-streaming).

Laws: whatever is called in whatever order, the events are a legal sequence: one item open at a time, one part open in it,
each done once with all that its deltas said. What an upstream said is not known here.
"""

from __future__ import annotations

import json
from typing import Any

from llm_proxy.faces.responses.input import packed
from llm_proxy.faces.responses.response_object import PARTS, Part

_Json = dict[str, Any]

_PREFIXES = {"message": "msg", "reasoning": "rs", "function_call": "fc"}


class Items:
    """Collects events until they are ``taken``; ``key`` makes the ids of the items unique."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._number = -1
        self._out: list[_Json] = []
        #: Items that are done.
        self.output: list[_Json] = []
        self._item: _Json | None = None
        self._part: _Json | None = None
        #: The text of the open part, or the arguments of the open call, in pieces.
        self._pieces: list[str] = []
        self._logprobs: list[_Json] = []

    @property
    def begun(self) -> bool:
        """Whether there was an event."""
        return self._number >= 0

    def emit(self, kind: str, **fields: Any) -> None:
        """An event with the next number."""
        self._number += 1
        self._out.append({"type": kind, "sequence_number": self._number, **fields})

    def taken(self) -> list[_Json]:
        """The events since the last time."""
        out, self._out = self._out, []
        return out

    def say(self, kind: str, text: str, logprobs: list[_Json] | None = None) -> None:
        """A piece of text in a part of this kind, which is opened if need be."""
        where = PARTS[kind]
        if self._item is None or self._item["type"] != where.item:
            self._open_item(where.item)
        assert self._item is not None
        if self._part is None or self._part["type"] != kind:
            self._close_part()
            self._part = {"type": kind, where.field: ""}
            if kind == "output_text":
                self._part |= {"annotations": [], "logprobs": []}
            self._item[where.place].append(self._part)
            self._at(where, where.part_events + ".added", part=dict(self._part))
        self._pieces.append(text)
        more = {"logprobs": logprobs or []} if kind == "output_text" else {}
        self._logprobs += logprobs or []
        self._at(where, where.events + ".delta", delta=text, **more)

    def seal(self, block: _Json) -> None:
        """A signed block of thinking, given out at its end: the item that holds its text is done."""
        if self._item is None or self._item["type"] != "reasoning":
            self._open_item("reasoning")
        assert self._item is not None
        self._item["encrypted_content"] = packed([block])
        self.close("completed")

    def mark(self, extra: Any) -> None:
        """A vendor's mark on the open message (Gemini signs its texts)."""
        if self._item is not None and self._item["type"] == "message":
            self._item["extra_content"] = extra

    def call(self, call_id: str, name: str) -> None:
        """A call begins."""
        self._open_item("function_call", call_id=call_id, name=name, arguments="")

    def arguments(self, call: _Json) -> None:
        """A piece of the open call."""
        assert self._item is not None
        if call.get("extra_content"):
            self._item["extra_content"] = call["extra_content"]
        piece = (call.get("function") or {}).get("arguments")
        if piece:
            self._pieces.append(piece)
            self._of_item("response.function_call_arguments.delta", delta=piece)

    def in_call(self) -> bool:
        """Whether the open item is a call."""
        return self._item is not None and self._item["type"] == "function_call"

    def call_is_whole(self) -> bool:
        """Whether nothing more can come for the open call, if one is open."""
        if not self.in_call():
            return True
        try:
            return isinstance(json.loads("".join(self._pieces)), dict)
        except (ValueError, RecursionError):  # the latter from nesting that no parser takes
            return False

    def _open_item(self, kind: str, **fields: Any) -> None:
        self.close("completed")
        lists: _Json = {
            "message": {"role": "assistant", "content": []},
            "reasoning": {"summary": [], "content": []},
        }
        item_id = f"{_PREFIXES[kind]}_{self._key}{len(self.output)}"
        self._item = {"id": item_id, "type": kind, "status": "in_progress", **lists.get(kind, {}), **fields}
        self.emit("response.output_item.added", output_index=len(self.output), item=_copy(self._item))

    def close(self, status: str) -> None:
        """The open item is done."""
        if self._item is None:
            return
        self._close_part()
        if self._item["type"] == "function_call":
            if not self._pieces:  # a call without arguments is an empty object, not an empty text
                self.arguments({"function": {"arguments": "{}"}})
            self._item["arguments"] = "".join(self._pieces)
            self._pieces = []
            self._of_item("response.function_call_arguments.done", arguments=self._item["arguments"])
        self._item["status"] = status
        self.emit("response.output_item.done", output_index=len(self.output), item=self._item)
        self.output.append(self._item)
        self._item = None

    def _close_part(self) -> None:
        if self._part is None:
            return
        where = PARTS[self._part["type"]]
        text = self._part[where.field] = "".join(self._pieces)
        more = {}
        if self._part["type"] == "output_text":
            more["logprobs"] = self._part["logprobs"] = self._logprobs
        self._at(where, where.events + ".done", **{where.field: text}, **more)
        self._at(where, where.part_events + ".done", part=self._part)
        self._part, self._pieces, self._logprobs = None, [], []

    def _at(self, where: Part, event: str, **fields: Any) -> None:
        """An event of the open part."""
        assert self._item is not None
        self._of_item(event, **{where.index: len(self._item[where.place]) - 1}, **fields)

    def _of_item(self, event: str, **fields: Any) -> None:
        assert self._item is not None
        self.emit(event, item_id=self._item["id"], output_index=len(self.output), **fields)


def _copy(item: _Json) -> _Json:
    """An item as it is now: it grows later."""
    return {key: list(value) if isinstance(value, list) else value for key, value in item.items()}
