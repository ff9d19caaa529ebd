"""Ollama's native answers as canonical ones: one JSON object a line, or one object in all.

Laws: ``done: true`` is the only terminator; a body that ends without it is broken, however cleanly it ends. Tool
calls come whole and without identity: ids and indexes are made here, and any call makes the end ``tool_calls``,
because Ollama itself says ``stop``. Counts that are zero are left out there (docs/api.md).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

from llm_proxy.wire.answers import ends
from providers.base import Done, Event
from providers.common.embeddings import vectors_answer
from providers.common.errors import in_stream, reported
from providers.common.errors_in_answers import broken_off
from providers.common.json_objects import (
    Malformed,
    integer,
    json_text,
    loads_object,
    name,
    obj,
    objects,
    text,
)
from providers.common.ndjson_decoder import JsonLineDecoder
from providers.common.sse_decoder import ChunkMaker, Refused
from providers.ollama.tokens import LineShape

#: What a text of a chunk is called in a line.
_KEYS = {"content": "content", "reasoning_content": "thinking"}


class OllamaDecoder(JsonLineDecoder):
    """One streamed answer of ``/api/chat``."""

    def __init__(self) -> None:
        super().__init__()
        self._make = ChunkMaker()
        self._calls = 0
        self._shape = LineShape()

    @property
    def known(self) -> tuple[bytes, bytes] | None:
        return self._shape.known

    def usual(self, data: bytes) -> bytes:
        if self._ended or self._lines.held:
            return b""
        if rest := self._shape.rest(data):
            self._number += 1
        return rest

    def _line(self, line: bytes, end: bytes) -> list[Event]:
        value = loads_object(line)
        if value.get("error"):
            raise Refused(in_stream(reported(value)))
        message = obj(value, "message")
        delta = contents(message)
        if self._number == 1:
            identify(self._make, value)
            delta = {"role": "assistant", "content": "", **delta}
        # What follows is looked at only where it is: a line is a token, and a token has none of it.
        if "tool_calls" in message and (calls := tool_calls(message, self._calls)):
            self._calls += len(calls)
            delta["tool_calls"] = calls
        found = logprobs(value) if "logprobs" in value else None
        events: list[Event] = []
        if delta or found:
            chunk = self._make.delta(delta)
            if found:
                chunk.data["choices"][0]["logprobs"] = found
            events.append(chunk)
            if len(delta) == 1 and not (found or value.get("done")):
                key = _KEYS.get(*delta)
                if key is not None:
                    self._shape.learn(line, end, value, key, chunk)
        if value.get("done") is True:
            finished = self._make.finish(finish(value, self._calls))
            events += [finished, self._make.usage(usage(value)), Done()]
        return events


def whole(body: bytes) -> dict[str, Any]:
    """The ``chat.completion`` for one answer that was not streamed. Raises ``Malformed`` or ``Refused``."""
    value = loads_object(body)
    if value.get("error"):
        raise Refused(in_stream(reported(value)))
    if "message" not in value or value.get("done") is not True:
        raise Malformed("not a finished chat answer")
    make = ChunkMaker()
    identify(make, value)
    message = obj(value, "message")
    calls = [{key: part for key, part in call.items() if key != "index"} for call in tool_calls(message, 0)]
    said: dict[str, Any] = {"role": "assistant", "content": None if calls else "", **contents(message)}
    if calls:
        said["tool_calls"] = calls
    choice: dict[str, Any] = {"index": 0, "message": said, "finish_reason": finish(value, len(calls))}
    if found := logprobs(value):
        choice["logprobs"] = found
    return make.whole([choice], usage(value))


def identify(make: ChunkMaker, value: dict[str, Any]) -> None:
    """Take model and time from the first line."""
    make.model = text(value, "model")
    try:
        make.created = int(datetime.fromisoformat(text(value, "created_at")).timestamp())
    except (ValueError, OverflowError):
        return  # the time at which the answer began is as good


def contents(message: dict[str, Any]) -> dict[str, Any]:
    """Thinking and text; ``reasoning_content`` is what most clients of OpenAI-compatible servers read."""
    found = {}
    if thinking := text(message, "thinking"):
        found["reasoning_content"] = thinking
    if content := text(message, "content"):
        found["content"] = content
    return found


def tool_calls(message: dict[str, Any], first: int) -> list[dict[str, Any]]:
    """Whole calls in the canonical form, numbered from ``first``."""
    calls = []
    for index, call in enumerate(objects(message, "tool_calls"), first):
        function = obj(call, "function")
        # A text there is what other gateways make of it.
        arguments = json_text(function, "arguments")
        calls.append(
            {
                "index": index,
                "id": name(call, "id") or f"call_{uuid4().hex[:24]}",
                "type": "function",
                "function": {"name": text(function, "name"), "arguments": arguments},
            }
        )
    return calls


def finish(value: dict[str, Any], calls: int) -> str:
    """The canonical finish reason; load and unload have produced nothing and count as a stop. Raises ``Refused``."""
    said = text(value, "done_reason")
    reason = ends.meaning(said) or ends.STOP
    if reason == ends.ERROR:
        raise Refused(broken_off(f"the model's answer failed: {said}"))
    if reason in (ends.STOP, ends.CALLS):
        return ends.CALLS if calls else ends.STOP
    return reason


def usage(value: dict[str, Any]) -> dict[str, int]:
    """Token counts."""
    prompt, answer = integer(value, "prompt_eval_count"), integer(value, "eval_count")
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


def logprobs(value: dict[str, Any]) -> dict[str, Any] | None:
    """OpenAI's log probabilities: the same entries, but there no field may be missing (api/types.go: omitempty)."""
    found = [
        {**_token(entry), "top_logprobs": [_token(other) for other in objects(entry, "top_logprobs")]}
        for entry in objects(value, "logprobs")
    ]
    return {"content": found, "refusal": None} if found else None


def _token(entry: dict[str, Any]) -> dict[str, Any]:
    return {"token": entry.get("token"), "logprob": entry.get("logprob"), "bytes": entry.get("bytes")}


def embeddings(body: bytes, *, base64: bool) -> dict[str, Any]:
    """OpenAI's embeddings answer for one of ``/api/embed``. Raises ``Malformed``, ``Refused`` or ``ValueError``."""
    value = loads_object(body)
    if value.get("error"):
        raise Refused(in_stream(reported(value)))
    prompt = integer(value, "prompt_eval_count")
    return vectors_answer(text(value, "model"), value.get("embeddings"), prompt, base64=base64)
