"""A chat request whose history every vendor takes: calls and results in pairs, roles that the dialects know.

Laws: what is not sound is told as text or put right, and named; a request that needs nothing is given back as the same
object. OpenAI's own servers judge such histories themselves.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.faces.pairs import paired
from llm_proxy.wire.schema import ChatRequest

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
#: What other vendors and libraries call the two who speak.
_OTHER_NAMES = {"model": "assistant", "ai": "assistant", "bot": "assistant", "human": "user"}


def mended(request: ChatRequest) -> tuple[ChatRequest, tuple[str, ...]]:
    """``request`` with a sound history, and what had to be told as text or in another role."""
    given: list[dict[str, Any]] = request.sent["messages"]
    named: list[str] = []
    messages = given
    if any(message["role"] not in _ROLES for message in given):
        messages = [_known(message, f"messages.{at}.role", named) for at, message in enumerate(given)]
    messages, told = paired(messages)
    if messages is given:
        return request, ()
    return request.but(messages=messages), (*named, *told)


def _known(message: dict[str, Any], path: str, named: list[str]) -> dict[str, Any]:
    """``message`` in a role that the dialects know: somebody else's words are told to the model as the user's."""
    role = message["role"]
    if role in _ROLES:
        return message
    known = _OTHER_NAMES.get(role, "user")
    named.append(f"{path} (sent as {known})")
    return {**message, "role": known}
