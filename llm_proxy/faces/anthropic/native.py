"""A request of Anthropic's Messages API to a server of that API: what may not go along.

Laws: the server judges its own dialect; what is checked of a request stands in ``anthropic_form.Asked``. Thinking that this gateway itself has put into an earlier answer, of a model of another vendor,
has no signature of Anthropic's, which refuses it: it is left out and named.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.faces.anthropic.turns import of_google

_Json = dict[str, Any]


def without_foreign_thinking(body: _Json) -> tuple[_Json, tuple[str, ...]]:
    """``body`` without thinking that is not Anthropic's, and the paths of the messages that it was in."""
    messages = body.get("messages")
    found = {
        at: kept
        for at, message in enumerate(messages if isinstance(messages, list) else [])
        if (kept := _own(message)) is not None
    }
    if not found:
        return body, ()
    replaced = [found.get(at, message) for at, message in enumerate(body["messages"])]
    return {**body, "messages": replaced}, tuple(f"messages.{at}.thinking" for at in found)


def _own(message: Any) -> _Json | None:
    """``message`` without such blocks; None if it has none, or nothing else (then the server says what is wrong)."""
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list) or message.get("role") != "assistant":
        return None
    kept = [block for block in content if not _of_another_vendor(block)]
    return {**message, "content": kept} if kept and len(kept) < len(content) else None


def _of_another_vendor(block: Any) -> bool:
    """Whether it is thinking that the Anthropic face wrote for a model of another vendor: without a signature, or with
    one of Google's (see ``anthropic_turns``)."""
    if not isinstance(block, dict) or block.get("type") != "thinking":
        return False
    return not block.get("signature") or of_google(block)
