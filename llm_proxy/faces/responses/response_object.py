"""What a response of OpenAI's Responses API consists of, besides its items (platform.openai.com/docs/api-reference/responses/object).

Pure values: the frame that echoes the request, the places of texts in items, the counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llm_proxy.faces.chunk_reading import count, obj
from llm_proxy.faces.responses.kind import integer
from llm_proxy.faces.responses.request import ResponsesRequest

_Json = dict[str, Any]

#: Why an answer is not complete, by the canonical reason for its end.
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def frame(form: ResponsesRequest, created: int) -> _Json:
    """The response object without ``id``, ``status`` and ``output``; ``created`` in seconds since 1970. Every field is
    there, with OpenAI's own default if need be: the Open Responses suite (openresponses.org) wants them all."""
    extra = form.model_extra or {}
    return {
        "object": "response",
        "created_at": created,
        "completed_at": None,
        "model": form.model,
        "error": None,
        "incomplete_details": None,
        "instructions": form.instructions,
        "max_output_tokens": form.max_output_tokens,
        "max_tool_calls": None,
        "metadata": form.metadata or {},
        "parallel_tool_calls": form.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None, **(form.reasoning or {})},
        "background": False,
        "store": False,
        "presence_penalty": _number(extra.get("presence_penalty"), 0),
        "frequency_penalty": _number(extra.get("frequency_penalty"), 0),
        "prompt_cache_key": _text(extra.get("prompt_cache_key")),
        "safety_identifier": _text(extra.get("safety_identifier")),
        "service_tier": "default",
        "temperature": _number(form.temperature, 1),
        "text": {"format": {"type": "text"}, **(form.text or {})},
        "tool_choice": "auto" if form.tool_choice is None else form.tool_choice,
        "tools": [_tool(tool) for tool in form.tools or ()],
        "top_logprobs": form.top_logprobs or 0,
        "top_p": _number(form.top_p, 1),
        "truncation": "disabled",
        "usage": None,
        "user": form.user,
    }


def _number(given: Any, usual: float) -> Any:
    return given if isinstance(given, int | float) else usual


def _text(given: Any) -> str | None:
    return given if isinstance(given, str) else None


def _tool(tool: _Json) -> _Json:
    """A tool with every field that its type has."""
    if tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, "strict": None, **tool}


def annotation(given: _Json) -> _Json:
    """A source of a text: a chat API has its fields one level deeper, under the name of its type."""
    kind = str(given.get("type") or "url_citation")
    inner = given.get(kind)
    found: _Json = {**(inner if isinstance(inner, dict) else given), "type": kind}
    if kind != "url_citation":
        return found
    places = {name: integer(found.get(name)) or 0 for name in ("start_index", "end_index")}
    texts = {name: str(found.get(name) or "") for name in ("url", "title")}
    return {**found, **places, **texts}


@dataclass(frozen=True, slots=True)
class Part:
    """Where a kind of text stands: in which item and list of it, by which index, in which events."""

    item: str
    place: str
    index: str
    events: str
    part_events: str
    field: str = "text"


PARTS = {
    "output_text": Part(
        "message", "content", "content_index", "response.output_text", "response.content_part"
    ),
    "refusal": Part(
        "message", "content", "content_index", "response.refusal", "response.content_part", "refusal"
    ),
    "reasoning_text": Part(
        "reasoning", "content", "content_index", "response.reasoning_text", "response.content_part"
    ),
    "summary_text": Part(
        "reasoning",
        "summary",
        "summary_index",
        "response.reasoning_summary_text",
        "response.reasoning_summary_part",
    ),
}


def usage(counts: _Json | None) -> _Json | None:
    """Token counts in this API's names."""
    if not counts:
        return None
    read, write = count(counts.get("prompt_tokens")), count(counts.get("completion_tokens"))
    prompt, answer = obj(counts.get("prompt_tokens_details")), obj(counts.get("completion_tokens_details"))
    return {
        "input_tokens": read,
        "input_tokens_details": {
            "cached_tokens": count(prompt.get("cached_tokens")),
            "cache_write_tokens": count(counts.get("cache_creation_input_tokens")),
        },
        "output_tokens": write,
        "output_tokens_details": {"reasoning_tokens": count(answer.get("reasoning_tokens"))},
        "total_tokens": count(counts.get("total_tokens")) or read + write,
    }
