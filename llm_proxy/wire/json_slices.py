"""Where a large JSON text may be cut, and how values that were read slice by slice become one again.

One call of the C parser holds the interpreter until it is through, and nobody else has a turn meanwhile, whatever thread it is in.
So a text is cut behind commas and opening brackets, about every ``PIECE`` bytes; each slice becomes a text of its own by the
brackets that are open before and behind it, is read by itself, and what it holds is put where it belongs.

Laws: the same values as if it had been read at once, and whatever is refused then is refused: ``Cut`` says what is wrong with
the shape, or that it cannot be told from here. Pure; each step costs what a piece of the text costs.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, NamedTuple

from llm_proxy.wire.json_scan import MAX_DEPTH
from llm_proxy.wire.long_texts import portions

#: The parser takes 1 to 5 ms for so much, whatever it is: 66 ns a byte for empty lists, 19 for numbers of 4,300 digits.
PIECE = 64 * 1024

#: Digits of a number that fill a piece.
_LONGEST = PIECE // 2
_SPACE = b" \t\n\r"
#: What numbers are made of, and what stands between them.
_NUMBER = b"0123456789+-.eE" + _SPACE
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NOT_STRUCTURE = bytes(set(range(256)) - set(b"[]{},"))
_OPEN, _CLOSED = b"[{", b"]}"
_CLOSING = bytes.maketrans(_OPEN, _CLOSED)
_ONE_KIND = bytes.maketrans(b"[]", b"{}")
_BRACE = ord("{")
#: The name of what stands before a slice, in an object: nobody can guess it.
_BEFORE = secrets.token_hex(16)
_NAMED = b'{"%b":' % _BEFORE.encode()


class Cut(ValueError):
    """The text is not sound. ``message``: why, or None if that is for somebody to find out who looks at each character: from
    ``at`` on, where the brackets ``opened`` are open; ``first``: and nothing stands behind the last of them."""

    def __init__(
        self, message: str | None = None, at: int = 0, opened: bytes = b"", *, first: bool = True
    ) -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.opened = opened
        self.first = first


class Slice(NamedTuple):
    """``data``: the bytes from ``at`` on, perhaps with less white space (then ``exact`` is false). ``opened``: the brackets that are
    open before it, ``left``: those that are open behind it, of which the first ``kept`` are the same. ``first``: whether the
    last of ``opened`` holds nothing yet."""

    data: bytes
    at: int
    exact: bool
    opened: bytes
    left: bytes
    kept: int
    first: bool

    @property
    def behind(self) -> bytes:
        """What makes it a text of its own, behind it; before it stands ``beginning``."""
        return self.left[::-1].translate(_CLOSING)


def beginning(opened: bytes) -> bytes:
    """A text in which these brackets are open."""
    return b"".join(_NAMED if mark == _BRACE else b"[" for mark in opened[:-1]) + opened[-1:]


def slices(data: bytes, most: int) -> Iterator[Slice]:
    """``data`` in slices. Raises ``Cut``, also if it holds more than ``most`` brackets and commas outside texts."""
    opened, first, inside, values, at, begun, exact = b"", True, 0, 0, 0, 0, True
    #: What has come of the next slice: its bytes, and the brackets in it.
    pieces: list[bytes] = []
    brackets: list[bytes] = []
    for blotted in portions(data, PIECE):
        piece = data[at : at + len(blotted)]
        parts = blotted.split(b'"')
        outside = parts[inside::2]
        if len(parts) == 1 and not inside and not piece.strip(_NUMBER):
            # Nothing but white space, or digits.
            digits = len(piece.strip(_SPACE))
            if digits > _LONGEST:
                raise Cut("a number is too long")
            if not digits:
                piece, exact = b" ", False
        cut, number, end = _last_cut(parts, inside, len(blotted))
        inside = (inside + len(parts) - 1) % 2
        structure = b"".join(outside).translate(None, _NOT_STRUCTURE)
        values += len(structure)
        if values > most:
            raise Cut(f"holds more than {most} values")
        here = structure.translate(None, b",")
        if cut:
            ends = piece[cut - 1 : cut] == b","
            pieces.append(piece[: cut - ends])
            before = b"".join([*outside[:number], outside[number][:end]]).translate(None, _NOT_BRACKETS)
            brackets.append(before)
            found = _slice(b"".join(pieces), begun, exact, opened, b"".join(brackets), first)
            if not found.left or (ends and found.data.rstrip(_SPACE)[-1:] in (b"", b"[", b"{")):
                raise Cut(None, begun, opened, first=first)
            yield found
            opened, first = found.left, not ends
            begun, exact = at + cut, True
            pieces, brackets = [piece[cut:]], [here[len(before) :]]
        else:
            pieces.append(piece)
            brackets.append(here)
        at += len(blotted)
    last = _slice(b"".join(pieces), begun, exact, opened, b"".join(brackets), first)
    if last.left or inside:
        raise Cut(None, begun, opened, first=first)
    yield last


def _last_cut(parts: list[bytes], inside: int, size: int) -> tuple[int, int, int]:
    """How much may be cut off: up to the last comma or opening bracket that stands outside texts, in which of the parts outside
    that is, and where it ends there. Nothing: zeros."""
    end = size
    for number in range(len(parts) - 1, -1, -1):
        part = parts[number]
        end -= len(part)
        if number % 2 == inside:
            found = max(part.rfind(b","), part.rfind(b"["), part.rfind(b"{")) + 1
            if found:
                return end + found, (number - inside) // 2, found
        end -= 1
    return 0, 0, 0


def _slice(data: bytes, at: int, exact: bool, opened: bytes, brackets: bytes, first: bool) -> Slice:
    left, before = brackets, -1
    for _ in range(MAX_DEPTH + 1):  # pairs that hold nothing are taken away, level by level
        if len(left) == before:
            break
        before = len(left)
        left = left.replace(b"[]", b"").replace(b"{}", b"")
    new = left.lstrip(_CLOSED)
    ended = left[: len(left) - len(new)]
    kept = len(opened) - len(ended)
    now = opened[: max(kept, 0)] + new
    if (
        kept < 0
        or new.strip(_OPEN)
        or opened[kept:][::-1].translate(_CLOSING) != ended
        or (not first and data.lstrip(_SPACE)[:1] in (b"", b"]", b"}"))  # behind a comma
        or (
            len(opened) + len(brackets) > MAX_DEPTH
            and _deeper(opened + brackets + now[::-1].translate(_CLOSING))
        )
    ):
        raise Cut(None, at, opened, first=first)
    return Slice(data, at, exact, opened, now, kept, first)


def _deeper(brackets: bytes) -> bool:
    """Whether they stand in each other deeper than may be."""
    left = brackets.translate(_ONE_KIND)
    for _ in range(MAX_DEPTH):
        left = left.replace(b"{}", b"")
    return bool(left)


class Joined:
    """``value``: what has been put together of the values of slices, by ``add``. ``unique``: no name stands twice in an object;
    ``members``: how many may."""

    def __init__(self, unique: bool, members: int) -> None:
        self.value: Any = None
        self._unique = unique
        self._members = members
        #: What is open: objects and lists, each of which holds the next.
        self._open: list[Any] = []

    def add(self, piece: Slice, value: Any) -> None:
        """``value``: that of ``piece`` between its brackets. Raises ``Cut``."""
        last = len(piece.opened) - 1
        for level, into in enumerate(self._open):
            inner = None
            if type(into) is list:
                if level < last:
                    inner = value.pop(0)
                into += value
            else:
                if level < last:
                    inner = value.pop(_BEFORE)
                if self._unique and not into.keys().isdisjoint(value):
                    raise Cut
                into.update(value)
                if len(into) > self._members:
                    raise Cut(f"an object holds more than {self._members} members")
            value = inner
        if not self._open:
            self.value = value if self.value is None else self.value
        del self._open[piece.kept :]
        for _ in range(len(piece.left) - piece.kept):
            self._open.append(self._innermost())

    def _innermost(self) -> Any:
        """What was begun last in what is open."""
        if not self._open:
            return self.value
        outer = self._open[-1]
        return outer[-1] if type(outer) is list else next(reversed(outer.values()))
