"""A chat request whose history every vendor takes: calls and results in pairs, roles that the dialects know, thoughts where
the canonical form has them.

Laws: what is not sound is told as text or put right, and named; a request that needs nothing is given back as the same
object. Servers of OpenAI's dialect differ in what they judge of it (``Vendor.pairs``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_proxy.faces.pairs import paired
from llm_proxy.wire.schema import ChatRequest
from providers.common.legacy_functions import with_tools
from providers.common.unreadable import told_parts

_Json = dict[str, Any]
Reads = Callable[[_Json, str], object]
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
#: What other vendors and libraries call the two who speak.
_OTHER_NAMES = {"model": "assistant", "ai": "assistant", "bot": "assistant", "human": "user"}


def mended(request: ChatRequest, reads: Reads) -> tuple[ChatRequest, tuple[str, ...]]:
    """``request`` with a sound history, and what had to be told as text or in another role. ``reads`` is the dialect's way to
    read a part: it raises ``InvalidRequest`` for one that it cannot take at all. Functions of old are tools then."""
    request = with_tools(request)
    given: list[_Json] = request.sent["messages"]
    messages, named = in_pairs(given)
    if any(map(_thinks_in_parts, messages)):
        messages = [_plain(message) if _thinks_in_parts(message) else message for message in messages]
    if any(type(message.get("content")) is list for message in messages):
        messages, told = told_parts(messages, reads)
        named += told
    if messages is given:
        return request, ()
    return request.but(messages=messages), named


def in_pairs(given: list[_Json]) -> tuple[list[_Json], tuple[str, ...]]:
    """``given`` with calls and results in pairs and in roles that are known, and what was told in another way."""
    named: list[str] = []
    messages = given
    if any(message["role"] not in _ROLES for message in given):
        messages = [_known(message, f"messages.{at}.role", named) for at, message in enumerate(given)]
    messages, told = paired(messages)
    return messages, (*named, *told)


def _is_thought(part: _Json) -> bool:
    """Whether it is a part of Mistral's: thoughts without a signature, in a list of texts."""
    return part["type"] == "thinking" and not part.get("signature")


def _thinks_in_parts(message: _Json) -> bool:
    content = message.get("content")
    return message["role"] == "assistant" and isinstance(content, list) and any(map(_is_thought, content))


def _plain(message: _Json) -> _Json:
    """``message`` with its thoughts in a field of their own."""
    rest = [part for part in message["content"] if not _is_thought(part)]
    found = {**message, "content": rest or None}
    if not (message.get("reasoning_content") or message.get("reasoning")):
        thoughts = (part.get("thinking") for part in message["content"] if _is_thought(part))
        found["reasoning_content"] = "".join(map(_text, thoughts))
    return found


def _text(thinking: Any) -> str:
    """The text of such a part: a text itself, or a list of parts."""
    if isinstance(thinking, list):
        return "".join(_text(part.get("text")) for part in thinking if isinstance(part, dict))
    return thinking if isinstance(thinking, str) else ""


def _known(message: dict[str, Any], path: str, named: list[str]) -> dict[str, Any]:
    """``message`` in a role that the dialects know: somebody else's words are told to the model as the user's."""
    role = message["role"]
    if role in _ROLES:
        return message
    known = _OTHER_NAMES.get(role, "user")
    named.append(f"{path} (sent as {known})")
    return {**message, "role": known}
