"""The model's name in an answer that is relayed: the one that was asked for, whatever its upstream calls the model.

Clients compare them: Claude Code throws the thoughts of any other model away, AutoGen warns at each call. Only these few
bytes are changed; the upstream's name stands in the header ``X-LLM-Model``.

Laws: an answer that names the model as it was asked for, or not at all, stays as it is, and so does every byte that is
not the name. Which bytes these are is proven, not guessed. Without ``\\u`` in a JSON text a key that was read as ``model``
is spelled ``"model"`` there, so that a single one is the key; where there are several, or such escapes, the text is read
again after the change. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from pydantic_core import from_json

from llm_proxy.wire.large_json import encoded, loads
from llm_proxy.wire.sse import SSEEvent, dumps, sse_event

_KEY = b'"model"'
#: A byte is looked for by its number: for bytes Python first makes an error and drops it, ten times the work.
_BACKSLASH, _CR, _LF = b"\\\r\n"
_VALUE = re.compile(rb'"model"\s*+:\s*+("(?:[^"\\]++|\\.)*+")')
#: How many places are tried; an answer with more is written anew.
_TRIES = 8


def differs(value: Any, asked: str, *path: str) -> bool:
    """Whether the object at ``path`` of ``value`` names another model than ``asked``."""
    told = _named(value, path)
    return bool(told) and told != asked


def renamed(text: bytes, value: Any, asked: str, *path: str) -> bytes:
    """``text``, which was read as ``value``, with ``asked`` as the model's name in the object at ``path``."""
    told = _named(value, path)
    if not told or not asked or told == asked:
        return text
    only = (_BACKSLASH not in text or text.find(b"\\u") < 0) and text.count(_KEY) == 1
    at = text.find(_KEY)  # which is quicker than to let the pattern find it
    if only and (member := _VALUE.match(text, at)) is not None:
        start, end = member.span(1)
        return text[:start] + quoted(asked).encode() + text[end:]
    for number, found in enumerate(_VALUE.finditer(text, at) if at >= 0 else ()):
        if number == _TRIES:
            break
        start, end = found.span(1)
        made = text[:start] + quoted(asked).encode() + text[end:]
        if only or _reads(made, asked, path):
            return made
    try:
        return encoded(_with_name(value, asked, path))
    except ValueError:  # 1e999 is legal, and is read as infinity, which is not
        return text


def renamed_event(event: SSEEvent, value: Any, asked: str, *path: str) -> bytes:
    """The bytes of ``event``, whose data were read as ``value``, with that name; see ``renamed``."""
    data = event.data or b""
    made = renamed(data, value, asked, *path)
    if made == data:
        return event.raw
    if event.raw.count(data) == 1:
        return event.raw.replace(data, made)
    # Data in several lines, which nobody writes: the event is written anew.
    name = event.name.decode("latin-1")
    return sse_event(name, from_json(made)) if name else b"data: " + dumps(from_json(made)) + b"\n\n"


class Retold:
    """The events of one stream of OpenAI's chat or completions with the name that was asked for.

    Tokens are alike but for their text (``StreamDecoder.usual``): once an event with another name was seen, the usual
    token costs no more than to look for these bytes in it.
    """

    __slots__ = ("_asked", "_end", "_new", "_old", "_start", "_told")

    def __init__(self, asked: str) -> None:
        self._asked = asked
        #: The member as it stands in each event so far, and in its place; empty if they are not alike.
        self._old: bytes | None = None
        self._new = b""
        #: The name in it.
        self._told = ""
        #: Where it stood in the newest event that came alone.
        self._start = self._end = 0

    def event(self, value: Mapping[str, Any], raw: bytes) -> bytes:
        """``raw``, an event whose data were decoded to ``value``; it must be asked about each that is no usual token."""
        if self._old and value.get("model") == self._told and _BACKSLASH not in raw and raw.count(_KEY) == 1:
            # Without an escape no text holds a quotation mark: what reads like the member is the member, as it was before.
            made = raw.replace(self._old, self._new)
            if made is not raw:
                return made
        start, end = raw.find(b"{"), raw.rfind(b"}") + 1
        text = raw[start:end]
        if not differs(value, self._asked):
            count = text.count(_KEY)
            if count > 1 or (count and value.get("model") is None):
                self._old = b""  # it would be another one than the model's name
            return raw
        made = renamed(text, value, self._asked)
        self._learn(text, value["model"])
        if _LF in text or _CR in text:  # data in several lines, which nobody writes
            return b"data: %b\n\n" % dumps(from_json(made))
        return raw[:start] + made + raw[end:]

    def tokens(self, data: bytes, count: int) -> bytes:
        """``data`` of ``count`` events, all of them alike but for their texts, which have neither quotes nor escapes, and
        like one that ``event`` was asked about. Empty if that is not enough to know what to change.

        A text without quotes can neither be nor complete the member, and each event has it as often as the others."""
        old = self._old
        if not old or _BACKSLASH in data:
            return b""
        if count == 1 and data.startswith(old, self._start):
            return data[: self._start] + self._new + data[self._end :]
        made = data.replace(old, self._new)
        grown = len(self._new) - len(old)
        once = len(made) - len(data) == count * grown if grown else data.count(old) == count
        if not once:
            return b""
        if count == 1:
            self._start = data.find(old)
            self._end = self._start + len(old)
        return made

    def head(self, before: bytes, after: bytes) -> bytes | None:
        """What stands before the text of an event, retold, if the name is there and nowhere else: then that is what ``tokens``
        would change in each. None if that is not known."""
        old = self._old
        if not old or _BACKSLASH in before or _BACKSLASH in after:
            return None
        return (
            before.replace(old, self._new) if (before + after).count(old) == before.count(old) == 1 else None
        )

    def _learn(self, text: bytes, told: str) -> None:
        if text.count(_KEY) != 1:
            self._old = b""
            return
        if text.find(b"\\u") >= 0:
            return  # ``tokens`` takes no escapes either, and a text with one is no usual token
        found = _VALUE.search(text)
        old = found.group() if found else b""
        if found and self._old is None:
            self._old, self._told = old, told
            self._new = old[: found.start(1) - found.start()] + quoted(self._asked).encode()
        elif self._old != old:
            self._old = b""


def _named(value: Any, path: tuple[str, ...]) -> str | None:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    told = value.get("model") if isinstance(value, dict) else None
    return told if type(told) is str else None


def _reads(text: bytes, asked: str, path: tuple[str, ...]) -> bool:
    try:
        return _named(loads(text), path) == asked
    except ValueError:
        return False


def _with_name(value: Any, asked: str, path: tuple[str, ...]) -> Any:
    if not path:
        return {**value, "model": asked}
    return {**value, path[0]: _with_name(value[path[0]], asked, path[1:])}
