"""A streamed answer of OpenAI's Responses API as chunks of the canonical dialect
(platform.openai.com/docs/api-reference/responses-streaming).

Laws: those of ``common.sse_decoder``. Servers differ in what tells the pieces apart: an item's id, its place, or nothing but
their order (llama.cpp). A piece that only repeats what has been said is not said twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from llm_proxy.wire.reasoning_items import block_of
from llm_proxy.wire.sse import SSEEvent
from providers.base import Chunk, Done, Event
from providers.common.json_objects import JsonObject, Malformed, integer, loads_object, obj, objects, text
from providers.common.sse_decoder import ChunkMaker, JsonEventDecoder, Refused, no_terminator
from providers.openai import responses_answer as answer

_LAST = ("response.completed", "response.incomplete")


class ResponsesDecoder(JsonEventDecoder):
    """One answer of the model that the client calls ``name``."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._make = ChunkMaker()
        self._make.model = name
        self._begun = False
        #: The calls so far by what names their item, the newest last; and whether there was a piece of their arguments.
        self._calls: dict[str, int] = {}
        self._argued: set[int] = set()
        #: Whether there was a piece of the open message: what is whole at its end is not said again.
        self._spoke = False
        #: The part of a summary that came last.
        self._summary: int | None = None

    def _event(self, event: SSEEvent) -> Iterator[Event]:
        if event.data is None or event.data.startswith(b"[DONE]"):
            return
        value = loads_object(event.data)
        kind = str(value.get("type") or event.name.decode("latin-1"))
        if kind == "error" or ("error" in value and not kind.startswith("response.")):
            raise Refused(answer.failure(value))
        if kind == "response.failed":
            raise Refused(answer.failure(obj(value, "response")))
        if kind in _LAST:
            yield from self._complete(obj(value, "response"))
        elif step := _STEPS.get(kind):
            yield from self._begin(value)
            yield from step(self, value)

    def _end(self) -> Iterator[Event]:
        yield no_terminator()

    def _begin(self, value: JsonObject) -> Iterator[Event]:
        if not self._begun:
            self._begun = True
            self._make.id = text(obj(value, "response"), "id") or self._make.id
            yield self._make.delta({"role": "assistant", "content": ""})

    def _created(self, value: JsonObject) -> Iterator[Event]:
        yield from ()

    def _said(self, value: JsonObject) -> Iterator[Event]:
        self._spoke = True
        logprobs = objects(value, "logprobs")
        more: JsonObject = {"logprobs": {"content": logprobs, "refusal": None}} if logprobs else {}
        if piece := text(value, "delta"):
            yield self._make.delta({"content": piece}, **more)

    def _refused(self, value: JsonObject) -> Iterator[Event]:
        self._spoke = True
        if piece := text(value, "delta"):
            yield self._make.delta({"refusal": piece})

    def _noted(self, value: JsonObject) -> Iterator[Event]:
        yield self._make.delta({"annotations": [answer.annotation(obj(value, "annotation"))]})

    def _thought(self, value: JsonObject) -> Iterator[Event]:
        part = value.get("summary_index", value.get("content_index", 0))
        apart = "\n\n" if self._summary is not None and part != self._summary else ""
        self._summary = part
        if piece := text(value, "delta"):
            yield self._make.delta({"reasoning_content": apart + piece})

    def _item(self, value: JsonObject) -> Iterator[Event]:
        """An item begins: a call says what is called."""
        item = obj(value, "item")
        if (call := answer.call(item)) is not None:
            number = self._calls[_name(value, item)] = len(self._calls)
            yield self._call(number, call)
            if _input(call):
                self._argued.add(number)

    def _piece(self, value: JsonObject) -> Iterator[Event]:
        if not self._calls:
            raise Malformed("arguments for a tool call that has not begun")
        number = self._calls.get(_name(value, {}), len(self._calls) - 1)
        kind = "function" if "function_call" in str(value.get("type")) else "custom"
        if piece := text(value, "delta"):
            self._argued.add(number)
            field = "arguments" if kind == "function" else "input"
            yield self._call(number, {kind: {field: piece}})

    def _item_done(self, value: JsonObject) -> Iterator[Event]:
        item = obj(value, "item")
        if item.get("type") == "reasoning":
            block = block_of(item, answer.summary(item))
            if block is not None:
                place = integer(value, "output_index")
                yield self._make.delta({"thinking_blocks": [{"index": place, **block}]})
            self._summary = None if self._summary is None else -1  # what follows stands apart
        elif (call := answer.call(item)) is not None:
            yield from self._call_done(_name(value, item), call)
        elif item.get("type") == "message":
            if not self._spoke:
                said, _ = answer.message({"output": [item]})
                pieces = {name: said[name] for name in ("content", "refusal") if said.get(name)}
                if pieces:
                    yield self._make.delta(pieces)
            self._spoke = False

    def _call_done(self, name: str, call: JsonObject) -> Iterator[Event]:
        number = self._calls.get(name)
        if number is None:
            number = self._calls[name] = len(self._calls)
            yield self._call(number, call)
        elif number not in self._argued and _input(call):
            kind = call["type"]
            field = "arguments" if kind == "function" else "input"
            yield self._call(number, {kind: {field: call[kind][field]}})

    def _call(self, number: int, fields: JsonObject) -> Chunk:
        return self._make.delta({"tool_calls": [{"index": number, **fields}]})

    def _complete(self, response: JsonObject) -> Iterator[Event]:
        yield from self._begin({"response": response})
        yield self._make.finish(answer.finish(response, bool(self._calls)))
        if counts := answer.usage(response):
            yield self._make.usage(counts)
        yield Done()


def _name(value: JsonObject, item: JsonObject) -> str:
    """What tells an item from others."""
    return str(value.get("output_index", value.get("item_id") or item.get("id") or item.get("call_id") or ""))


def _input(call: JsonObject) -> str:
    return str(call.get("function", {}).get("arguments") or call.get("custom", {}).get("input") or "")


_Step = Callable[[ResponsesDecoder, JsonObject], Iterator[Event]]
_STEPS: dict[str, _Step] = {
    "response.created": ResponsesDecoder._created,
    "response.in_progress": ResponsesDecoder._created,
    "response.output_text.delta": ResponsesDecoder._said,
    "response.output_text.annotation.added": ResponsesDecoder._noted,
    "response.refusal.delta": ResponsesDecoder._refused,
    "response.reasoning_summary_text.delta": ResponsesDecoder._thought,
    "response.reasoning_text.delta": ResponsesDecoder._thought,
    "response.output_item.added": ResponsesDecoder._item,
    "response.function_call_arguments.delta": ResponsesDecoder._piece,
    "response.custom_tool_call_input.delta": ResponsesDecoder._piece,
    "response.output_item.done": ResponsesDecoder._item_done,
}
