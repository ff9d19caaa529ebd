"""A JSON reader that knows where everything stands: used once something is wrong, to say where.

Laws: it accepts exactly what ``strict_json`` accepts. Faults that leave the shape of the text intact (a duplicate key,
an overflow, NaN, half of a surrogate pair) are collected and reading goes on; the first fault of the grammar ends
it. A problem names keys at most, never a value. Slow (about a microsecond for each token) and therefore not for the
path of a sound request.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined]  # undocumented, stable since 2.6
from typing import Any

from llm_proxy.errors import MAX_PROBLEMS

#: Deeper than any real request or configuration, and far from the recursion limit of the parsers.
MAX_DEPTH = 128

#: What is said where one stands; JSON has none (RFC 8259).
NO_COMMENTS = "comments are not allowed"
_COMMENTS = ("//", "/*", "#")

Path = tuple[str | int, ...]

_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"(-?(?:0|[1-9]\d*))(\.\d+)?([eE][-+]?\d+)?", re.ASCII)
_WORD = re.compile(r"-?[A-Za-z]+")
_WORDS = {"true": True, "false": False, "null": None}


class JsonProblem(ValueError):
    """What is wrong with a JSON text, and where. ``line`` and ``column`` count from 1, in characters; ``path`` is the
    member or item concerned, as far as it is known."""

    def __init__(self, message: str, line: int, column: int, path: Path = ()) -> None:
        super().__init__(message, line, column)
        self.message = message
        self.line = line
        self.column = column
        self.path = path

    def __str__(self) -> str:
        return f"{self.message} (line {self.line}, column {self.column})"


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column of ``offset`` in ``text``, both from 1."""
    start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset) + 1, offset - start + 1


def problem_at(text: str, offset: int, message: str) -> JsonProblem:
    """``message`` at ``offset`` of ``text``."""
    return JsonProblem(message, *place(text, offset))


def shown(key: str, limit: int = 60) -> str:
    """``key`` fit for a message: control characters escaped, cut to a sane length."""
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in key[: limit + 1])
    return safe if len(safe) <= limit else safe[:limit] + "..."


@dataclass(slots=True)
class Scan:
    """A text taken apart. ``where`` maps the path of each member to the offsets of its key and of its value (equal
    for items of lists); of a duplicate key the last one counts. ``value`` is None after a fault of the grammar."""

    value: Any = None
    problems: list[JsonProblem] = field(default_factory=list)
    #: How many more there are than the ``MAX_PROBLEMS`` that are located: each costs a look at the text before it.
    more: int = 0
    where: dict[Path, tuple[int, int]] = field(default_factory=dict)


def scan(text: str, most: int = MAX_PROBLEMS) -> Scan:
    """Take ``text`` apart, up to its ``most`` first problems. If only one is asked for it ends there, and no places are noted. Raises
    nothing."""
    scanner = _Scanner(text, most)
    try:
        scanner.document()
    except _Stop:
        pass
    return scanner.result


class _Stop(Exception):
    """The grammar is broken; nothing after this point can be read."""


class _Scanner:
    def __init__(self, text: str, most: int) -> None:
        self.text = text
        self._most = most
        self.at = 0
        self.path: Path = ()
        self.result = Scan()

    def document(self) -> None:
        self.skip_space()
        value = self.value((), 1)
        self.skip_space()
        if self.at < len(self.text):
            raise self.broken("nothing may follow the value")
        self.result.value = value

    def note(self, offset: int, message: str) -> None:
        if len(self.result.problems) < self._most:
            self.result.problems.append(JsonProblem(message, *place(self.text, offset), self.path))
            if self._most == 1:
                raise _Stop
        else:
            self.result.more += 1

    def broken(self, message: str) -> _Stop:
        """The fault of the grammar at the current place, to be raised."""
        if self.text.startswith(_COMMENTS, self.at):
            message = NO_COMMENTS
        self.note(self.at, message if self.at < len(self.text) else "ends too early")
        return _Stop()

    def skip_space(self) -> None:
        self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]

    def next_is(self, mark: str) -> bool:
        return self.text.startswith(mark, self.at)

    def value(self, path: Path, depth: int) -> Any:
        match self.text[self.at : self.at + 1]:
            case "{" | "[" as mark:
                if depth > MAX_DEPTH:
                    raise self.broken(f"nested deeper than {MAX_DEPTH} levels")
                self.at += 1
                return self.members(path, depth) if mark == "{" else self.items(path, depth)
            case '"':
                return self.string()
            case _:
                return self.plain()

    def members(self, path: Path, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.more("}", first=not found):
            start = self.at
            if not self.next_is('"'):
                raise self.broken('a key in double quotes, or "}", is expected')
            key = self.string()
            self.skip_space()
            if not self.next_is(":"):
                # Not named: in a damaged text it may be a value.
                raise self.broken('":" is expected after a key')
            here = self.path = (*path, key)
            if key in found:
                self.note(start, f'duplicate key "{shown(key)}"')
            self.at += 1
            self.skip_space()
            if self._most > 1:  # who asks for one problem asks for no places: they are many times the text
                self.result.where[here] = (start, self.at)
            found[key] = self.value(here, depth + 1)
            self.path = path
        return found

    def items(self, path: Path, depth: int) -> list[Any]:
        found: list[Any] = []
        while self.more("]", first=not found):
            here = self.path = (*path, len(found))
            if self._most > 1:
                self.result.where[here] = (self.at, self.at)
            found.append(self.value(here, depth + 1))
            self.path = path
        return found

    def more(self, end: str, *, first: bool) -> bool:
        """Step over a comma, or over ``end``, and say whether another element follows."""
        self.skip_space()
        if self.next_is(end):
            self.at += 1
            return False
        if first:
            return True
        if not self.next_is(","):
            raise self.broken(f'"," or "{end}" is expected')
        comma = self.at
        self.at += 1
        self.skip_space()
        if self.next_is(end):
            self.at = comma
            raise self.broken(f'no "," may stand before "{end}"')
        return True

    def string(self) -> str:
        start = self.at
        try:
            value, self.at = scanstring(self.text, start + 1, True)
        except json.JSONDecodeError as error:
            self.at = min(error.pos, len(self.text) - 1)
            self.note(self.at, string_fault(error.msg))
            raise _Stop from None
        if "\\" in self.text[start : self.at] and _SURROGATE.search(value):
            self.note(start, "half of a surrogate pair is not a character")
            value = _SURROGATE.sub("?", value)
        return str(value)

    def plain(self) -> Any:
        start = self.at
        if number := _NUMBER.match(self.text, start):
            self.at = number.end()
            return self.number(start, number)
        word = _WORD.match(self.text, start)
        if word is None:
            raise self.broken("a value is expected")
        if word.group() in _WORDS:
            self.at = word.end()
            return _WORDS[word.group()]
        if word.group() in ("NaN", "Infinity", "-Infinity"):
            self.at = word.end()
            self.note(start, "NaN and Infinity are not JSON")
            return 0
        raise self.broken("a value is expected (text stands in double quotes)")

    def number(self, start: int, found: re.Match[str]) -> int | float:
        try:
            if found[2] is None and found[3] is None:
                return int(found[0])
            value = float(found[0])
        except ValueError:
            value = math.inf
        if math.isinf(value):
            self.note(start, "the number is too large")
            return 0
        return value


def string_fault(message: str) -> str:
    """Our words for the three complaints of the standard library's string reader."""
    if message.startswith("Unterminated"):
        return "a string is not closed"
    if message.startswith("Invalid control"):
        return "a control character in a string must be escaped"
    return "not a valid escape sequence"
