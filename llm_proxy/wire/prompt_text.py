"""The text that a request's prompt begins with, in the order in which a model reads it, in any dialect.

Laws: only as much is read as is asked for, whatever the size of the request; data of pictures and the like is passed over by
its length. Nothing is judged: what has another form than the dialects' says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

#: Where instructions, tools and turns stand, in the dialects of OpenAI, Anthropic, Ollama and Gemini.
_BEFORE = ("system", "instructions", "systemInstruction", "system_instruction", "tools", "functions")
_ANY_BEFORE = frozenset(_BEFORE)
_TURNS = ("messages", "input", "contents", "prompt")
#: Fields that change from call to call without being read by the model, or that hold data.
_PASSED_OVER = frozenset({"id", "data", "url", "image_url", "cache_control", "encrypted_content", "status"})
_DEEPEST = 12


class Opening(NamedTuple):
    """``text`` as far as it was asked for; its ``first`` characters are those up to the end of the first user's turn."""

    text: str
    first: int


def opening_of(body: Mapping[str, Any], most: int) -> Opening | None:
    """The first ``most`` characters of the prompt in ``body``; None if there is none."""
    pieces: list[str] = []
    room = most
    first = 0
    for part, turn in _parts(body):
        room = _take(part, pieces, room, 0)
        if turn and not first:
            first = most - room
        if room <= 0:
            break
    text = "".join(pieces)
    return Opening(text, first or len(text)) if text else None


def _parts(body: Mapping[str, Any]) -> Iterator[tuple[Any, bool]]:
    """What the prompt is made of, and whether it is a user's turn."""
    if not _ANY_BEFORE.isdisjoint(body):
        for name in _BEFORE:
            if name in body:
                yield body[name], False
    for name in _TURNS:
        turns = body.get(name)
        if isinstance(turns, str):
            # One that grows from call to call begins as the first did.
            yield turns[:1024], True
            yield turns[1024:], False
        elif isinstance(turns, list):
            for turn in turns:
                yield turn, not isinstance(turn, dict) or turn.get("role", "user") == "user"


def _take(value: Any, pieces: list[str], room: int, depth: int) -> int:
    """The texts in ``value``, as far as there is room; how much is left."""
    if isinstance(value, str):
        pieces.append(value[:room])
        return room - len(pieces[-1])
    if depth > _DEEPEST:
        return room
    if isinstance(value, dict):
        for name, item in value.items():
            if room <= 0:
                break
            if name in _PASSED_OVER:
                continue
            if type(item) is str:  # as most are: the same without a call
                pieces.append(item[:room])
                room -= len(pieces[-1])
            else:
                room = _take(item, pieces, room, depth + 1)
    elif isinstance(value, list):
        for item in value:
            if room <= 0:
                break
            room = _take(item, pieces, room, depth + 1)
    return room
