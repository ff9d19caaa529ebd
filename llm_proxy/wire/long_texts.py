"""JSON with texts of megabytes in it (pictures, documents), read and written in portions: one call of a fast codec holds the
interpreter until it is through, and nobody else has a turn meanwhile, whatever thread it is in.

For reading, each long text is taken out of the document and read by itself; a number stands in for it, which no client can
guess, and the parser puts the text where that number was. A process of its own would not help: its result has to be read
here again, by one such call.

Laws: what comes out are the same values, the same bytes and the same faults at the same places as without. Documents that are
broken may be taken apart in the wrong place only behind their first fault. Pure.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]  # undocumented, stable since 2.6

from llm_proxy.wire.json_scan import JsonProblem, string_fault
from llm_proxy.wire.sse import dumps

#: Texts of so many bytes are long ones: two portions, so that a long one holds a portion without a quote.
LONG = 512 * 1024
PORTION = LONG // 2

#: Characters of an escape, and of a pair of halves.
_ESCAPE, _PAIR = 6, 12
_BACKSLASH = ord("\\")
_HALF = re.compile(rb"\\u[0-9a-fA-F]{4}")
_CONTROL = re.compile(r"[\x00-\x1f]")
#: All of a text that ends neither within an escape nor between the halves of a surrogate pair.
_WHOLE = re.compile(
    rb"(?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*+",
    re.DOTALL,
)
#: What numbers that stand for something begin with, in this process.
_MARK = f"0.{secrets.randbelow(10**30):030}"


def portions(data: bytes, size: int = 0) -> Iterator[bytes]:
    """``data`` in portions of about ``size`` bytes, none of which ends between a backslash and what it escapes; in each of them escaped quotes and
    backslashes are blotted out, so that every quote left is one that begins or ends a text."""
    at, size = 0, size or PORTION
    while at < len(data):
        end = at + size
        piece = data[at:end]
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2:
            end += 1
            piece = data[at:end]
        if _BACKSLASH in piece:
            piece = piece.replace(b"\\\\", b"__").replace(b'\\"', b"__")
        yield piece
        at = end


@dataclass(frozen=True, slots=True)
class _Text:
    """``value``: what it says; ``start``, ``end``: where it stands in the document, quotes included; ``length``: its characters
    there; ``fault``: what is wrong with it, and at which of its characters."""

    value: str
    start: int
    end: int
    length: int
    fault: tuple[int, str] | None


class LongTexts:
    """The long texts of ``data``; ``rest``: the document with numbers in their places. Raises ``UnicodeDecodeError`` (of some
    part of it)."""

    def __init__(self, data: bytes) -> None:
        self._texts = {f"{_MARK}{n:06}": _read(data, *span) for n, span in enumerate(_spans(data))}
        self._data = data
        pieces, at = [], 0
        for name, text in self._texts.items():
            pieces += [data[at : text.start], b" %b " % name.encode()]  # apart from what stands beside it
            at = text.end
        self.rest = b"".join([*pieces, data[at:]]) if pieces else data

    def get(self, number: str) -> str | None:
        """The text that ``number`` stands for."""
        text = self._texts.get(number)
        return text.value if text is not None else None

    def problem(self, found: JsonProblem | None) -> JsonProblem | None:
        """The first fault of the document: one of a long text, or ``found`` in the rest."""
        faults = (text for text in self._texts.values() if text.fault is not None)
        first = next((self._located(text) for text in faults), None)
        if found is None:
            return first
        here = self._shifted(found)
        return here if first is None or (here.line, here.column) < (first.line, first.column) else first

    def _located(self, text: _Text) -> JsonProblem:
        at, message = text.fault or (0, "")
        begin = self._data.rfind(b"\n", 0, text.start) + 1
        before = len(self._data[begin : text.start].decode())
        return JsonProblem(message, self._data.count(b"\n", 0, text.start) + 1, before + 2 + at)

    def _shifted(self, found: JsonProblem) -> JsonProblem:
        """``found`` where it is in the document: numbers before it in its line stand for more."""
        if not self._texts:
            return found
        rest = self.rest.decode()
        begin = _line(rest, found.line)
        end, column, message = begin + found.column - 1, found.column, found.message
        for name, text in self._texts.items():
            at = rest.find(name, begin, end + len(name))
            if 0 <= at < end:
                column += text.length - len(name)
            elif at == end:
                column -= 1  # the blank before it
                if found.message == _KEY_EXPECTED:
                    message = f"a key must not be longer than {LONG} bytes"
        return JsonProblem(message, found.line, column, found.path)


#: What a parser says of a number where a key should be.
_KEY_EXPECTED = "a key in double quotes is expected"


def _line(text: str, number: int) -> int:
    """Where the line of that number begins; they may be millions."""
    at, left = 0, number - 1
    while left and (lines := text.count("\n", at, at + _STEP)) < left:
        at, left = at + _STEP, left - lines
    for _ in range(left):
        at = text.index("\n", at) + 1
    return at


_STEP = 16 * 1024


def _spans(data: bytes) -> Iterator[tuple[int, int]]:
    """Where texts of ``LONG`` bytes and more stand, quotes included."""
    at, opened = 0, -1
    for piece in portions(data):
        first = piece.find(b'"')
        if first >= 0:
            odd = piece.count(b'"') % 2 == 1
            if opened >= 0 and at + first - opened > LONG:
                yield opened, at + first + 1
            if odd == (opened < 0):
                opened = at + piece.rfind(b'"')
            else:
                opened = -1
        at += len(piece)


def _read(data: bytes, start: int, end: int) -> _Text:
    """The text between the quotes at ``start`` and before ``end``."""
    pieces, length, at, last = [], 0, start + 1, end - 1
    fault: tuple[int, str] | None = None
    while at < last and fault is None:
        source, cut = _portion(data, at, last)
        try:
            pieces.append(_unescaped(source))
        except json.JSONDecodeError as error:
            fault = length + error.pos, string_fault(error.msg)
        length += len(source)
        if fault is None and cut == at:
            fault = length, "half of a surrogate pair is not a character"
        at = cut
    return _Text("".join(pieces), start, end, length, fault)


def _portion(data: bytes, at: int, last: int) -> tuple[str, int]:
    """Characters from ``at`` on that are whole, and where they end; none if no whole one follows."""
    end = min(at + PORTION, last)
    while end < last and data[end] & 0xC0 == 0x80:
        end -= 1
    piece = data[at:end]
    if _BACKSLASH not in piece:
        return piece.decode(), end
    whole = _WHOLE.match(piece)
    cut = at + whole.end() if whole else at
    if cut < end - (_PAIR if end < last else 0) and not _HALF.match(data, cut):
        shown = min(cut + _ESCAPE, last)  # it is no escape: as much as shows it
        return data[at:shown].decode(errors="replace"), shown
    return data[at:cut].decode(), cut


def _unescaped(source: str) -> str:
    """What ``source`` says. Raises ``JSONDecodeError``."""
    if "\\" not in source:
        if found := _CONTROL.search(source):
            raise json.JSONDecodeError("Invalid control character at", source, found.start())
        return source
    value, _ = scanstring(source + '"', 0, True)
    return str(value)


def pieces_of(text: str) -> Iterator[bytes]:
    """``text`` as JSON."""
    if len(text) <= LONG:
        yield dumps(text)
        return
    yield b'"'
    for at in range(0, len(text), PORTION):
        yield dumps(text[at : at + PORTION])[1:-1]
    yield b'"'
