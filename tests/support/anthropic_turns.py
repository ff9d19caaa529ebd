"""What Anthropic's Messages API refuses about the order of turns, and about fields that exclude each other."""

from __future__ import annotations

from typing import Any

from tests.support.anthropic_rules import FIELDS, Refused, check_block, fields, need

_USER = ("text", "image", "tool_result")
_ASSISTANT = ("text", "tool_use", "thinking", "redacted_thinking")


def check(body: Any) -> None:
    """Raise ``Refused`` for what the API would answer with a 400."""
    fields("", body, FIELDS, ("model", "max_tokens", "messages"))
    _messages(body["messages"])
    uses_tools = any(block["type"] in ("tool_use", "tool_result") for block in blocks(body["messages"]))
    need(not uses_tools or bool(body.get("tools")), "tools: Field required when messages contain tool blocks")
    need("tool_choice" not in body or bool(body.get("tools")), "tool_choice: tools must be given")
    need(not {"temperature", "top_p"} <= body.keys(), "`temperature` and `top_p` cannot both be specified")
    if body.get("thinking", {}).get("type") in ("enabled", "adaptive"):
        _with_thinking(body)


def blocks(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All blocks of a conversation."""
    return [block for message in messages for block in _blocks(message["content"])]


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _with_thinking(body: dict[str, Any]) -> None:
    need(body.get("temperature", 1) == 1, "`temperature` may only be set to 1 when thinking is enabled")
    need("top_k" not in body, "`top_k` must be unset when thinking is enabled")
    need(
        body.get("top_p", 1) >= 0.95, "`top_p` must be greater than or equal to 0.95 when thinking is enabled"
    )
    if body["thinking"]["type"] != "enabled":
        return
    need(
        body["thinking"]["budget_tokens"] < body["max_tokens"],
        "`max_tokens` must be greater than `budget_tokens`",
    )
    forced = body.get("tool_choice", {}).get("type") in ("any", "tool")
    need(not forced, "Thinking may not be enabled when tool_choice forces tool use")
    messages = body["messages"]
    if any(block["type"] == "tool_result" for block in _blocks(messages[-1]["content"])):
        first = _blocks(messages[-2]["content"])[0]["type"]
        need(
            first in ("thinking", "redacted_thinking"),
            f"messages.{len(messages) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, "
            f"but found `{first}`",
        )


def _messages(messages: list[Any]) -> None:
    need(bool(messages), "messages: at least one message is required")
    waiting: list[str] = []
    for number, message in enumerate(messages):
        at = f"messages.{number}"
        fields(at, message, {"role": lambda *_: None, "content": lambda *_: None}, ("role", "content"))
        role = message["role"]
        need(role in ("user", "assistant"), f"{at}.role: Input should be 'user' or 'assistant'")
        need(number > 0 or role == "user", "messages: first message must use the user role")
        content = message["content"]
        need(isinstance(content, str | list) and bool(content), f"{at}: messages must have non-empty content")
        found = _blocks(content)
        for place, block in enumerate(found):
            check_block(f"{at}.content.{place}", block, _USER if role == "user" else _ASSISTANT)
        waiting = _results(at, role, found, waiting)
    need(not waiting, "`tool_use` ids were found without `tool_result` blocks immediately after")


def _results(at: str, role: str, found: list[dict[str, Any]], waiting: list[str]) -> list[str]:
    """Check the results that a turn owes; the ids that the next one will owe."""
    if role == "assistant":
        need(not waiting, f"{at}: `tool_use` ids were found without `tool_result` blocks immediately after")
        return [block["id"] for block in found if block["type"] == "tool_use"]
    given = [block["tool_use_id"] for block in found if block["type"] == "tool_result"]
    if set(given) - set(waiting):
        raise Refused(f"{at}: unexpected `tool_use_id` found in `tool_result` blocks: {given}")
    need(len(given) == len(set(given)), f"{at}: each tool_use must have a single result")
    need(set(given) == set(waiting), f"{at}: `tool_use` ids were found without `tool_result` blocks")
    first = [block["type"] == "tool_result" for block in found[: len(given)]]
    need(all(first), f"{at}: tool_result blocks must come first in the content array")
    return []
