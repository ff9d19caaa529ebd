"""The items of one answer in OpenAI's Responses API, as the events that tell of them
(platform.openai.com/docs/api-reference/responses-streaming).

Laws: whatever is called in whatever order, the events are a legal sequence: one item open at a time, one part open in it,
each done once with all that its deltas said. What an upstream said is not known here; how a call becomes an item is known
to ``responses_call``.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.faces.responses.call import Call
from llm_proxy.faces.responses.compaction import sealed
from llm_proxy.faces.responses.item_events import ItemEvents, as_it_is
from llm_proxy.faces.responses.response_object import PARTS, Part
from llm_proxy.faces.responses.sealed import call_mark, details_mark, packed
from llm_proxy.faces.responses.toolbox import Declared
from llm_proxy.wire.answers.details import Details

_Json = dict[str, Any]

_PREFIXES = {"message": "msg", "reasoning": "rs"}


class Items(ItemEvents):
    """Items as what is said in them; ``seals_calls``: whether vendors' fields of calls go into the opaque place too."""

    def __init__(self, key: str, seals_calls: bool = False) -> None:
        super().__init__(key)
        self._part: _Json | None = None
        self._call: Call | None = None
        #: The text of the open part, or of the open call, in pieces.
        self._pieces: list[str] = []
        self._logprobs: list[_Json] = []
        #: What is kept for the vendor, and waits for an item that can hold it.
        self._kept: list[_Json] = []
        self._details = Details()
        self._seals_calls = seals_calls

    def say(self, kind: str, text: str, logprobs: list[_Json] | None = None) -> None:
        """A piece of text in a part of this kind, which is opened if need be."""
        where = self._in_part(kind)
        self._pieces.append(text)
        more = {"logprobs": logprobs or []} if kind == "output_text" else {}
        self._logprobs += logprobs or []
        self._at(where, where.events + ".delta", delta=text, **more)

    def annotate(self, annotation: _Json) -> None:
        """A source of the open text."""
        where = self._in_part("output_text")
        assert self._part is not None
        known = self._part["annotations"]
        known.append(annotation)
        self._at(
            where, where.events + ".annotation.added", annotation_index=len(known) - 1, annotation=annotation
        )

    def seal(self, block: _Json) -> None:
        """A signed block of thinking, given out at its end: the item that holds its text is done."""
        if self._item is None or self._item["type"] != "reasoning":
            self._open_item("reasoning", "rs", summary=[], content=[])
        self._kept.append(block)
        self.close("completed")

    def keep(self, details: list[_Json]) -> None:
        """``reasoning_details``, which their vendor wants back: in the open item, or the next one, that can hold them."""
        self._details.add(details)

    def give_out_kept(self) -> None:
        """At the end: what has found no item gets one."""
        if self._kept or self._details:
            self._open_item("reasoning", "rs", summary=[], content=[])
            self.close("completed")

    def picture(self, url: str) -> None:
        """A picture of the model's own."""
        head, _, data = url.partition(";base64,")
        if not data:
            self.say("output_text", f"![]({url})")
            return
        self._open_item("image_generation_call", "ig", result=None)
        assert self._item is not None
        self._item |= {"result": data, "output_format": head.removeprefix("data:image/")}
        self._done("completed")

    def compaction(self, summary: str) -> None:
        """The conversation in fewer words."""
        self._open_item("compaction", "cmp", encrypted_content=sealed(summary))
        self._done("completed")

    def mark(self, extra: Any) -> None:
        """A vendor's mark on the open message (Gemini signs its texts)."""
        if self._item is not None and self._item["type"] == "message":
            self._item["extra_content"] = extra

    def call(self, call_id: str, declared: Declared) -> None:
        """A call begins."""
        self.close("completed")
        self._begin(Call(call_id, declared))

    def arguments(self, call: _Json) -> None:
        """A piece of the open call."""
        assert self._call is not None
        if call.get("extra_content"):
            self._call.extra = call["extra_content"]
        piece = (call.get("function") or {}).get("arguments")
        if piece:
            self._say_of_call(self._call, self._call.piece(piece))

    def in_call(self) -> bool:
        """Whether the open item is a call."""
        return self._call is not None

    def call_is_whole(self) -> bool:
        """Whether nothing more can come for the open call, if one is open."""
        return self._call is None or self._call.is_whole()

    def close(self, status: str) -> None:
        """The open item is done."""
        if self._call is not None:
            self._close_call(self._call, status)
        elif self._item is not None:
            self._close_part()
            if self._item["type"] == "reasoning":
                kept = [*self._kept, *details_mark(self._details)]
                self._kept = []
                self._item |= {"encrypted_content": packed(kept)} if kept else {}
            self._done(status)

    def _open_item(self, kind: str, prefix: str, **fields: Any) -> None:
        self.close("completed")
        self._add(kind, prefix, fields)

    def _begin(self, call: Call) -> None:
        self._call = call
        kind = call.declared.kind
        if call.streams:
            self._add(kind.item, kind.prefix, call.opening())

    def _say_of_call(self, call: Call, text: str) -> None:
        if text and call.streams:
            self._pieces.append(text)
            self._of_item(f"{call.declared.kind.events}.delta", delta=text)

    def _close_call(self, call: Call, status: str) -> None:
        kind = call.declared.kind
        if call.streams:
            self._say_of_call(call, call.rest("".join(self._pieces)))
            assert self._item is not None
            self._item[kind.field] = "".join(self._pieces)
            self._pieces = []
            self._of_item(f"{kind.events}.done", **{kind.field: self._item[kind.field]})
        elif (fields := call.finished()) is None:
            plain = call.as_function()
            self._begin(plain)
            self._say_of_call(plain, plain.piece("".join(call.parts)))
            self._close_call(plain, status)
            return
        else:
            if kind.item == "shell_call":
                self._add_shell_call(kind.prefix, fields)
            else:
                self._add(kind.item, kind.prefix, fields)
            status = "completed"  # it is: what was cut off would not have been read
        assert self._item is not None
        if call.extra:
            self._item["extra_content"] = call.extra
            if self._seals_calls:
                self._kept.append(call_mark(call.call_id, call.extra))
        self._call = None
        self._done(status)

    def _in_part(self, kind: str) -> Part:
        """An open part of this kind."""
        where = PARTS[kind]
        if self._item is None or self._item["type"] != where.item:
            lists: _Json = {"role": "assistant", "content": []}
            if where.item == "reasoning":
                lists = {"summary": [], "content": []}
            self._open_item(where.item, _PREFIXES[where.item], **lists)
        assert self._item is not None
        if self._part is None or self._part["type"] != kind:
            self._close_part()
            self._part = {"type": kind, where.field: ""}
            if kind == "output_text":
                self._part |= {"annotations": [], "logprobs": []}
            self._item[where.place].append(self._part)
            self._at(where, where.part_events + ".added", part=as_it_is(self._part))
        return where

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
