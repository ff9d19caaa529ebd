"""Where the numbers of one process lie: memory that all processes of the service share, made before they are forked.

Laws: a sheet has one writer; whoever reads sees each number whole. A number is where it counts the moment it is added
to, so a process that is killed takes none with it, and its successor, which takes the sheet over, goes on from there: no
counter ever goes back. SharedValues are of a fixed size: what does not fit is not taken, and counted. Memory that nobody has
touched costs nothing.
"""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from struct import unpack_from

from llm_proxy.telemetry.metrics.families import FAMILIES, Family

#: A series in the list of names: family, whether it is in use, length of its labels, room for them, its first number.
_NAME = struct.Struct("<HBxHHI")
#: Room for labels is given in such pieces, so that the place of a series that is gone fits another.
_PIECE = 64
#: Numbers before those of the series, and what they are.
_FIRST = 16
_NAMES, _VALUES, _PID, _DROPPED = range(4)
#: Numbers, and bytes of names, for each line of the page.
_PER_LINE, _NAME_PER_LINE = 8, 128
#: Seconds after a reading in which there will be another.
_READ = 180.0
#: What each exemplar takes: 16 bytes of the trace's id, the value, the time.
EXEMPLAR = struct.Struct("=16sdd")

Key = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Series:
    """One series as it was read. ``numbers``: see ``Family.slots``."""

    family: Family
    labels: str
    numbers: list[float]


class ProcessValues:
    """For at most ``lines`` lines of the page, and a few more that stand for others."""

    def __init__(self, lines: int) -> None:
        self.limit = lines
        self._first_name = 8 * (_FIRST + _PER_LINE * (lines + 1000))
        self._size = self._first_name + _NAME_PER_LINE * (lines + 1000)
        self._page = mmap.mmap(-1, self._size)
        self.values = memoryview(self._page)[: self._first_name].cast("d")
        if not self.values[_VALUES]:
            self.values[_NAMES], self.values[_VALUES] = self._first_name, _FIRST

    @property
    def pid(self) -> int:
        """Whose it is."""
        return int(self.values[_PID])

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return int(self.values[_VALUES])

    @property
    def dropped(self) -> float:
        """Series that did not fit."""
        return self.values[_DROPPED]

    def read(self) -> Iterator[Series]:
        """All series, each as it was at one moment; from any process and any thread."""
        end = int(self.values[_NAMES])
        names = self._page[self._first_name : end]
        place = 0
        while place < len(names):
            number, used, length, room, at = _NAME.unpack_from(names, place)
            if used:
                family = FAMILIES[number]
                first = place + _NAME.size
                labels = names[first : first + length].decode("utf-8", "replace")
                # Bit by bit: other threads have their turns between two of them.
                numbers = unpack_from(f"={family.slots}d", self._page, 8 * at)
                yield Series(family, labels, list(numbers))
            place += _NAME.size + room

    def exemplars(self, family: Family, numbers: list[float]) -> list[tuple[str, float, float] | None]:
        """Trace, value and time of each bucket's exemplar, as far as there is one."""
        assert family.ladder is not None
        data = struct.pack(f"={len(numbers)}d", *numbers)
        first = 8 * (2 + len(family.ladder.fine) + 1)
        found = EXEMPLAR.iter_unpack(data[first:])
        return [(trace.hex(), value, at) if at else None for trace, value, at in found]


