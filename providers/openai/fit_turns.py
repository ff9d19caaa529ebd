"""In which order a vendor takes the turns of a conversation: where texts of the system stand, and who follows whom.

Laws: no text is lost, and texts that are joined keep their order; a conversation that is in order is the same list
afterwards. Many open models' chat templates take one text of the system, at the very beginning ("System message must be
at the beginning": Qwen's, and with it vLLM and llama.cpp), some nothing but turns that alternate (Gemma's, Mistral's).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from providers.openai.fit_messages import parts
from providers.openai.vendor import Vendor

_Json = dict[str, Any]
_SYSTEM = ("system", "developer")


def fit_turns(messages: list[_Json], vendor: Vendor) -> list[_Json]:
    """``messages`` in an order that ``vendor`` takes."""
    found = messages
    if vendor.system == "first":
        roles = [message["role"] for message in messages]
        if "system" in roles[1:] or "developer" in roles[1:]:
            system = [message for message in messages if message["role"] in _SYSTEM]
            found = [_joined(system), *(message for message in messages if message["role"] not in _SYSTEM)]
    elif vendor.system == "apart":
        found = _runs(found, lambda message: message["role"] in _SYSTEM)
    if vendor.alternates:
        found = _runs(found, lambda message: message["role"] == "user")
        found = _runs(found, lambda message: message["role"] == "assistant" and not message.get("tool_calls"))
    return [_flat(message) for message in found] if vendor.joins else found


def _runs(messages: list[_Json], of: Callable[[_Json], bool]) -> list[_Json]:
    """``messages`` with those that follow each other, and are ``of`` one kind, as one."""
    found: list[_Json] = []
    run: list[_Json] = []
    for message in messages:
        if of(message):
            run.append(message)
            continue
        if run:
            found.append(_joined(run))
            run = []
        found.append(message)
    if run:
        found.append(_joined(run))
    return found if len(found) < len(messages) else messages


def _joined(messages: list[_Json]) -> _Json:
    """Messages of one role as one: texts with a blank line between them, anything else as parts."""
    if len(messages) == 1:
        return messages[0]
    content: Any = [part for message in messages for part in parts(message.get("content"))]
    if all(part.keys() == {"type", "text"} for part in content):  # no marks, no pictures
        content = "\n\n".join(str(part["text"]) for part in content if part["text"])
    merged = {name: value for message in messages for name, value in message.items() if name != "name"}
    return {**merged, "role": messages[0]["role"], "content": content}


def _flat(message: _Json) -> _Json:
    """``message`` with texts as one string."""
    content = message.get("content")
    if not isinstance(content, list) or not all(part["type"] == "text" for part in content):
        return message
    return {**message, "content": "\n".join(str(part.get("text") or "") for part in content)}
