"""A history as the vendors take it that judge it: roles that they know, each call with its result, arguments that are texts.

Laws: a history in order is the same list afterwards; what is not is told as text or put right, and named
(``common.history``). Functions of the days before tools are left alone: they have no ids that could be in order.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.wire.sse import dumps
from providers.common.history import in_pairs

_Json = dict[str, Any]
_Lost = dict[str, None]


def fit_pairs(messages: list[_Json], lost: _Lost) -> list[_Json]:
    """``messages``, sound; what was told in another way is added to ``lost``."""
    if any(message["role"] == "function" or message.get("function_call") for message in messages):
        return messages
    found, named = in_pairs(messages)
    lost.update(dict.fromkeys(named))
    if not any(map(_has_odd_call, found)):
        return found
    return [_with_texts(message) if _has_odd_call(message) else message for message in found]


def _is_odd(call: Any) -> bool:
    """Whether the arguments of a call are no text: some servers write objects, and clients send them back."""
    function = call.get("function") if isinstance(call, dict) else None
    return isinstance(function, dict) and not isinstance(function.get("arguments"), str)


def _has_odd_call(message: _Json) -> bool:
    return any(map(_is_odd, message.get("tool_calls") or ()))


def _with_texts(message: _Json) -> _Json:
    return {**message, "tool_calls": [_written(call) for call in message["tool_calls"]]}


def _written(call: _Json) -> _Json:
    if not _is_odd(call):
        return call
    given = call["function"].get("arguments")
    text = dumps({} if given is None else given).decode()
    return {**call, "function": {**call["function"], "arguments": text}}
