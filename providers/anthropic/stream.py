"""Anthropic's events as canonical chunks (docs.anthropic.com/en/api/messages-streaming).

Laws: only ``message_stop`` completes an answer. A block begins and stops once: a second stop, as other gateways have
sent it (BerriAI/litellm #37273), does nothing, and arguments for a call that never began are a fault. ``ping`` and kinds
of events, blocks and deltas that are not known are passed over, as the vendor asks for. Sources: ``sources``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from llm_proxy.errors import GatewayError
from llm_proxy.wire.sse import SSEEvent, dumps
from providers.anthropic import answer
from providers.anthropic.sources import Text, annotated, search_results
from providers.base import Chunk, Done, Event
from providers.common.json_objects import JsonObject, Malformed, integer, loads_object, obj, objects, text
from providers.common.sse_decoder import ChunkMaker, JsonEventDecoder, Refused, no_terminator


@dataclass(slots=True)
class _Block:
    """One content block that has begun and not stopped. ``call`` is the index of its tool call, if it is one."""

    source: JsonObject
    call: int | None = None
    #: Whether a piece of arguments came; else those that the block began with count.
    argued: bool = False
    thinking: list[str] = field(default_factory=list)
    signature: str = ""
    #: Where its text begins in that of the answer, and what is cited on it.
    at: int = 0
    citations: list[Any] = field(default_factory=list)


class AnthropicDecoder(JsonEventDecoder):
    """One streamed answer. ``error_of`` maps the error object of an ``error`` event."""

    def __init__(self, error_of: Callable[[JsonObject], GatewayError]) -> None:
        super().__init__()
        self._error_of = error_of
        self._make = ChunkMaker()
        self._begun = False
        self._blocks: dict[int, _Block] = {}
        self._calls = 0
        self._said = Text()
        self._outcome: JsonObject = {}
        self._usage: JsonObject = {}

    def _event(self, event: SSEEvent) -> Iterator[Event]:
        if event.data is None:
            return
        value = loads_object(event.data)
        kind = value.get("type") or event.name.decode("latin-1")
        if kind == "content_block_delta":
            yield from self._delta(value)
        elif kind == "content_block_start":
            yield from self._start(value)
        elif kind == "content_block_stop":
            yield from self._stop(value)
        elif kind == "message_start":
            yield from self._message(obj(value, "message"))
        elif kind == "message_delta":
            self._count(value)
            self._outcome.update({k: v for k, v in obj(value, "delta").items() if v is not None})
        elif kind == "message_stop":
            yield from self._complete()
        elif kind == "error":
            raise Refused(self._error_of(value))

    def _end(self) -> Iterator[Event]:
        yield no_terminator()

    def _message(self, message: JsonObject) -> Iterator[Event]:
        """The first event: what the answer is called. Its token counts are those of the prompt."""
        self._count(message)
        if not self._begun:
            self._make.id = text(message, "id") or self._make.id
            self._make.model = text(message, "model")
            yield from self._begin()

    def _begin(self) -> Iterator[Event]:
        """The chunk with the role; also when ``message_start`` is missing (router-for-me/CLIProxyAPI #561)."""
        if not self._begun:
            self._begun = True
            yield self._make.delta({"role": "assistant", "content": ""})

    def _count(self, value: JsonObject) -> None:
        """Counts are cumulative: the newest of each wins."""
        self._usage.update({k: v for k, v in obj(value, "usage").items() if v is not None})

    def _start(self, value: JsonObject) -> Iterator[Event]:
        yield from self._begin()
        index, source = integer(value, "index"), obj(value, "content_block")
        block = self._blocks[index] = _Block(source)
        kind = source.get("type")
        self._said.block(kind)
        if kind == "text":
            block.at = self._said.length
            block.citations += objects(source, "citations")
            yield from self._text("content", self._said.said(text(source, "text")))
        elif kind == "thinking":
            yield from self._think(block, text(source, "thinking"))
            block.signature = text(source, "signature")
        elif kind == "tool_use":
            block.call = self._calls
            self._calls += 1
            function = {"name": text(source, "name"), "arguments": ""}
            yield self._call(block.call, id=text(source, "id"), type="function", function=function)
        elif results := search_results(source):
            yield self._make.delta({"search_results": results})

    def _delta(self, value: JsonObject) -> Iterator[Event]:
        yield from self._begin()
        delta = obj(value, "delta")
        block = self._blocks.get(integer(value, "index"))
        kind = delta.get("type")
        if kind == "text_delta":
            yield from self._text("content", self._said.said(text(delta, "text")))
        elif kind == "citations_delta" and block is not None:
            block.citations.append(obj(delta, "citation"))
        elif kind == "thinking_delta":
            yield from self._think(block, text(delta, "thinking"))
        elif kind == "signature_delta" and block is not None:
            block.signature += text(delta, "signature")
        elif kind == "input_json_delta":
            if block is None:
                raise Malformed("arguments for a tool call that has not begun")
            piece = text(delta, "partial_json")
            if piece and block.call is not None:
                block.argued = True
                yield self._call(block.call, function={"arguments": piece})

    def _stop(self, value: JsonObject) -> Iterator[Event]:
        index = integer(value, "index")
        block = self._blocks.pop(index, None)
        if block is None:
            return
        kind = block.source.get("type")
        if block.citations:
            yield self._make.delta({"annotations": annotated(block.citations, block.at, self._said.length)})
        if block.call is not None and not block.argued:
            # The joined pieces must be JSON, also for a function without parameters.
            arguments = dumps(obj(block.source, "input")).decode()
            yield self._call(block.call, function={"arguments": arguments})
        elif kind == "thinking":
            whole = {**block.source, "thinking": "".join(block.thinking), "signature": block.signature}
            yield self._make.delta({"thinking_blocks": [{"index": index, **whole}]})
        elif kind == "redacted_thinking":
            yield self._make.delta({"thinking_blocks": [{"index": index, **block.source}]})

    def _complete(self) -> Iterator[Event]:
        yield from self._begin()
        for index in sorted(self._blocks):  # a stop that was forgotten
            yield from self._stop({"index": index})
        reason = answer.finish(text(self._outcome, "stop_reason"), called=self._calls > 0)
        usage = answer.usage(self._usage)
        yield self._make.finish(reason, **answer.finish_fields(self._outcome))
        if self._usage:
            yield self._make.usage(usage)
        yield Done()

    def _think(self, block: _Block | None, piece: str) -> Iterator[Event]:
        if block is not None:
            block.thinking.append(piece)
        yield from self._text("reasoning_content", piece)

    def _text(self, name: str, piece: str) -> Iterator[Event]:
        if piece:
            yield self._make.delta({name: piece})

    def _call(self, index: int, **fields: Any) -> Chunk:
        return self._make.delta({"tool_calls": [{"index": index, **fields}]})
