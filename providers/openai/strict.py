"""Messages and tools as OpenAI itself takes them: it answers 400 to any field that it does not know, in every depth.

Other vendors' fields are in histories that clients keep, and in requests that came in another dialect: marks for caches
(Claude Code sets them on everything), thinking, signatures. What says something to the model is reported as dropped.
Source: platform.openai.com/docs/api-reference/chat/create, and "Unknown parameter: 'messages[0].content[0].cache_control'"
in other gateways' issues (BerriAI/litellm strips the same mark).
"""

from __future__ import annotations

from typing import Any

_Json = dict[str, Any]

#: Of a message: what is thinking and how a tool ended, and what only speaks to other vendors' servers.
_SAYS = ("is_error", "reasoning", "reasoning_content", "thinking_blocks")
_MARKS = frozenset({"cache_control", "citations", "extra_content", "index"})


def strict(body: _Json) -> list[str]:
    """Take such fields out of ``messages`` and ``tools`` of ``body``, whose own objects stay as they are; the names of
    those that said something."""
    lost = {name for message in body["messages"] for name in _SAYS if message.get(name)}
    body["messages"] = [_message(message) for message in body["messages"]]
    if isinstance(body.get("tools"), list):
        body["tools"] = [_unmarked(tool) for tool in body["tools"]]
    return [f"messages.{name}" for name in sorted(lost)]


def _message(message: _Json) -> _Json:
    left_out = _MARKS.union(_SAYS)
    return {name: _parts(name, value) for name, value in message.items() if name not in left_out}


def _parts(name: str, value: Any) -> Any:
    """The value of a field of a message; parts and calls without marks."""
    if name in ("content", "tool_calls") and isinstance(value, list):
        return [_unmarked(part) for part in value]
    return value


def _unmarked(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: inner for name, inner in value.items() if name not in _MARKS}
