"""A document in which one object has very many members (a hundred thousand keys): read member by member, and after an edit again. Members that stand
as they stood are told by their numbers, and not read again: that they do is seen by the hash of a block of them.

Laws: what is told is what ``strict_json.parse_object`` would say of the same bytes, but for one thing: that none of the members that are told by
numbers has the name of another, who asked has to see. What ``parse_object`` would refuse, or what is too odd to be sure, is ``Unusual``: who asked reads
the document whole, and learns what is wrong and where. Pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined]  # undocumented, stable since 2.6
from typing import Any, NamedTuple

from llm_proxy.wire.json_scan import JsonProblem
from llm_proxy.wire.long_texts import PORTION
from llm_proxy.wire.strict_json import MAX_VALUES, decode, value_at

_SPACE = re.compile(r"[ \t\n\r]*+")
_COLON = re.compile(r"[ \t\n\r]*+:[ \t\n\r]*+")
#: What stands between a value and the name of the next, and what stands after the last.
_NEXT = re.compile(r'[ \t\n\r]*+,[ \t\n\r]*+(?=")')
_END = re.compile(r"[ \t\n\r]*+(?=\})")
_STRUCTURE = b"{}[],"
#: Members of a block.
_BLOCK = 32


class Unusual(Exception):
    """The document has to be read whole."""


class Block(NamedTuple):
    """Some members that stand one behind the other, with the commas behind them: the name of the first and its number, how many they are,
    their length in characters, and their hash."""

    name: str
    first: int
    members: int
    length: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the members of the object stand."""

    blocks: tuple[Block, ...] = field(default=(), repr=False)


class Members:
    """Those of the object ``name`` of a document; ``before``: where they stood; ``most``: so many values it may hold."""

    def __init__(self, data: bytes, name: str, before: Layout | None = None, most: int = MAX_VALUES) -> None:
        try:
            self._text = decode(data)
        except JsonProblem as problem:
            raise Unusual from problem
        if len(data) > 2 * most and _values(data) > most:
            raise Unusual
        self._name = name
        self._known = {block.name: place for place, block in enumerate(before.blocks)} if before else {}
        self._before = before.blocks if before else ()
        self._blocks: list[Block] = []
        #: Of the block that is being read: where it begins, the name of its first member, and how many there are.
        self._open = (0, "", 0)
        self._count = 0
        #: Whether the object was there, when the last was told.
        self.found = False
        #: The other members of the document; all of them when the last member was told.
        self.rest: dict[str, Any] = {}

    @property
    def layout(self) -> Layout:
        """Where they stand now, when the last was told."""
        return Layout(tuple(self._blocks))

    def __iter__(self) -> Iterator[range | tuple[str, Any]]:
        """In the order of the document, each once: a name and its value, or the numbers of members that stand as they stood. Raises
        ``Unusual``."""
        at = self._skip(0)
        self._expect("{", at)
        at = self._skip(at + 1)
        while not self._text.startswith("}", at):
            name, at, begun = *self._named(at), at
            if name in self.rest or (self.found and name == self._name):
                raise Unusual
            if name == self._name and self._text.startswith("{", at):
                self.found = True
                at = yield from self._members(self._skip(at + 1))
            else:
                self.rest[name], at = self._value(begun, at, 1)
            following = _NEXT.match(self._text, at)
            at = following.end() if following else self._skip(at)
            if not following:
                self._expect("}", at)
        if self._skip(at + 1) < len(self._text):
            raise Unusual

    def _members(self, at: int) -> Generator[range | tuple[str, Any], None, int]:
        """From the first one on; returns where the object has ended."""
        text, read, least = self._text, set(), 0
        while not text.startswith("}", at):
            name, end = self._named(at)
            place = self._known.get(name, -1)
            if place >= least and (end_of_block := self._same(self._before[place], at)):
                block, least = self._before[place], place + 1
                self._close(at)
                self._blocks.append(block._replace(first=self._count))
                self._count += block.members
                yield range(block.first, block.first + block.members)
                at = end_of_block
                continue
            if name in read:
                raise Unusual
            read.add(name)
            if not self._open[2]:
                self._open = at, name, 0
            value, end = self._value(at, end, 2)
            yield name, value
            following = _NEXT.match(text, end) or _END.match(text, end)
            if following is None:
                raise Unusual
            at = following.end()
            self._read_one(at)
        self._close(at)
        return at + 1

    def _same(self, block: Block, at: int) -> int:
        """Where it ends, if its members stand at ``at`` as they stood; else 0."""
        end = at + block.length
        ends = self._text.startswith('"', end) or self._text.startswith("}", end)
        return end if ends and _hash(self._text[at:end]) == block.digest else 0

    def _read_one(self, at: int) -> None:
        """A member was read; the next begins at ``at``."""
        begin, name, count = self._open
        self._open = begin, name, count + 1
        self._count += 1
        if count + 1 == _BLOCK:
            self._close(at)

    def _close(self, at: int) -> None:
        """The block that is being read ends before ``at``."""
        begin, name, count = self._open
        if count:
            digest = _hash(self._text[begin:at])
            self._blocks.append(Block(name, self._count - count, count, at - begin, digest))
            self._open = 0, "", 0

    def _named(self, at: int) -> tuple[str, int]:
        """The name at ``at``, and where its value begins."""
        self._expect('"', at)
        try:
            name, end = scanstring(self._text, at + 1, True)
        except ValueError as error:
            raise Unusual from error
        colon = _COLON.match(self._text, end)
        if colon is None:
            raise Unusual
        return name, colon.end()

    def _value(self, begun: int, at: int, depth: int) -> tuple[Any, int]:
        """The value at ``at`` of the member that has ``begun`` before, ``depth`` levels below the top, and where it ends."""
        try:
            return value_at(self._text, at, begun, depth)
        except ValueError as error:
            raise Unusual from error

    def _skip(self, at: int) -> int:
        return _SPACE.match(self._text, at).end()  # type: ignore[union-attr]

    def _expect(self, mark: str, at: int) -> None:
        if not self._text.startswith(mark, at):
            raise Unusual


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _values(data: bytes) -> int:
    """How many values ``data`` holds at most."""
    found = 1
    for at in range(0, len(data), PORTION):  # in portions, between which others have their turn
        piece = data[at : at + PORTION]
        found += len(piece) - len(piece.translate(None, _STRUCTURE))
    return found
