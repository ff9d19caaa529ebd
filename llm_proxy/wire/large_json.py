"""JSON of many megabytes, read and written in slices: one call of a fast parser holds the interpreter until it is through, so
that a thread alone does not let others have their turn.

Laws: the same values and the same bytes as the fast codecs give; small texts go to those. What is sliced is the outermost three
levels (an answer, its list, an item of it); what lies deeper is one slice. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from pydantic_core import from_json

from llm_proxy.wire.sse import dumps

#: The fast parser takes some 8 ms for so much.
SLICE = 1024 * 1024
_LEVELS = 3
_SPACE = re.compile(r"[ \t\n\r]*")


def loads(data: bytes) -> Any:
    """The value in ``data``. Raises ``ValueError``."""
    if len(data) <= SLICE:
        return from_json(data, allow_inf_nan=False, cache_strings="keys")
    text = data.decode()
    try:
        value, at = _value(text, _skip(text, 0), _LEVELS)
    except (IndexError, RecursionError) as error:
        raise ValueError("not JSON") from error
    if _skip(text, at) < len(text):
        raise ValueError("not JSON")
    return value


def written(value: Any) -> bytes:
    """``value`` as compact JSON in UTF-8. Raises ``ValueError``."""
    return b"".join(_pieces(value, _LEVELS))


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_constant=_constant).raw_decode


def _skip(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]


def _value(text: str, at: int, levels: int) -> tuple[Any, int]:
    """The value that begins at ``at``, and where it ends."""
    mark = text[at]
    if not levels or mark not in "{[":
        return _decode(text, at)
    found: Any = {} if mark == "{" else []
    end = "}" if mark == "{" else "]"
    at = _skip(text, at + 1)
    if text[at] == end:
        return found, at + 1
    while True:
        if mark == "{":
            if text[at] != '"':
                raise ValueError("not JSON")
            key, at = _decode(text, at)
            at = _skip(text, at)
            if text[at] != ":":
                raise ValueError("not JSON")
            found[key], at = _value(text, _skip(text, at + 1), levels - 1)
        else:
            item, at = _value(text, at, levels - 1)
            found.append(item)
        at = _skip(text, at)
        if text[at] == end:
            return found, at + 1
        if text[at] != ",":
            raise ValueError("not JSON")
        at = _skip(text, at + 1)


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
    else:
        yield dumps(value)
