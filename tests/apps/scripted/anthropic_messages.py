"""Anthropic's Messages: what a request must be, what was seen in it, and the answer on the wire.

The type is that of the official client, the beta one where a beta is asked for. What types cannot say is here: whose
turn it is, results behind their calls, thinking as it was signed, texts that are not blank.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

from anthropic.types.beta.message_create_params import MessageCreateParamsBase as BetaParams
from anthropic.types.message_create_params import MessageCreateParamsBase

from tests.apps.scripted.mind import Offer, Said, Seen, fresh
from tests.apps.scripted.openai_chat import halves
from tests.apps.scripted.typed import check, need

#: No longer in the client's type, and taken from older models still.
_OLDER = frozenset({"temperature", "top_p", "top_k"})
_ID = re.compile(r"[a-zA-Z0-9_-]+")


def judge(body: dict[str, Any], betas: str | None) -> None:
    """Raise ``Refused`` for what the vendor answers with a 400; ``betas`` is the header ``anthropic-beta``."""
    need(isinstance(body.get("stream", False), bool), "stream: Input should be a valid boolean", "stream")
    known = {name: value for name, value in body.items() if name not in _OLDER | {"stream"}}
    check(known, BetaParams if betas else MessageCreateParamsBase)
    thinking = body.get("thinking", {}).get("type", "disabled")
    if thinking == "enabled":
        budget = body["thinking"]["budget_tokens"]
        need(budget >= 1024, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        between = "interleaved-thinking" in (betas or "")  # then the budget is that of all turns together
        need(
            budget < body["max_tokens"] or between,
            "`max_tokens` must be greater than `thinking.budget_tokens`.",
        )
    if thinking in ("enabled", "adaptive"):
        need(body.get("temperature", 1) == 1, "`temperature` may only be set to 1 when thinking is enabled.")
    need("tool_choice" not in body or bool(body.get("tools")), "tool_choice: tools must be provided")
    _turns(body["messages"], thinking == "enabled")


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _turns(messages: list[dict[str, Any]], thinks: bool) -> None:
    need(bool(messages), "messages: at least one message is required")
    need(messages[0]["role"] == "user", 'messages: first message must use the "user" role')
    waiting: set[str] = set()
    marks = 0
    for place, message in enumerate(messages):
        at, role, found = f"messages.{place}", message["role"], _blocks(message["content"])
        need(bool(found), f"{at}: user messages must have non-empty content")
        for number, block in enumerate(found):
            _block(f"{at}.content.{number}", block)
            marks += "cache_control" in block
        given = {block["tool_use_id"] for block in found if block["type"] == "tool_result"}
        words = f"{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {sorted(waiting - given)}"
        need(not (waiting - given) or role == "system", words, at)
        need(
            given <= waiting,
            f"{at}: unexpected `tool_use_id` found in `tool_result` blocks: {sorted(given)}",
            at,
        )
        if role != "system":
            waiting = {block["id"] for block in found if block["type"] == "tool_use"}
        if thinks and waiting and _after_calls(messages[place:]):
            first = found[0]["type"]
            words = f"{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`."
            need(first in ("thinking", "redacted_thinking"), words, at)
    last = _blocks(messages[-1]["content"])[-1]
    blank = last.get("text", "").endswith((" ", "\n", "\t")) and messages[-1]["role"] == "assistant"
    need(not blank, "messages: final assistant content cannot end with trailing whitespace")
    need(marks <= 4, f"A maximum of 4 blocks with cache_control may be provided. Found {marks}.")


def _after_calls(rest: list[dict[str, Any]]) -> bool:
    """Whether the loop of tools that begins here is still running: nothing behind it but results and calls."""
    kinds = {
        block["type"]
        for message in rest[1:]
        if message["role"] == "user"
        for block in _blocks(message["content"])
    }
    return "tool_result" in kinds and "text" not in kinds


def _block(at: str, block: dict[str, Any]) -> None:
    if block["type"] == "text":
        need(bool(block["text"].strip()), f"{at}: text content blocks must contain non-whitespace text", at)
    for name in ("id", "tool_use_id"):
        sound = _ID.fullmatch(block.get(name, "a")) is not None
        need(sound, f"{at}.{block['type']}.{name}: String should match pattern '^[a-zA-Z0-9_-]+$'", at)
    if block["type"] == "thinking":
        sound = block["signature"] == signature(block["thinking"])
        need(sound, f"{at}: Invalid `signature` in `thinking` block", at)


def signature(thought: str) -> str:
    """What a thought is signed with; it must come back unchanged."""
    return base64.b64encode(hashlib.sha256(thought.encode()).digest()).decode()


def read(body: dict[str, Any]) -> Seen:
    """The request as the model sees it."""
    texts: list[str] = []
    calls: list[str] = []
    results = pictures = 0
    for message in body["messages"]:
        for block in _blocks(message["content"]):
            if block["type"] == "text" and message["role"] == "user":
                texts.append(block["text"])
            elif block["type"] == "tool_use":
                calls.append(block["name"])
            elif block["type"] == "tool_result":
                results += 1
                pictures += sum(one["type"] == "image" for one in _blocks(block.get("content") or "-"))
            elif block["type"] == "image":
                pictures += 1
    offers = [
        Offer(tool["name"], tool.get("input_schema", {}), tool.get("type", "custom"))
        for tool in body.get("tools", ())
    ]
    return Seen(tuple(texts), tuple(offers), tuple(calls), results, pictures)


USAGE = {
    "input_tokens": 100,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 40,
    "output_tokens": 20,
}


def whole(said: Said, body: dict[str, Any]) -> dict[str, Any]:
    """The answer at once."""
    content: list[dict[str, Any]] = []
    if said.thought and body.get("thinking", {}).get("type") in ("enabled", "adaptive"):
        content.append({"type": "thinking", "thinking": said.thought, "signature": signature(said.thought)})
    if said.text:
        content.append({"type": "text", "text": said.text})
    for call in said.calls:
        use = {"id": f"toolu_01{fresh()}", "name": call.offer.name, "input": call.arguments}
        content.append({"type": "tool_use", **use})
    head = {"id": f"msg_01{fresh()}", "type": "message", "role": "assistant", "model": body["model"]}
    end = "tool_use" if said.calls else "end_turn"
    return {**head, "content": content, "stop_reason": end, "stop_sequence": None, "usage": USAGE}


def stream(said: Said, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The same as events."""
    message = whole(said, body)
    begun = {**message, "content": [], "stop_reason": None, "usage": {**USAGE, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, block in enumerate(message["content"]):
        empty, deltas = _pieces(block)
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    return [*events, {"type": "message_delta", "delta": delta, "usage": USAGE}, {"type": "message_stop"}]


def _pieces(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "text":
        return {**block, "text": ""}, [
            {"type": "text_delta", "text": piece} for piece in halves(block["text"])
        ]
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in halves(block["thinking"])]
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*deltas, signed]
    pieces = halves(json.dumps(block["input"]))
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