class Writer:
    """The writer of ``sheet``, which may be a predecessor's."""

    def __init__(self, sheet: ProcessValues, pid: int) -> None:
        self.sheet = sheet
        self.values = sheet.values
        self._lines = 0
        #: Where each series begins; None for one that did not fit. And where its name does.
        self._at: dict[Key, int | None] = {}
        self._name_at: dict[Key, int] = {}
        #: Places of series that are gone, by family and room.
        self._free: dict[tuple[int, int], list[int]] = {}
        self._take_over()
        sheet.values[_PID] = pid

    def _take_over(self) -> None:
        page, place, end = self.sheet._page, self.sheet._first_name, int(self.values[_NAMES])
        while place < end:
            number, used, length, room, at = _NAME.unpack_from(page, place)
            family = FAMILIES[number]
            if used:
                labels = page[place + _NAME.size : place + _NAME.size + length].decode()
                self._at[number, labels], self._name_at[number, labels] = at, place
                self._lines += family.lines
                if family.kind == "gauge":
                    self.values[at + 1] = 0.0
            else:
                self._free.setdefault((number, room), []).append(place)
            place += _NAME.size + room

    def place(self, family: Family, labels: str, *, spare: bool = False) -> int | None:
        """Where that series begins, a new one if need be. None if there is no room; ``spare``: it stands for others, and may
        be a few more than there is room for."""
        key = (family.number, labels)
        try:
            return self._at[key]
        except KeyError:
            pass
        over = self._lines + family.lines - self.sheet.limit
        at = self._new(key, family) if over <= (900 if spare else 0) else None
        self._at[key] = at
        if at is None:
            self.values[_DROPPED] += 1.0
        else:
            self._lines += family.lines
        return at

    def _new(self, key: Key, family: Family) -> int | None:
        sheet, (number, labels) = self.sheet, key
        text = labels.encode()
        room = -(-len(text) // _PIECE) * _PIECE
        if free := self._free.get((number, room)):
            place = free.pop()
            at = int(_NAME.unpack_from(sheet._page, place)[4])
            self._write(place, number, text, room, at)
        else:
            place, at = int(self.values[_NAMES]), int(self.values[_VALUES])
            end, last = place + _NAME.size + room, at + family.slots
            if end > sheet._size or last > len(self.values) or len(text) > 0xFFFF - _PIECE:
                return None
            self.values[_VALUES] = last
            self._write(place, number, text, room, at)
            self.values[_NAMES] = end  # from here on others see it
        self._name_at[key] = place
        return at

    def _write(self, place: int, number: int, text: bytes, room: int, at: int) -> None:
        page = self.sheet._page
        page[place + _NAME.size : place + _NAME.size + len(text)] = text
        _NAME.pack_into(page, place, number, 1, len(text), room, at)

    def keys(self) -> list[Key]:
        """All series that have a place."""
        return list(self._name_at)

    def forget(self, keys: Iterable[Key], is_old: Callable[[str, float], bool]) -> bool:
        """Free the places of those of ``keys`` of which ``is_old`` says so, asked for their labels and their last use. Whether
        there were any; whoever holds places must ask for them again then."""
        places = ((key, self._at.get(key)) for key in keys)
        old = [key for key, at in places if at is not None and is_old(key[1], self.values[at])]
        for key in old:
            place, family = self._name_at.pop(key), FAMILIES[key[0]]
            number, _, length, room, at = _NAME.unpack_from(self.sheet._page, place)
            _NAME.pack_into(self.sheet._page, place, number, 0, length, room, at)
            for slot in range(at, at + family.slots):
                self.values[slot] = 0.0
            self._free.setdefault((number, room), []).append(place)
            self._lines -= family.lines
            del self._at[key]
        if old:  # there is room again for what did not fit
            self._at = {key: at for key, at in self._at.items() if at is not None}
        return bool(old)


class SharedValues:
    """Those of all processes of one service: ``rows`` of them, each for ``lines`` lines of the page."""

    def __init__(self, rows: int = 1, lines: int = 20_000) -> None:
        self.lines = lines
        self.rows = tuple(ProcessValues(lines) for _ in range(rows))
        #: When the service began, in seconds since the epoch.
        self.started = time.time()
        self._asked = mmap.mmap(-1, 8)

    def ask(self) -> None:
        """Somebody reads: what is found out for readers only, is, by all processes, for a while."""
        struct.pack_into("<d", self._asked, 0, time.monotonic())

    @property
    def is_read(self) -> bool:
        """Whether anybody did in the last minutes."""
        return bool(time.monotonic() - struct.unpack_from("<d", self._asked)[0] < _READ)
