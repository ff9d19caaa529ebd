"""The strict door for JSON text: what a client or an operator wrote either is one sound object or is refused.

Laws: RFC 8259 and nothing else. UTF-8 without a byte order mark, no NaN or Infinity, no number that overflows, no
duplicate key, no lone surrogate (it could not be written as UTF-8 again), a bounded depth and number of values. A
refusal names line and column and never a value. Sound text is read by the C parser of the standard library, guarded
by counts of bytes, so that the rules cost a few microseconds for a usual request; only a fault pays for the exact
look of ``json_scan``. No single step holds the interpreter for long, whatever the size: texts of megabytes are read apart
(``long_texts``), all else slice by slice (``json_slices``), and what one object may hold is bounded. This module refuses to know
what the JSON means.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

from llm_proxy.wire.json_scan import MAX_DEPTH, JsonProblem, problem_at, scan, string_fault
from llm_proxy.wire.json_slices import PIECE, Cut, Joined, Slice, beginning, slices
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
#: Members of one object. It is built, judged, copied, written and thrown away in one step each; so many take 3 ms, 50,000 took
#: 20 and more. No honest client has a tenth of it: the widest that there are name each of a tool's fields, or bias some tokens.
MAX_MEMBERS = 16_384

#: Everything up to the first escape that is half of a surrogate pair. Only for text that the parser found sound:
#: there a backslash occurs in strings only, and ``\u`` is followed by four hexadecimal digits.
_PAIRED = re.compile(
    r"(?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F])*+",
    re.DOTALL,
)

_SPACE = re.compile(r"[ \t\n\r]*+")
_PORTION = 256 * 1024
#: How long a pair is at most, in characters.
_PAIR = 12
_BACKSLASH = ord("\\")

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
    if len(data) > 2 * PIECE:
        return _in_slices(data, decoder, most)
    text = decode(data)
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH:
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
        raise problem_at(text, half, _HALF)
    if not isinstance(value, dict):
        raise _no_object(text, value)
    return value


def _no_object(text: str, value: Any) -> JsonProblem:
    return problem_at(text, len(text) - len(text.lstrip()), f"must be an object, not {_KINDS[type(value)]}")


def _in_slices(data: bytes, decoder: json.JSONDecoder, most: int) -> dict[str, Any]:
    # Who may have more values than a request has read a file of ours.
    whole = Joined(unique=True, members=MAX_MEMBERS if most <= MAX_VALUES else most)
    try:
        for piece in slices(data, most):
            whole.add(piece, _read(data, piece, decoder))
        value = whole.value
    except Cut as cut:
        value = cut
    if isinstance(value, dict):
        return value
    del whole
    if not isinstance(value, Cut):
        raise _no_object(decode(data), value)
    message, at, opened, first = value.message, value.at, value.opened, value.first
    del value  # its traceback holds this frame: no ring
    if message is not None:
        raise JsonProblem(message, 1, 1)
    raise _located_from(data, at, opened, first=first) or _located(decode(data))


def _read(data: bytes, piece: Slice, decoder: json.JSONDecoder) -> Any:
    """The value of a slice between its brackets. Raises ``Cut`` or ``JsonProblem``."""
    begun = beginning(piece.opened)
    try:
        text = b"".join((begun, piece.data, piece.behind)).decode()
    except UnicodeDecodeError as error:
        if not piece.exact:
            raise Cut from None
        raise _problem(data, piece.at + error.start - len(begun), _NOT_UTF8) from None
    try:
        value = decoder.decode(text)
        if _BACKSLASH not in piece.data or piece.data.find(b"\\u") < 0 or (half := _half_pair(text)) is None:
            return value
        at, message = half, _HALF
    except json.JSONDecodeError as error:
        at, message = error.pos, _words(text, error)
    except (_Fault, ValueError, RecursionError):
        at, message = -1, ""
    before = len(text[: max(at, 0)].encode()) - len(begun)
    if not piece.exact or not 0 <= before <= len(piece.data):
        raise Cut(None, piece.at, piece.opened, first=piece.first)
    raise _problem(data, piece.at + before, message)


def _located_from(data: bytes, at: int, opened: bytes, *, first: bool) -> JsonProblem | None:
    """The first fault of ``data`` from ``at`` on, where ``opened`` are open, if it is soon."""
    part = data[at : at + _SOON]
    begun = beginning(opened) + (b"" if first else b"0," if opened[-1:] == b"[" else b'"":0,')
    text = (begun + part).decode(errors="replace")
    problems = scan(text, 1).problems
    if not problems:
        return None
    problem = problems[0]
    before = sum(map(len, text.split("\n")[: problem.line - 1])) + problem.line - 1 + problem.column - 1
    own = before - len(begun)
    if own < -1 or (at + len(part) < len(data) and (before >= len(text) or problem.message == _NOT_CLOSED)):
        return None  # that is where the part ends
    # One before it is the comma.
    place = at + own if own < 0 else at + len(text[len(begun) : before].encode())
    return _problem(data, place, problem.message)


_NOT_CLOSED = string_fault("Unterminated")
#: How many bytes are looked at behind a place where something is wrong, before all are.
_SOON = 4 * PIECE


def _problem(data: bytes, at: int, message: str) -> JsonProblem:
    """``message`` at the byte ``at``, counted in portions."""
    line = data.rfind(b"\n", 0, at) + 1
    column = 1 + sum(
        len(data[begin : min(begin + _PORTION, at)].translate(None, _CONTINUED))
        for begin in range(line, at, _PORTION)
    )
    return JsonProblem(message, data.count(b"\n", 0, at) + 1, column)


#: Bytes with which no character begins.
_CONTINUED = bytes(range(0x80, 0xC0))
_NOT_UTF8 = "not valid UTF-8"
_HALF = "half of a surrogate pair is not a character"


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
        raise problem_at(sound, len(sound), _NOT_UTF8) from None
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
