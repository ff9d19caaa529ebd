"""The strict door for JSON text: what a client or an operator wrote either is one sound object or is refused.

Laws: RFC 8259 and nothing else. UTF-8 without a byte order mark, no NaN or Infinity, no number that overflows, no
duplicate key, no lone surrogate (it could not be written as UTF-8 again), a bounded depth and number of values. A
refusal names line and column and never a value. Sound text is read by the C parser of the standard library, guarded
by counts of bytes, so that the rules cost a few microseconds for a usual request; only a fault pays for the exact
look of ``json_scan``. No single step holds the interpreter for long, whatever the size: texts of megabytes are read apart
(``long_texts``), and what one object may hold is bounded. This module refuses to know what the JSON means.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

from llm_proxy.wire.json_scan import MAX_DEPTH, JsonProblem, problem_at, scan
from llm_proxy.wire.long_texts import LONG, LongTexts, portions

__all__ = [
    "MAX_DEPTH",
    "MAX_MEMBERS",
    "MAX_VALUES",
    "JsonProblem",
    "decode",
    "parse_object",
    "value_at",
    "values",
]

#: Brackets and commas outside strings. Bytes are no measure of cost: 9 MB of ``[]`` take the C parser 0.7 s and
#: 240 MB. The longest honest bodies (histories of thousands of messages, lists of token ids) stay far below.
MAX_VALUES = 500_000
#: Members of one object. It is built, judged, copied, written and thrown away in one step each; 50,000 take 5 to 15 ms.
MAX_MEMBERS = 50_000

#: Everything up to the first escape that is half of a surrogate pair. Only for text that the parser found sound:
#: there a backslash occurs in strings only, and ``\u`` is followed by four hexadecimal digits.
_PAIRED = re.compile(
    r"(?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F])*+",
    re.DOTALL,
)

_SPACE = re.compile(r"[ \t\n\r]*+")
_PORTION = 256 * 1024
#: A body of no more bytes holds no object of ``MAX_MEMBERS`` names.
_SMALL = 5 * MAX_MEMBERS
#: How long a pair is at most, in characters.
_PAIR = 12
_BACKSLASH = ord("\\")

#: Lists and objects that hold no others, and objects of too many members among them.
_INNERMOST = re.compile(rb"\[,*+\]|\{,{0,%d}+\}" % (MAX_MEMBERS - 1))
_WIDE = re.compile(rb"\{,{%d}" % MAX_MEMBERS)
_STRUCTURE = b'[]{},"'
_NOT_STRUCTURE = bytes(set(range(256)) - set(_STRUCTURE))
_ONE_KIND = bytes.maketrans(b"[]", b"{}")


class _Fault(Exception):
    """The fast path saw something that it cannot locate."""


def parse_object(data: bytes, most: int = MAX_VALUES) -> dict[str, Any]:
    """The JSON object in ``data``, of about ``most`` values. Raises ``JsonProblem``, and nothing else whatever the bytes
    are."""
    if len(data) <= LONG:
        return _object(data, _DECODER, most)
    try:
        return _apart(LongTexts(data), most)
    except UnicodeDecodeError:
        return _object(data, _DECODER, most)  # it says where


def _apart(texts: LongTexts, most: int) -> dict[str, Any]:
    found: JsonProblem | None = None
    try:
        value = _object(texts.rest, _decoder(texts), most)
    except JsonProblem as problem:
        found = problem
    try:
        if (found := texts.problem(found)) is not None:
            raise found
    finally:
        del found  # its traceback holds this frame: no ring
    return value


def _object(data: bytes, decoder: json.JSONDecoder, most: int = MAX_VALUES) -> dict[str, Any]:
    text = decode(data)
    if len(data) > _SMALL or data.count(b"{") + data.count(b"[") > MAX_DEPTH:
        _bound(data, text, most)
    try:
        if (
            text[0] == "{"
        ):  # the usual one; the decoder's own way looks for white space on both sides, by patterns
            value, end = decoder.raw_decode(text)
            if end < len(text) and (end := _SPACE.match(text, end).end()) < len(text):  # type: ignore[union-attr]
                raise json.JSONDecodeError("Extra data", text, end)
        else:
            value = decoder.decode(text)
    except json.JSONDecodeError as error:
        raise problem_at(text, error.pos, _words(text, error)) from None
    except (_Fault, ValueError, RecursionError):
        # A duplicate key, NaN or an overflow; an integer beyond sys.get_int_max_str_digits(); unbalanced brackets.
        raise _located(text) from None
    if (
        _BACKSLASH in data
        and (data.find(b"\\ud") >= 0 or data.find(b"\\uD") >= 0)
        and (half := _half_pair(text)) is not None
    ):
        raise problem_at(text, half, "half of a surrogate pair is not a character")
    if not isinstance(value, dict):
        start = len(text) - len(text.lstrip())
        raise problem_at(text, start, f"must be an object, not {_KINDS[type(value)]}")
    return value


def value_at(text: str, at: int, begun: int, depth: int) -> tuple[Any, int]:
    """The value that begins at ``at``, and where it ends: part of a document that is read piece by piece, ``depth`` levels below its top.
    ``begun``: where the piece begins, with its name. Raises ``ValueError`` if it is not surely sound; what is wrong, the whole document tells."""
    try:
        value, end = _SCAN(text, at)
    except (StopIteration, _Fault, RecursionError) as error:
        raise ValueError("unsound") from error
    piece = text[begun:end]
    levels = MAX_DEPTH - depth
    if piece.count("{") + piece.count("[") > levels and _deeper(_structure(piece.encode()), levels):
        raise ValueError("too deep")
    if "\\u" in piece and _half_pair(piece) is not None:
        raise ValueError("half of a surrogate pair")
    return value, end


def values(data: bytes) -> int:
    """About how many values ``data`` holds, by a quick look at each seventh byte, whether it stands in a text or not. Who
    writes so that no comma is seen needs seven bytes for each value at least."""
    return _STRIDE * data[::_STRIDE].count(b",")


_STRIDE = 7


def decode(data: bytes) -> str:
    """The text of ``data``. Raises ``JsonProblem`` if there is none, or if it is not UTF-8 without a byte order mark."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        sound = data[: error.start].decode()
        raise problem_at(sound, len(sound), "not valid UTF-8") from None
    if text.startswith("\ufeff"):
        raise JsonProblem("a byte order mark is not allowed, plain UTF-8 is", 1, 1)
    if not text or text.isspace():
        raise JsonProblem("is empty, must be a JSON object", 1, 1)
    return text


