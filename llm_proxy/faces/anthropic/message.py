"""A whole message as Anthropic's Messages API writes it: its blocks, why it ended, and the counts.

Laws: a call has an id that Anthropic's own servers would take back, and the name and input that the client's tool has: a
member of a toolset its own; arguments that were cut off are what of them is whole, without a key that no tool has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from llm_proxy.faces.anthropic.opaque import details_signature, google_signature
from llm_proxy.faces.arguments import as_object
from llm_proxy.faces.call_ids import CallIds
from llm_proxy.faces.chunk_reading import count, obj, objects, string

Block = dict[str, Any]
Members = Mapping[str, tuple[str, str]]

STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


def stop_fields(finish: str | None, met: str | None, *, called: bool, refused: bool) -> Block:
    """Why the answer ended. Some servers say "stop", or nothing, after calls, or after a refusal."""
    reason = STOP_REASONS.get(finish or "stop", "end_turn")
    if reason == "end_turn" and called:
        reason = "tool_use"
    elif reason == "end_turn" and refused:
        reason = "refusal"
    elif reason == "end_turn" and met is not None:
        reason = "stop_sequence"
    found: Block = {"stop_reason": reason, "stop_sequence": met}
    if reason == "refusal":
        found["stop_details"] = {"type": "refusal", "category": None, "explanation": None}
    return found


def content(message: Block, members: Members, *, cut: bool = False) -> list[Block]:
    """The blocks of a whole message: thinking, text, calls; ``cut``: its end is missing."""
    blocks: list[Block] = []
    thoughts = objects(message.get("thinking_blocks"))
    reasoning = string(message.get("reasoning_content") or message.get("reasoning"))
    signature = details_signature(objects(message.get("reasoning_details")))
    if thoughts:
        blocks += [{key: value for key, value in block.items() if key != "index"} for block in thoughts]
    elif reasoning or signature:
        blocks.append({"type": "thinking", "thinking": reasoning, "signature": signature})
    if text := string(message.get("content") or message.get("refusal")):
        cited = citations(objects(message.get("annotations")), text)
        blocks.append({"type": "text", "text": text, **({"citations": cited} if cited else {})})
    ids = CallIds()
    for call in objects(message.get("tool_calls")):
        function = obj(call.get("function"))
        if signature := google_signature(call):
            if not (blocks and blocks[-1]["type"] == "thinking"):
                blocks.append({"type": "thinking", "thinking": ""})
            blocks[-1]["signature"] = signature
        begun = call_block(call, string(function.get("name")), ids, members)
        blocks.append({**begun, "input": as_object(string(function.get("arguments")), cut=cut)})
    return blocks


def call_block(call: Block, name: str, ids: CallIds, members: Members) -> Block:
    """The block of a call, its input still empty."""
    given = call.get("id")
    call_id = ids.asked(str(given)) if given not in (None, "") else f"toolu_{uuid4().hex[:24]}"
    toolset, member = members.get(name, ("", name))
    block: Block = {"type": "tool_use", "id": call_id, "name": member, "input": {}}
    return {**block, "toolset_name": toolset} if toolset else block


def citations(annotations: list[Block], text: str = "") -> list[Block]:
    """Sources of an answer (OpenAI's ``url_citation``) as this API cites what a search has found."""
    found = []
    for annotation in annotations:
        source = annotation.get("url_citation")
        source = source if isinstance(source, dict) else annotation
        if annotation.get("type") != "url_citation" or not isinstance(source.get("url"), str):
            continue
        start, end = source.get("start_index"), source.get("end_index")
        quoted = text[start:end] if type(start) is int and type(end) is int and 0 <= start < end else ""
        title = source.get("title")
        found.append(
            {
                "type": "web_search_result_location",
                "url": source["url"],
                "title": title if isinstance(title, str) else None,
                "cited_text": quoted,
                "encrypted_index": "",
            }
        )
    return found


def met_stop(choice: dict[str, Any]) -> str | None:
    """The stop sequence that ended a choice, in the field that vLLM has for it (a number there is a token)."""
    met = choice.get("stop_reason")
    return met if isinstance(met, str) else None


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
