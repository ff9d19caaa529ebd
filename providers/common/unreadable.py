"""Parts of a history that the model which goes on with it cannot read: a PDF, a sound, a picture by its address.

Laws: what another model has answered already, and what a tool returned, is told in a few words, and named: a conversation
must not end for ever because its next model has no eyes for an old part of it. What the user shows now is refused, so that
it is known that nobody saw it (``reads`` raises again). Texts are never looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_proxy.errors import InvalidRequest
from llm_proxy.faces.addresses import in_words

_Json = dict[str, Any]
_Reads = Callable[[_Json, str], object]
_TEXTS = ("text", "refusal", "thinking")


def told_parts(messages: list[_Json], reads: _Reads) -> tuple[list[_Json], tuple[str, ...]]:
    """``messages`` with such parts in words, and their names; the same list if there are none."""
    last = max((at for at, message in enumerate(messages) if message["role"] == "assistant"), default=-1)
    named: list[str] = []
    found = [
        _message(message, at, reads, named)
        if type(message.get("content")) is list and (at <= last or message["role"] == "tool")
        else message
        for at, message in enumerate(messages)
    ]
    return (found, tuple(named)) if named else (messages, ())


def _message(message: _Json, at: int, reads: _Reads, named: list[str]) -> _Json:
    content: list[_Json] = []
    for number, part in enumerate(message["content"]):
        path = f"messages.{at}.content.{number}"
        if part["type"] not in _TEXTS and not _is_read(part, path, reads):
            named.append(f"{path} (told as text)")
            part = in_words(part)
        content.append(part)
    return {**message, "content": content}


def _is_read(part: _Json, path: str, reads: _Reads) -> bool:
    try:
        reads(part, path)
    except InvalidRequest:
        return False
    return True
