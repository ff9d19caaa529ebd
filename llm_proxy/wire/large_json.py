"""JSON of many megabytes, read and written in slices: one call of a fast parser holds the interpreter until it is through, so
that a thread alone does not let others have their turn.

Laws: the same values and the same bytes as the fast codecs give; small texts go to those. What is sliced is the outermost three
levels (an answer, its list, an item of it); what lies deeper is one slice, but for texts of megabytes wherever they are.
``encoded`` is for whoever may write little as well as much: it goes by what the thread is at (``much``). Pure.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, NoReturn

from pydantic_core import from_json

from llm_proxy.wire.long_texts import LONG, LongTexts, pieces_of
from llm_proxy.wire.sse import dumps

#: The fast parser takes some 8 ms for so much.
SLICE = 1024 * 1024
_LEVELS = 3
_SPACE = re.compile(r"[ \t\n\r]*")


def loads(data: bytes) -> Any:
    """The value in ``data``. Raises ``ValueError``."""
    if len(data) <= SLICE:
        return from_json(data, allow_inf_nan=False, cache_strings="keys")
    texts = LongTexts(data)
    if texts.problem(None) is not None:
        raise ValueError("not JSON")

    def number(digits: str) -> float | str:
        found = texts.get(digits)
        return float(digits) if found is None else found

    text = texts.rest.decode()
    try:
        value, at = _Reader(text, number).value(_skip(text, 0), _LEVELS)
    except (IndexError, RecursionError) as error:
        raise ValueError("not JSON") from error
    if _skip(text, at) < len(text):
        raise ValueError("not JSON")
    return value


def written(value: Any) -> bytes:
    """``value`` as compact JSON in UTF-8. Raises ``ValueError``."""
    return b"".join(_pieces(value, _LEVELS))


class _Thread(threading.local):
    much = False


_thread = _Thread()


@contextmanager
def much() -> Iterator[None]:
    """What this thread writes meanwhile may be megabytes, and others wait for their turn."""
    _thread.much = True
    try:
        yield
    finally:
        _thread.much = False


def encoded(value: Any) -> bytes:
    """``dumps``, in slices where that may be much. Raises ``ValueError``."""
    return b"".join(_grouped(value, _DEEP)) if _thread.much else dumps(value)


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _skip(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]


class _Reader:
    def __init__(self, text: str, number: Callable[[str], float | str]) -> None:
        self._text = text
        self._decode = json.JSONDecoder(parse_constant=_constant, parse_float=number).raw_decode

    def value(self, at: int, levels: int) -> tuple[Any, int]:
        """The value that begins at ``at``, and where it ends."""
        text = self._text
        mark = text[at]
        if not levels or mark not in "{[":
            return self._decode(text, at)
        found: Any = {} if mark == "{" else []
        end = "}" if mark == "{" else "]"
        at = _skip(text, at + 1)
        if text[at] == end:
            return found, at + 1
        while True:
            if mark == "{":
                key, at = self._key(at)
                found[key], at = self.value(at, levels - 1)
            else:
                item, at = self.value(at, levels - 1)
                found.append(item)
            at = _skip(text, at)
            if text[at] == end:
                return found, at + 1
            if text[at] != ",":
                raise ValueError("not JSON")
            at = _skip(text, at + 1)

    def _key(self, at: int) -> tuple[Any, int]:
        """The key at ``at``, and where its value begins."""
        if self._text[at] != '"':
            raise ValueError("not JSON")
        key, at = self._decode(self._text, at)
        at = _skip(self._text, at)
        if self._text[at] != ":":
            raise ValueError("not JSON")
        return key, _skip(self._text, at + 1)


def _pieces(value: Any, levels: int) -> Iterator[bytes]:
    if levels and isinstance(value, dict) and value:
        before = b"{"
        for key, item in value.items():
            yield before + dumps(key) + b":"
            yield from _pieces(item, levels - 1)
            before = b","
        yield b"}"
    elif levels and isinstance(value, list) and value and isinstance(value[0], dict | list):
        before = b"["
        for item in value:
            yield before
            yield from _pieces(item, levels - 1)
            before = b","
        yield b"]"
    elif isinstance(value, str):
        yield from pieces_of(value)
    else:
        yield dumps(value)


#: How deep texts of megabytes are looked for: a part of a message's content is six levels down.
_DEEP = 10
#: How many entries without such texts are written at once.
_GROUP = 100


def _grouped(value: Any, levels: int) -> Iterator[bytes]:
    if isinstance(value, str):
        yield from pieces_of(value)
        return
    if not levels or not value or not isinstance(value, dict | list):
        yield dumps(value)
        return
    named = isinstance(value, dict)
    entries: Iterator[Any] = iter(value.items() if isinstance(value, dict) else value)
    before = b"{" if named else b"["
    while group := list(islice(entries, _GROUP)):
        light = all(_light(entry[1] if named else entry, levels) for entry in group)
        if light:
            yield before + dumps(dict(group) if named else group)[1:-1]
        else:
            for entry in group:
                yield before + (dumps(entry[0]) + b":" if named else b"")
                yield from _grouped(entry[1] if named else entry, levels - 1)
                before = b","
        before = b","
    yield b"}" if named else b"]"


def _light(value: Any, levels: int) -> bool:
    """Whether no text of megabytes is in it, and not very many values."""
    if isinstance(value, str):
        return len(value) <= LONG
    if not isinstance(value, dict | list):
        return True
    if len(value) > _GROUP * 100:
        return False
    inner = value.values() if isinstance(value, dict) else value
    return not levels or {*map(type, inner)} <= _PLAIN or all(_light(item, levels - 1) for item in inner)


_PLAIN = {int, float, bool, type(None)}
