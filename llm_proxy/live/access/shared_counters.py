"""Counters that the workers of one service hold together: cells in a page of memory that they share.

Laws: a cell belongs to what its sixteen bytes name; who reads and writes some together does so ``alone``. What a worker has
taken and not given back yet (``held``) stands beside its own name too, so that whoever follows it can give it back for it.
A cell that says nothing any more may become another's. The page is made before the fork; a lock of the system is freed
when its holder is killed. What is counted is not known here.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
import tempfile

#: Name; value, period, held by all, until when it says something, mark.
_CELL = struct.Struct("=16s5q")
_NUMBERS = struct.Struct("=5q")
_HELD = struct.Struct("=q")
_NAME = 16
#: How many places a name may have.
_PROBES = 48
COUNT = 1 << 19
#: Places that are remembered, and so not looked for.
_KNOWN = 100_000

VALUE, PERIOD, HELD, UNTIL, MARK = range(5)
Numbers = list[int]


def name_of(*parts: str) -> bytes:
    """The name of what ``parts`` say."""
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=_NAME).digest()


class SharedCounters:
    """For ``rows`` workers. Made before ``fork`` and inherited."""

    def __init__(self, rows: int = 1, count: int = COUNT) -> None:
        self.rows, self._count = rows, count
        self._page = mmap.mmap(-1, count * _CELL.size)
        self._shadows = mmap.mmap(-1, rows * count * _HELD.size)
        self._alone = _Alone(_lock_file() if rows > 1 else -1)
        self._known: dict[bytes, int] = {}
        #: How often a cell that still said something had to make room.
        self.crowded = 0
        #: Whether a cell's numbers are the cell: then how often some were let go, or begun anew for another time, after which those
        #: that somebody has kept may not be what they were. -1: they are a copy.
        self.age = -1

    def turned(self) -> None:
        """A cell counts for another time now."""

    def alone(self) -> _Alone:
        """While nobody else reads or writes; what was found in it keeps its place."""
        return self._alone

    def find(self, name: bytes, now: int) -> int:
        """The place of that cell; a new one is all zeros. ``now``: by which cells that end are judged."""
        place = self._known.get(name)
        if place is not None and self._page[place : place + _NAME] == name:
            self._alone.found.append(place)
            return place
        place = self._look_for(name, now)
        self._alone.found.append(place)
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[name] = place
        return place

    def peek(self, name: bytes) -> Numbers:
        """What that cell says, without a place for it: for whoever looks on from another thread."""
        first = int.from_bytes(name[:8], "little") % self._count
        for step in range(_PROBES):
            place = (first + step) % self._count * _CELL.size
            found = self._page[place : place + _NAME]
            if found == name:
                return self.get(place)
            if found == bytes(_NAME):
                break
        return [0] * 5

    def get(self, place: int) -> Numbers:
        """What the cell says."""
        return list(_NUMBERS.unpack_from(self._page, place + _NAME))

    def put(self, place: int, numbers: Numbers) -> None:
        """Let it say that."""
        _NUMBERS.pack_into(self._page, place + _NAME, *numbers)

    def numbers(self, name: bytes, now: int) -> Numbers:
        """What that cell says; ``write`` says it anew. ``now``: by which cells that end are judged."""
        return self.get(self.find(name, now))

    def write(self, name: bytes, numbers: Numbers) -> None:
        """Let the cell say that, in the same time alone in which it was read."""
        self.put(self._place(name), numbers)

    def hold(self, name: bytes, row: int, amount: int) -> None:
        """The worker ``row`` has taken ``amount`` more of what the cell counts; the sum is for the caller to write."""
        if self._alone.lone:
            return  # nobody follows
        at = (row * self._count + self._place(name) // _CELL.size) * _HELD.size
        _HELD.pack_into(self._shadows, at, _HELD.unpack_from(self._shadows, at)[0] + amount)

    def _place(self, name: bytes) -> int:
        place = self._known.get(name)
        return self.find(name, 0) if place is None else place

    def give_back(self, row: int) -> int:
        """All that a worker of that row has left behind; how many cells that were."""
        size = self._count * _HELD.size
        found = 0
        with self.alone():
            shadow = self._shadows[row * size : (row + 1) * size]
            if not any(shadow[at : at + 65536].strip(b"\0") for at in range(0, size, 65536)):
                return 0
            for number, (amount,) in enumerate(_HELD.iter_unpack(shadow)):
                if amount:
                    place = number * _CELL.size
                    numbers = self.get(place)
                    numbers[HELD] = max(0, numbers[HELD] - amount)
                    self.put(place, numbers)
                    found += 1
            self._shadows[row * size : (row + 1) * size] = bytes(size)
        return found

    def _look_for(self, name: bytes, now: int) -> int:
        first = int.from_bytes(name[:8], "little") % self._count
        free = -1
        for step in range(_PROBES):
            place = (first + step) % self._count * _CELL.size
            found = self._page[place : place + _NAME]
            if found == name:
                return place
            if found == bytes(_NAME):
                free = place  # nobody has ever been further on
                break
        if free < 0:
            free = self._room(first, now)
        self._page[free : free + _CELL.size] = name + bytes(_NUMBERS.size)
        return free

    def _room(self, first: int, now: int) -> int:
        """The place of a cell that says nothing any more, else of the one that soonest does not."""
        places = [(first + step) % self._count * _CELL.size for step in range(_PROBES)]
        ends = [
            (numbers[UNTIL], place)
            for place in places
            if place not in self._alone.found and not (numbers := self.get(place))[HELD]
        ]
        end, place = min(ends, default=(now + 1, places[0]))
        self.crowded += end > now
        return place


def _lock_file() -> int:
    """A file without a name, for as long as the process lives."""
    descriptor, path = tempfile.mkstemp(prefix="llm-proxy-lock-")
    os.unlink(path)
    return descriptor


class _Alone:
    """The lock, and the places that were found while it was held."""

    __slots__ = ("_file", "found", "lone")

    def __init__(self, file: int) -> None:
        self._file = file
        self.lone = file < 0
        self.found: list[int] = []

    def __enter__(self) -> None:
        if self._file >= 0:
            fcntl.lockf(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self.found.clear()
        if self._file >= 0:
            fcntl.lockf(self._file, fcntl.LOCK_UN)


#: Of so many cells those that say nothing are let go.
_MANY = 500_000


class LocalCounters(SharedCounters):
    """The same for a process that has nobody to share them with: in its own memory, and cheaper."""

    def __init__(self) -> None:
        self.rows = 1
        self._alone = _Alone(-1)
        self._cells: dict[bytes, Numbers] = {}
        self._most = _MANY
        self.crowded = self.age = 0

    def numbers(self, name: bytes, now: int) -> Numbers:
        """What that cell says; what is changed in it is said."""
        found = self._cells.get(name)
        if found is None:
            if len(self._cells) >= self._most:
                live = {
                    name: found for name, found in self._cells.items() if found[HELD] or found[UNTIL] > now
                }
                self._cells = live
                self._most = max(_MANY, 2 * len(live))  # not again for the next one
                self.age += 1
            found = self._cells[name] = [0] * 5
        return found

    def turned(self) -> None:
        """A clock may be put back: whoever has kept the cell looks for it again."""
        self.age += 1

    def write(self, name: bytes, numbers: Numbers) -> None:
        """It is said already."""

    def hold(self, name: bytes, row: int, amount: int) -> None:
        """Nobody follows."""

    def peek(self, name: bytes) -> Numbers:
        return self._cells.get(name) or [0] * 5

    def give_back(self, row: int) -> int:
        return 0
