"""The events of one answer in OpenAI's Responses API (platform.openai.com/docs/api-reference/responses-streaming).

Laws: a state machine that cannot emit an illegal sequence: created and in progress first and once, one item open at a
time, one part open in it, each done once with all that its deltas said, and one last event. A call is done when its
arguments are a whole object or the answer ends: what comes meanwhile waits. Bytes are not known here.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from llm_proxy.responses_input import packed
from llm_proxy.responses_object import INCOMPLETE, PARTS, Part, usage

_Json = dict[str, Any]


#: What a delta says besides its calls.
_SAID = ("reasoning_content", "reasoning", "thinking_blocks", "content", "refusal", "extra_content")
_PREFIXES = {"message": "msg", "reasoning": "rs", "function_call": "fc"}


class Events:
    """The events of one answer; each method returns those that follow.

    ``frame`` is the response object without ``status`` and ``output``; ``thoughts`` the kind of part for thinking.
    """

    def __init__(self, frame: _Json, thoughts: str = "reasoning_text") -> None:
        self._id = uuid4().hex
        self._frame = {"id": f"resp_{self._id}", **frame}
        self._thoughts = thoughts
        self._number = -1
        self._out: list[_Json] = []
        #: Items that are done.
        self.output: list[_Json] = []
        self._item: _Json | None = None
        self._part: _Json | None = None
        #: The text of the open part, or the arguments of the open call, in pieces.
        self._pieces: list[str] = []
        self._logprobs: list[_Json] = []
        #: The canonical index of each call so far, the newest last; deltas that wait for its end.
        self._calls: list[int] = []
        self._waiting: list[tuple[_Json, list[_Json]]] = []
        self._finish = ""
        self._usage: _Json | None = None

    def chunk(self, data: _Json) -> list[_Json]:
        """What one canonical chunk leads to."""
        self._start()
        self._usage = data.get("usage") or self._usage
        for choice in data.get("choices") or ():
            if choice.get("index", 0) == 0:  # this API has one answer
                self._delta(choice.get("delta") or {}, (choice.get("logprobs") or {}).get("content") or [])
                self._finish = choice.get("finish_reason") or self._finish
        return self._taken()

    def end(self) -> list[_Json]:
        """The rest of a complete answer, its last event included."""
        self._start()
        waiting, self._waiting = _in_order(self._waiting), []
        for delta, logprobs in waiting:
            if self._in_call():
                self._close("completed")
            self._delta(delta, logprobs)
        self._close("incomplete" if self._finish == "length" else "completed")
        response = self.response()
        self._whole(f"response.{response['status']}", response)
        return self._taken()

    def failed(self, code: str, message: str) -> list[_Json]:
        """The last event of an answer that broke off; what is open stays open."""
        self._start()
        error = {"code": code, "message": message}
        self._whole("response.failed", {**self._response("failed"), "error": error})
        return self._taken()

    def response(self) -> _Json:
        """The response object after ``end``."""
        reason = INCOMPLETE.get(self._finish)
        found = self._response("incomplete" if reason else "completed")
        return {
            **found,
            "incomplete_details": {"reason": reason} if reason else None,
            "usage": usage(self._usage),
        }

    def error(self, **fields: Any) -> list[_Json]:
        """An ``error`` event."""
        self._emit("error", **fields)
        return self._taken()

    def _response(self, status: str) -> _Json:
        return {**self._frame, "status": status, "output": list(self.output)}

    def _start(self) -> None:
        if self._number < 0:
            self._whole("response.created", self._response("in_progress"))
            self._whole("response.in_progress", self._response("in_progress"))

    def _whole(self, kind: str, response: _Json) -> None:
        self._emit(kind, response=response)

    def _emit(self, kind: str, **fields: Any) -> None:
        self._number += 1
        self._out.append({"type": kind, "sequence_number": self._number, **fields})

    def _taken(self) -> list[_Json]:
        out, self._out = self._out, []
        return out

    def _delta(self, delta: _Json, logprobs: list[_Json]) -> None:
        said = {name: delta[name] for name in _SAID if delta.get(name)}
        if said and (self._waiting or not self._call_is_whole()):
            self._waiting.append((said, logprobs))
        elif said:
            self._words(said, logprobs)
        for call in delta.get("tool_calls") or ():
            self._piece(call)

    def _words(self, said: _Json, logprobs: list[_Json]) -> None:
        """Everything in a delta but its calls."""
        thought = said.get("reasoning_content") or said.get("reasoning")
        if thought:
            self._say(self._thoughts, thought)
        for block in said.get("thinking_blocks") or ():
            self._seal(block)
        if said.get("content"):
            self._say("output_text", said["content"], logprobs)
        if said.get("refusal"):
            self._say("refusal", said["refusal"])
        if said.get("extra_content") and self._item is not None and self._item["type"] == "message":
            self._item["extra_content"] = said["extra_content"]

    def _say(self, kind: str, text: str, logprobs: list[_Json] | None = None) -> None:
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
            self._at(where, where.part_events + ".added", part=dict(self._part))
            self._item[where.place].append(self._part)
        self._pieces.append(text)
        more = {"logprobs": logprobs or []} if kind == "output_text" else {}
        self._logprobs += logprobs or []
        self._at(where, where.events + ".delta", delta=text, **more)

    def _seal(self, block: _Json) -> None:
        """A signed block of thinking, given out at its end: the item that holds its text is done."""
        if self._item is None or self._item["type"] != "reasoning":
            self._open_item("reasoning")
        assert self._item is not None
        self._item["encrypted_content"] = packed([block])
        self._close("completed")

    def _piece(self, call: _Json) -> None:
        """A piece of a call; a call that is done was whole, so that nothing that is late can belong to it."""
        index = call.get("index", 0)
        if self._in_call() and index == self._calls[-1]:
            self._arguments(call)
        elif index in self._calls:
            return
        elif self._waiting or not self._call_is_whole():
            self._waiting.append(({"tool_calls": [call]}, []))
        else:
            self._calls.append(index)
            name = (call.get("function") or {}).get("name") or ""
            call_id = call.get("id") or f"call_{self._id}{index}"
            self._open_item("function_call", call_id=call_id, name=name, arguments="")
            self._arguments(call)

    def _arguments(self, call: _Json) -> None:
        assert self._item is not None
        if call.get("extra_content"):
            self._item["extra_content"] = call["extra_content"]
        piece = (call.get("function") or {}).get("arguments")
        if piece:
            self._pieces.append(piece)
            self._of_item("response.function_call_arguments.delta", delta=piece)

    def _in_call(self) -> bool:
        """Whether the open item is a call."""
        return self._item is not None and self._item["type"] == "function_call"

    def _call_is_whole(self) -> bool:
        """Whether nothing more can come for the open call, if one is open."""
        if not self._in_call():
            return True
        try:
            return isinstance(json.loads("".join(self._pieces)), dict)
        except ValueError:
            return False

    def _open_item(self, kind: str, **fields: Any) -> None:
        self._close("completed")
        lists: _Json = {
            "message": {"role": "assistant", "content": []},
            "reasoning": {"summary": [], "content": []},
        }
        item_id = f"{_PREFIXES[kind]}_{self._id}{len(self.output)}"
        self._item = {"id": item_id, "type": kind, "status": "in_progress", **lists.get(kind, {}), **fields}
        self._emit("response.output_item.added", output_index=len(self.output), item=_copy(self._item))

    def _close(self, status: str) -> None:
        """The open item is done."""
        if self._item is None:
            return
        self._close_part()
        if self._item["type"] == "function_call":
            if not self._pieces:  # a call without arguments is an empty object, not an empty text
                self._arguments({"function": {"arguments": "{}"}})
            self._item["arguments"] = "".join(self._pieces)
            self._pieces = []
            self._of_item("response.function_call_arguments.done", arguments=self._item["arguments"])
        self._item["status"] = status
        self._emit("response.output_item.done", output_index=len(self.output), item=self._item)
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
        """An event of the open part (or of the next one, when it is about to be added)."""
        assert self._item is not None
        known = len(self._item[where.place])
        at = known if event.endswith(".added") else known - 1
        self._of_item(event, **{where.index: at}, **fields)

    def _of_item(self, event: str, **fields: Any) -> None:
        assert self._item is not None
        self._emit(event, item_id=self._item["id"], output_index=len(self.output), **fields)


def _copy(item: _Json) -> _Json:
    """An item as it is now: it grows later."""
    return {key: list(value) if isinstance(value, list) else value for key, value in item.items()}


def _in_order(waiting: list[tuple[_Json, list[_Json]]]) -> list[tuple[_Json, list[_Json]]]:
    """What waited, with the pieces of each call put together where its first one stood."""
    found: list[tuple[_Json, list[_Json]]] = []
    calls: dict[int, _Json] = {}
    for delta, logprobs in waiting:
        for call in delta.get("tool_calls") or ():
            index = call.get("index", 0)
            if index not in calls:
                calls[index] = {"index": index, "function": {"name": "", "arguments": ""}}
                found.append(({"tool_calls": [calls[index]]}, []))
            function = call.get("function") or {}
            for name in ("name", "arguments"):
                calls[index]["function"][name] += function.get(name) or ""
            calls[index].update({k: v for k, v in call.items() if k not in ("index", "function") and v})
        if "tool_calls" not in delta:
            found.append((delta, logprobs))
    return found
