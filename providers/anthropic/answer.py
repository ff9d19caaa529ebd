"""What an Anthropic answer means in the canonical dialect: finish reasons, token counts, thinking, whole messages.

Thinking is shown as ``reasoning_content`` and kept for the next turn as ``thinking_blocks``: the API's own blocks,
signatures included, each with ``index``, its place in the content list. The index lets clients that join streamed
lists by index (the official OpenAI library does) append one block after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_proxy.wire.answers import ends
from llm_proxy.wire.events import ChatResponse
from llm_proxy.wire.sse import dumps
from providers.anthropic import errors
from providers.anthropic.sources import Text, annotated, search_results
from providers.common.errors_in_answers import not_an_answer
from providers.common.json_objects import JsonObject, Malformed, integer, loads_object, obj, objects, text
from providers.common.sse_decoder import ChunkMaker

#: These count towards the prompt besides ``input_tokens``, which is only what no cache had to do with.
_CACHE_FIELDS = ("cache_creation_input_tokens", "cache_read_input_tokens")


def finish(stop_reason: str, called: bool) -> str:
    """The finish reason (docs.anthropic.com/en/api/handling-stop-reasons); ``called`` says whether a tool was called. One
    whose reason is not known is not told as whole."""
    reason = ends.meaning(stop_reason) or ends.STOP
    if reason == ends.STOP and called:
        return ends.CALLS
    return ends.LENGTH if reason == ends.ERROR else reason


def finish_fields(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """The stop sequence that was met, in the field that vLLM has for it. Raises ``Malformed``."""
    met = text(outcome, "stop_sequence")
    return {"stop_reason": met} if met else {}


def usage(counts: Mapping[str, Any]) -> dict[str, Any]:
    """Token counts. The cache fields are also kept under their own names. Raises ``Malformed``."""
    cached = {name: integer(counts, name) for name in _CACHE_FIELDS if counts.get(name) is not None}
    prompt = integer(counts, "input_tokens") + sum(cached.values())
    completion = integer(counts, "output_tokens")
    found: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        **cached,
    }
    if "cache_read_input_tokens" in cached:
        found["prompt_tokens_details"] = {"cached_tokens": cached["cache_read_input_tokens"]}
    details = obj(counts, "output_tokens_details")
    if "thinking_tokens" in details:
        found["completion_tokens_details"] = {"reasoning_tokens": integer(details, "thinking_tokens")}
    return found


def whole(body: bytes) -> ChatResponse:
    """A whole message as a ``chat.completion``. Raises ``UpstreamError``, or what it says itself if it is an error."""
    value = document(body, "content", list)
    try:
        return ChatResponse(_completion(value))
    except Malformed as error:
        raise not_an_answer(body, error) from error


def document(body: bytes, key: str, kind: type) -> JsonObject:
    """The JSON object in ``body``, which has a ``kind`` at ``key``. Raises as ``whole`` does."""
    try:
        value = loads_object(body)
        if value.get("type") == "error" or "error" in value:
            raise errors.from_object(value)
        if type(value.get(key)) is not kind:
            raise Malformed(f"no {key}")
    except Malformed as error:
        raise not_an_answer(body, error) from error
    return value


def _completion(value: JsonObject) -> JsonObject:
    make = ChunkMaker()
    make.id = text(value, "id") or make.id
    make.model = text(value, "model")
    said = message(value)
    reason = finish(text(value, "stop_reason"), called="tool_calls" in said)
    choice = {
        "index": 0,
        "message": said,
        "logprobs": None,
        "finish_reason": reason,
        **finish_fields(value),
    }
    counts = obj(value, "usage")
    return make.whole([choice], usage(counts) if counts else None)


def message(body: Mapping[str, Any]) -> dict[str, Any]:
    """The assistant's message in a whole answer. Raises ``Malformed``."""
    texts: list[str] = []
    reasoning: list[str] = []
    thinking: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    whole_text = Text()
    cited: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for index, block in enumerate(objects(body, "content")):
        kind = block.get("type")
        whole_text.block(kind)
        results += search_results(block)
        if kind == "text":
            texts.append(whole_text.said(text(block, "text")))
            end = whole_text.length
            cited += annotated(block.get("citations"), end - len(text(block, "text")), end)
        elif kind == "thinking":
            reasoning.append(text(block, "thinking"))
            thinking.append({"index": index, **block})
        elif kind == "redacted_thinking":
            thinking.append({"index": index, **block})
        elif kind == "tool_use":
            function = {"name": text(block, "name"), "arguments": dumps(obj(block, "input")).decode()}
            calls.append({"id": text(block, "id"), "type": "function", "function": function})
    found: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts else None}
    if any(reasoning):
        found["reasoning_content"] = "".join(reasoning)
    if thinking:
        found["thinking_blocks"] = thinking
    if calls:
        found["tool_calls"] = calls
    if cited:
        found["annotations"] = cited
    if results:
        found["search_results"] = results
    return found
