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

from llm_proxy.wire.long_texts import LongTexts, pieces_of
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


#: As deep as a document may be, and what we put around it.
_DEEP = 150
#: What is written in one call, about in bytes: the fast codec takes 1 to 5 ms for so much, whatever it is.
_CALL = 128 * 1024
#: How many entries are weighed at once.
_GROUP = 100


def _grouped(value: Any, levels: int) -> Iterator[bytes]:
    if isinstance(value, str):
        yield from pieces_of(value)
        return
    if not levels or not value or not isinstance(value, dict | list):
        yield dumps(value)
        return
    named = isinstance(value, dict)
    before = b"{" if named else b"["
    for group in _groups(value):
        if _weight(group) <= _CALL:
            yield before + dumps(group)[1:-1]
        else:  # one entry
            for key, item in group.items() if isinstance(group, dict) else enumerate(group):
                yield before + (dumps(key) + b":" if named else b"")
                yield from _grouped(item, levels - 1)
        before = b","
    yield b"}" if named else b"]"


def _groups(value: dict[str, Any] | list[Any]) -> Iterator[dict[str, Any] | list[Any]]:
    """The entries of ``value``, so many at once as are no more than one call, at least one."""
    for some in _parts(value, _GROUP):
        if _weight(some) <= _CALL:
            yield some
        else:
            yield from _parts(some, 1)


def _parts(value: Any, size: int) -> Iterator[dict[str, Any] | list[Any]]:
    if isinstance(value, dict):
        entries = iter(value.items())
        while part := dict(islice(entries, size)):
            yield part
    else:
        for at in range(0, len(value), size):
            yield value[at : at + size]


def _weight(value: dict[str, Any] | list[Any]) -> int:
    """About how many bytes ``value`` is, as JSON; it ends where that is more than one call."""
    total, waiting = 0, [value]
    while waiting and total <= _CALL:
        inner: Any = waiting.pop()
        total += _ENTRY * len(inner)
        if total > _CALL:
            break
        if type(inner) is dict:
            total += sum(map(len, inner))
            inner = inner.values()
        for item in inner:
            kind = type(item)
            if kind is str:
                total += len(item)
            elif kind is dict or kind is list:
                waiting.append(item)
            elif kind is int:
                total += item.bit_length()  # not its digits: they take their square
    return total


#: Quotes, commas, brackets, a short number.
_ENTRY = 4