def _half_pair(text: str) -> int | None:
    """Where the first half of a surrogate pair stands alone, if one does."""
    at = 0
    while at < len(text):
        # In portions, between which others have their turn. One ends where a character begins.
        end = min(at + _PORTION, len(text))
        sound = _PAIRED.match(text, at, end)
        at = sound.end() if sound else at
        if at < end - (_PAIR if end < len(text) else 0):
            return at
    return None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Fault
    return found


def _constant(name: str) -> NoReturn:
    raise _Fault


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _Fault
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float)
_SCAN: Callable[[str, int], tuple[Any, int]] = _DECODER.scan_once  # type: ignore[attr-defined]  # public by its name


def _decoder(texts: LongTexts) -> json.JSONDecoder:
    """One that puts ``texts`` where they belong."""

    def number(digits: str) -> float | str:
        text = texts.get(digits)
        return _float(digits) if text is None else text

    return json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=number)


_KINDS = {
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


#: The C parser's texts differ between versions of Python; those not listed here are shown as they are.
_WORDS = {
    "Expecting property name enclosed in double quotes": "a key in double quotes is expected",
    "Expecting ':' delimiter": '":" is expected after a key',
    "Expecting ',' delimiter": '"," or a closing bracket is expected',
    "Expecting value": "a value is expected",
    "Extra data": "nothing may follow the value",
    "Unterminated string starting at": "a string is not closed",
    "Invalid control character at": "a control character in a string must be escaped",
}


def _words(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text):
        return "ends too early"
    return _WORDS.get(error.msg, error.msg[:1].lower() + error.msg[1:])


def _located(text: str) -> JsonProblem:
    """The first fault of ``text``, which has one."""
    found = scan(text, 1).problems
    return found[0] if found else JsonProblem("not acceptable JSON", 1, 1)


def _structure(data: bytes) -> bytes:
    """The brackets and commas of ``data`` that stand outside strings, if it is JSON at all."""
    pieces, inside = [], 0
    for piece in portions(data):
        # In portions, between which others have their turn.
        parts = piece.translate(None, _NOT_STRUCTURE).split(b'"')
        pieces += parts[inside::2]
        inside = (inside + len(parts) - 1) % 2
        pieces = [b"".join(pieces)] if len(pieces) > _PIECES else pieces
    return b"".join(pieces)


#: So many pieces are put together at once.
_PIECES = 100_000


def _bound(data: bytes, text: str, most: int) -> None:
    """Refuse too many values and too much depth before any parser builds them.

    Depth: innermost pairs are taken away, level by level. What cannot be reduced so is unbalanced, and the parser
    will say where.
    """
    structure = _structure(data)
    if len(structure) > most:
        raise JsonProblem(f"holds more than {most} values", 1, 1)
    # Who may have more values than a request has read a file of ours.
    if most <= MAX_VALUES and structure.count(b",") >= MAX_MEMBERS and _wide(structure):
        raise JsonProblem(f"an object holds more than {MAX_MEMBERS} members", 1, 1)
    if _deeper(structure, MAX_DEPTH):
        raise _located(text)


def _deeper(structure: bytes, levels: int) -> bool:
    """Whether brackets stand in each other deeper than that."""
    left = structure.translate(_ONE_KIND, b",")
    for _ in range(levels):
        before = len(left)
        left = left.replace(b"{}", b"")
        if len(left) == before:
            return False
    return bool(left)


def _wide(structure: bytes) -> bool:
    """Whether some object has more than ``MAX_MEMBERS``: the others are taken away, level by level."""
    for _ in range(MAX_DEPTH):
        before = len(structure)
        structure = _INNERMOST.sub(b"", structure)
        if len(structure) == before:
            break
    return _WIDE.search(structure) is not None
