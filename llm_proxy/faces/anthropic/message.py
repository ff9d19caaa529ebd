"""A whole message as Anthropic's Messages API writes it: its blocks, why it ended, and the counts."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from llm_proxy.faces.anthropic.turns import google_signature
from llm_proxy.faces.chunk_reading import count, obj, objects, string


def content(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The blocks of a whole message: thinking, text, calls."""
    blocks: list[dict[str, Any]] = []
    thoughts = objects(message.get("thinking_blocks"))
    reasoning = string(message.get("reasoning_content") or message.get("reasoning"))
    if thoughts:
        blocks += [{key: value for key, value in block.items() if key != "index"} for block in thoughts]
    elif reasoning:
        blocks.append({"type": "thinking", "thinking": reasoning, "signature": ""})
    if text := string(message.get("content") or message.get("refusal")):
        blocks.append({"type": "text", "text": text})
    for call in objects(message.get("tool_calls")):
        function = obj(call.get("function"))
        if signature := google_signature(call):
            if not (blocks and blocks[-1]["type"] == "thinking"):
                blocks.append({"type": "thinking", "thinking": ""})
            blocks[-1]["signature"] = signature
        blocks.append(
            {
                "type": "tool_use",
                "id": call.get("id") or f"toolu_{uuid4().hex[:24]}",
                "name": string(function.get("name")),
                "input": _object(string(function.get("arguments")) or "{}"),
            }
        )
    return blocks


def met_stop(choice: dict[str, Any]) -> str | None:
    """The stop sequence that ended a choice, in the field that vLLM has for it (a number there is a token)."""
    met = choice.get("stop_reason")
    return met if isinstance(met, str) else None


def _object(arguments: str) -> dict[str, Any]:
    """Arguments as an object; a model that wrote something else still gets it through, under a name of ours."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return {"arguments": arguments}
    return value if isinstance(value, dict) else {"arguments": value}


def usage(counts: dict[str, Any]) -> dict[str, Any]:
    """Anthropic's counts: cached tokens are not part of ``input_tokens``."""
    details = obj(counts.get("prompt_tokens_details"))
    # Anthropic's own upstreams keep their two counts beside the canonical ones.
    cached = count(counts.get("cache_read_input_tokens") or details.get("cached_tokens"))
    written = count(counts.get("cache_creation_input_tokens"))
    thoughts = count(obj(counts.get("completion_tokens_details")).get("reasoning_tokens"))
    found: dict[str, Any] = {
        "input_tokens": max(0, count(counts.get("prompt_tokens")) - cached - written),
        "output_tokens": count(counts.get("completion_tokens")),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
    }
    if thoughts:
        found["output_tokens_details"] = {"thinking_tokens": thoughts}
    return found
