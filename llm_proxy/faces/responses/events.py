"""What a chat answer says, as events of OpenAI's Responses API (platform.openai.com/docs/api-reference/responses-streaming).

Laws: created and in progress come first and once, then the items one by one, then one last event. A call is done when its
arguments are a whole object or the answer ends: what comes meanwhile waits, because clients read a stream as one item
after the other. Bytes are not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from llm_proxy.faces.chunk_reading import Numbers, delta, obj, objects, string
from llm_proxy.faces.responses.compaction import summary_of
from llm_proxy.faces.responses.items import Items
from llm_proxy.faces.responses.response_object import INCOMPLETE, annotation, usage
from llm_proxy.faces.responses.toolbox import Toolbox

_Json = dict[str, Any]
#: A delta with its log probabilities.
_Waiting = list[tuple[_Json, list[_Json]]]
#: What a delta says besides its calls.
_SAID = (
    *("reasoning_content", "reasoning", "reasoning_details", "thinking_blocks"),
    *("content", "refusal", "annotations", "images", "extra_content"),
)


class Events:
    """The events of one answer; each method returns those that follow.

    ``frame`` is the response object without ``status`` and ``output``; ``thoughts`` the kind of part for thinking;
    ``tools`` are the client's own, ``clock`` tells the time in seconds since 1970, ``seals_calls`` whether signatures of
    calls are wanted in ``encrypted_content`` too, ``compacts`` whether the answer is a summary for ``compaction``.
    """

    def __init__(
        self,
        frame: _Json,
        tools: Toolbox,
        clock: Callable[[], int],
        thoughts: str = "reasoning_text",
        *,
        seals_calls: bool = False,
        compacts: bool = False,
    ) -> None:
        self._key = uuid4().hex
        self._frame = {"id": f"resp_{self._key}", **frame}
        self._thoughts = thoughts
        self._tools = tools
        self._clock = clock
        #: The pieces of the summary, if it is one.
        self._summary: list[str] | None = [] if compacts else None
        self._items = Items(self._key, seals_calls)
        #: The canonical index of each call so far, the newest last; what waits for its end.
        self._calls: list[int] = []
        self._numbers = Numbers()
        self._waiting: _Waiting = []
        self._finish = ""
        self._usage: _Json | None = None

    def chunk(self, data: _Json) -> list[_Json]:
        """What one canonical chunk leads to."""
        self._start()
        self._usage = data.get("usage") or self._usage
        if isinstance(data.get("service_tier"), str):
            self._frame["service_tier"] = data["service_tier"]
        for choice in data.get("choices") or ():
            if choice.get("index", 0) == 0:  # this API has one answer
                logprobs = objects(obj(choice.get("logprobs")).get("content"))
                self._delta(delta(choice.get("delta"), self._numbers), logprobs)
                self._finish = string(choice.get("finish_reason")) or self._finish
        return self._items.taken()

    def end(self) -> list[_Json]:
        """The rest of a complete answer, its last event included. Raises ``UpstreamError`` if it is no answer to what was
        asked."""
        self._start()
        waiting, self._waiting = _in_order(self._waiting), []
        for late, logprobs in waiting:
            if self._items.in_call():
                self._items.close("completed")
            self._delta(late, logprobs)
        self._items.close("incomplete" if self._finish in INCOMPLETE else "completed")
        self._items.give_out_kept()
        if self._summary is not None:
            self._items.compaction(summary_of(self._summary))
        response = self.response()
        self._items.emit(f"response.{response['status']}", response=response)
        return self._items.taken()

    def response(self) -> _Json:
        """The response object after ``end``."""
        reason = INCOMPLETE.get(self._finish)
        why = {"reason": reason} if reason else None
        found = self._response("incomplete" if reason else "completed")
        ended = {} if reason else {"completed_at": self._clock()}
        return {**found, **ended, "incomplete_details": why, "usage": usage(self._usage)}

    def failed(self, code: str, message: str) -> list[_Json]:
        """The last event of an answer that broke off; what is open stays open."""
        self._start()
        error = {"code": code, "message": message}
        self._items.emit("response.failed", response={**self._response("failed"), "error": error})
        return self._items.taken()

    def error(self, **fields: Any) -> list[_Json]:
        """An ``error`` event."""
        self._items.emit("error", **fields)
        return self._items.taken()

    def _response(self, status: str) -> _Json:
        return {**self._frame, "status": status, "output": list(self._items.output)}

    def _start(self) -> None:
        if not self._items.begun:
            self._items.emit("response.created", response=self._response("in_progress"))
            self._items.emit("response.in_progress", response=self._response("in_progress"))

    def _must_wait(self) -> bool:
        return bool(self._waiting) or not self._items.call_is_whole()

    def _delta(self, part: _Json, logprobs: list[_Json]) -> None:
        if self._summary is not None:
            self._summary.append(part.get("content") or "")
            return
        said = {name: part[name] for name in _SAID if part.get(name)}
        if said and self._must_wait():
            self._waiting.append((said, logprobs))
        elif said:
            self._words(said, logprobs)
        for call in part.get("tool_calls", ()):
            self._piece(call)

    def _words(self, said: _Json, logprobs: list[_Json]) -> None:
        """Everything in a delta but its calls."""
        thought = said.get("reasoning_content") or said.get("reasoning")
        if thought:
            self._items.say(self._thoughts, thought)
        if said.get("reasoning_details"):
            self._items.keep(objects(said["reasoning_details"]))
        for block in said.get("thinking_blocks") or ():
            self._items.seal(block)
        if said.get("content"):
            self._items.say("output_text", said["content"], logprobs)
        if said.get("refusal"):
            self._items.say("refusal", said["refusal"])
        if said.get("annotations"):
            for source in objects(said["annotations"]):
                self._items.annotate(annotation(source))
        if said.get("images"):
            for picture in objects(said["images"]):
                self._items.picture(string(obj(picture.get("image_url")).get("url")))
        if said.get("extra_content"):
            self._items.mark(said["extra_content"])

    def _piece(self, call: _Json) -> None:
        """A piece of a call; a call that is done was whole, so that nothing that is late can belong to it."""
        index = call["index"]
        if self._items.in_call() and index == self._calls[-1]:
            self._items.arguments(call)
        elif index in self._calls:
            return
        elif self._must_wait():
            self._waiting.append(({"tool_calls": [call]}, []))
        else:
            self._calls.append(index)
            declared = self._tools.declared(call["function"]["name"])
            self._items.call(call["id"] or f"call_{self._key}{index}", declared)
            self._items.arguments(call)


def _in_order(waiting: _Waiting) -> _Waiting:
    """What waited, with the pieces of each call put together where its first one stood."""
    found: _Waiting = []
    calls: dict[int, _Json] = {}
    for part, logprobs in waiting:
        for call in part.get("tool_calls", ()):
            index = call["index"]
            if index not in calls:
                calls[index] = {"index": index, "id": "", "function": {"name": "", "arguments": ""}}
                found.append(({"tool_calls": [calls[index]]}, []))
            function, piece = calls[index]["function"], call["function"]
            function["name"] = function["name"] or piece["name"]
            function["arguments"] += piece["arguments"]
            calls[index].update({k: v for k, v in call.items() if k not in ("index", "function") and v})
        if "tool_calls" not in part:
            found.append((part, logprobs))
    return found
