"""What an answer of OpenAI's Responses API means in the canonical dialect (platform.openai.com/docs/api-reference/responses/object).

Summaries of reasoning are shown as ``reasoning_content``; what OpenAI wants back of it is kept in ``thinking_blocks``
(``llm_proxy.wire.reasoning_items``). What tools on OpenAI's side did is in the text that they led to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_proxy.errors import GatewayError, UpstreamError
from llm_proxy.wire.events import ChatResponse
from llm_proxy.wire.reasoning_items import block_of
from providers.common.errors import in_stream, reported
from providers.common.json_objects import JsonObject, Malformed, integer, obj, objects, text
from providers.common.sse_decoder import ChunkMaker

_INCOMPLETE: Mapping[str, str] = {"max_output_tokens": "length", "content_filter": "content_filter"}


def finish(response: Mapping[str, Any], called: bool) -> str:
    """The finish reason; ``called`` says whether a tool was called. Raises ``Malformed``."""
    reason = text(obj(response, "incomplete_details"), "reason")
    if reason:
        return _INCOMPLETE.get(reason, "length")
    if response.get("status") == "incomplete":
        return "length"
    return "tool_calls" if called else "stop"


def usage(response: Mapping[str, Any]) -> JsonObject:
    """Token counts under chat's names; empty if there are none. Raises ``Malformed``."""
    counts = obj(response, "usage")
    if not counts:
        return {}
    prompt, answer = integer(counts, "input_tokens"), integer(counts, "output_tokens")
    read, written = obj(counts, "input_tokens_details"), obj(counts, "output_tokens_details")
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": integer(counts, "total_tokens") or prompt + answer,
        "prompt_tokens_details": {"cached_tokens": integer(read, "cached_tokens")},
        "completion_tokens_details": {"reasoning_tokens": integer(written, "reasoning_tokens")},
    }


def failure(value: Mapping[str, Any]) -> GatewayError:
    """The error that ``value`` has, or is: an ``error`` event is flat, or has an object, as the rest of the API."""
    error = value.get("error") or {name: value.get(name) for name in ("message", "code", "param")}
    return in_stream(reported({"error": error}))


def whole(response: JsonObject, name: str) -> ChatResponse:
    """A whole response as a ``chat.completion`` of the model ``name``. Raises ``UpstreamError``."""
    try:
        return ChatResponse(_completion(response, name))
    except Malformed as error:
        message = f"the upstream's answer is no response: {error}"
        raise UpstreamError(message, phase="body", kind="content_type") from error


def _completion(response: JsonObject, name: str) -> JsonObject:
    make = ChunkMaker()
    make.id = text(response, "id") or make.id
    make.model = name
    said, logprobs = message(response)
    choice = {
        "index": 0,
        "message": said,
        "logprobs": {"content": logprobs, "refusal": None} if logprobs else None,
        "finish_reason": finish(response, "tool_calls" in said),
    }
    return make.whole([choice], usage(response) or None)


def message(response: JsonObject) -> tuple[JsonObject, list[Any]]:
    """The assistant's message in a whole response, and the log probabilities of its text. Raises ``Malformed``."""
    found: dict[str, list[Any]] = {}

    def add(name: str, *values: Any) -> None:
        found.setdefault(name, []).extend(values)

    for place, item in enumerate(objects(response, "output")):
        kind = item.get("type")
        if kind == "reasoning":
            thought = summary(item)
            add("reasoning_content", *([thought] if thought else []))
            if block := block_of(item, thought):
                add("thinking_blocks", {"index": place, **block})
        elif kind == "message":
            for part in objects(item, "content"):
                add("content", *([part["text"]] if text(part, "text") else []))
                add("refusal", *([part["refusal"]] if text(part, "refusal") else []))
                add("annotations", *map(annotation, objects(part, "annotations")))
                add("logprobs", *objects(part, "logprobs"))
        elif (made := call(item)) is not None:
            add("tool_calls", made)
    logprobs = found.pop("logprobs", [])
    said: JsonObject = {"role": "assistant", "content": None}
    for name in ("content", "refusal"):
        if parts := found.pop(name, []):
            said[name] = "".join(parts)
    if thoughts := found.pop("reasoning_content", []):
        said["reasoning_content"] = "\n\n".join(thoughts)
    return {**said, **{name: values for name, values in found.items() if values}}, logprobs


def summary(item: JsonObject) -> str:
    """What a reasoning item lets anybody read: its parts, apart. Raises ``Malformed``."""
    parts = objects(item, "summary") or objects(item, "content")
    return "\n\n".join(text(part, "text") for part in parts)


def call(item: JsonObject) -> JsonObject | None:
    """The call that an item is, if the client has to execute it. Raises ``Malformed``."""
    if item.get("type") == "function_call":
        function = {"name": text(item, "name"), "arguments": text(item, "arguments")}
        return {"id": text(item, "call_id"), "type": "function", "function": function}
    if item.get("type") == "custom_tool_call":
        custom = {"name": text(item, "name"), "input": text(item, "input")}
        return {"id": text(item, "call_id"), "type": "custom", "custom": custom}
    return None


def annotation(source: JsonObject) -> JsonObject:
    """An annotation where chat has it: below its type's name."""
    kind = text(source, "type")
    rest = {name: value for name, value in source.items() if name != "type"}
    return {"type": kind, kind: rest} if kind == "url_citation" else source
