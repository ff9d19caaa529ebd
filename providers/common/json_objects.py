"""Reading the JSON of an upstream that speaks a dialect of its own: soundly, and without trusting its shape.

Laws: whatever the bytes are, the outcome is a value or ``Malformed``; a value that was read can be written again (no
NaN, no infinity, no lone surrogate). Null and absent are the same. This module refuses to know any vendor.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from pydantic_core import from_json

from llm_proxy.wire.long_texts import LONG, LongTexts
from llm_proxy.wire.sse import dumps

#: Too few digits for a number that overflows without an exponent; with many digits a short exponent is enough.
_SHORT = 309
_EXPONENT = re.compile(rb"[0-9][eE]\+?[0-9]")

JsonObject = dict[str, Any]


class Malformed(ValueError):
    """The upstream's JSON is not sound or not of the expected shape; the text says what is wrong and shows no value."""


def loads(data: bytes | str) -> Any:
    """The JSON value in ``data``. Raises ``Malformed``."""
    if type(data) is bytes and len(data) < _SHORT and not _EXPONENT.search(data):
        # A token, and no number in it can overflow: read at a third of the cost, and otherwise as strictly.
        try:
            return from_json(data, allow_inf_nan=False, cache_strings="keys")
        except ValueError as error:
            raise Malformed("not valid JSON") from error
    if type(data) is bytes and len(data) > LONG:
        return _loads_long(data)
    try:
        document = data if isinstance(data, str) else data.decode()
    except ValueError as error:
        raise Malformed("not valid JSON") from error
    return _decoded(document, _DECODER)


def _decoded(document: str, decoder: json.JSONDecoder) -> Any:
    try:
        value = decoder.decode(document)
        if "\\ud" in document or "\\uD" in document:
            # Half of a surrogate pair is legal in JSON's grammar, but no text: it could not be written as UTF-8.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Malformed("not valid JSON") from error
    return value


def _loads_long(data: bytes) -> Any:
    """The same for what may hold texts of megabytes."""
    try:
        texts = LongTexts(data)
        sound = texts.problem(None) is None
        document = texts.rest.decode()
    except ValueError as error:
        raise Malformed("not valid JSON") from error
    if not sound:
        raise Malformed("not valid JSON")

    def number(digits: str) -> float | str:
        text = texts.get(digits)
        return _finite(digits) if text is None else text

    return _decoded(document, json.JSONDecoder(parse_constant=_no_constant, parse_float=number))


def loads_object(data: bytes | str) -> JsonObject:
    """The JSON object in ``data``. Raises ``Malformed``."""
    value = loads(data)
    if not isinstance(value, dict):
        raise Malformed("not a JSON object")
    return value


def obj(parent: Mapping[str, Any], key: str) -> JsonObject:
    """The object at ``key``; empty if absent. Raises ``Malformed`` if it is something else."""
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed(f"'{key}' is not an object")
    return value


def objects(parent: Mapping[str, Any], key: str) -> list[JsonObject]:
    """The list of objects at ``key``; empty if absent. Raises ``Malformed`` if it is something else."""
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Malformed(f"'{key}' is not a list of objects")
    return value


def text(parent: Mapping[str, Any], key: str) -> str:
    """The text at ``key``; empty if absent. Raises ``Malformed`` if it is something else."""
    value = parent.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed(f"'{key}' is not a string")
    return value


def name(parent: Mapping[str, Any], key: str) -> str:
    """The text at ``key``, where a number is taken for one; empty if absent. Raises ``Malformed`` if it is something else."""
    value = parent.get(key)
    return str(value) if type(value) in (int, float) else text(parent, key)


def json_text(parent: Mapping[str, Any], key: str) -> str:
    """What stands at ``key`` as a JSON text, which it may be already; an empty object if absent. Raises ``Malformed``."""
    value = parent.get(key)
    if isinstance(value, str):
        return value if value.strip() else "{}"
    return dumps({} if value is None else value).decode()


def integer(parent: Mapping[str, Any], key: str) -> int:
    """The integer at ``key``; 0 if absent. Counts come as 3.0 too, from gateways whose JSON has no integers.
    Raises ``Malformed`` if it is something else."""
    value = parent.get(key)
    if value is None:
        return 0
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Malformed(f"'{key}' is not an integer")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
