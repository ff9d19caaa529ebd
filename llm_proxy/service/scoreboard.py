"""What the processes of one service know of each other: a row for each worker in memory that they share.

Laws: made before the fork; a row has one writer, and a reader never sees half of it: a checksum says whether it was
being written. The page holds facts about workers and no content of the configuration. What is to be done about them
is not known here.
"""

from __future__ import annotations

import mmap
import struct
import zlib

from llm_proxy.telemetry.process_report import ProcessReport

#: pid, requests running, draining, generation, loaded at, heartbeat, state, hash.
_REPORT = struct.Struct("<II?qdd16s64s")
_SUM = struct.Struct("<I")
_ROW = _SUM.size + _REPORT.size
#: All that begins after the flag that says whether the whole service is stopping, or another has taken its place.
_FIRST = 64
_STOPPING, _REPLACED = 1, 2
#: In the same space: the number of the last order to read the files again. What each worker has obeyed stands before the
#: rows.
_ORDER = struct.Struct("<I")
_ORDER_AT = 8
#: Writing a row takes a microsecond: whoever still sees half of one after so many tries reads what a dead writer left.
_TRIES = 100


class Scoreboard:
    """``rows`` workers at most. Empty rows belong to workers that are not up (yet, or any more)."""

    def __init__(self, rows: int = 1) -> None:
        self.rows = rows
        self._page = mmap.mmap(-1, _FIRST + rows * (_ORDER.size + _ROW))
        self._first = _FIRST + rows * _ORDER.size

    @property
    def stopping(self) -> bool:
        """Whether the whole service stops, and not one worker alone."""
        return self._page[0] == _STOPPING

    def stop(self) -> None:
        """Say that the whole service stops."""
        self._page[0] = _STOPPING

    @property
    def replaced(self) -> bool:
        """Whether another program serves in the place of this one."""
        return self._page[0] == _REPLACED

    def replace(self) -> None:
        """Say that it does."""
        self._page[0] = _REPLACED

    @property
    def order(self) -> int:
        """The number of the last order to read the files again."""
        return int(_ORDER.unpack_from(self._page, _ORDER_AT)[0])

    def give_order(self) -> int:
        """Number a new order; for the parent."""
        _ORDER.pack_into(self._page, _ORDER_AT, self.order + 1)
        return self.order

    def obey(self, row: int, order: int) -> None:
        """The worker of that row has read the files as it was ordered."""
        _ORDER.pack_into(self._page, self._obeyed_at(row), order)

    def obeyed(self, row: int) -> int:
        """The last order that this worker has obeyed."""
        return int(_ORDER.unpack_from(self._page, self._obeyed_at(row))[0])

    def _obeyed_at(self, row: int) -> int:
        return _FIRST + row * _ORDER.size

    def publish(self, row: int, report: ProcessReport) -> None:
        """Write the row."""
        data = _REPORT.pack(
            report.pid,
            report.running,
            report.draining,
            report.generation,
            report.loaded_at,
            report.beat,
            report.state.encode("ascii"),
            report.hash.encode("ascii"),
        )
        self._write(row, _SUM.pack(zlib.crc32(data)) + data)

    def clear(self, row: int) -> None:
        """The worker of that row is gone."""
        self._write(row, bytes(_ROW))

    def get(self, row: int) -> ProcessReport | None:
        """The worker of that row, if it is up."""
        for _ in range(_TRIES):
            found = self._page[self._first + row * _ROW : self._first + (row + 1) * _ROW]
            (checksum,), data = _SUM.unpack_from(found), found[_SUM.size :]
            if not any(found):
                return None
            if zlib.crc32(data) == checksum:
                return _unpacked(data)
        return None

    def read(self) -> list[ProcessReport]:
        """All workers that are up."""
        return [report for row in range(self.rows) if (report := self.get(row)) is not None]

    def _write(self, row: int, data: bytes) -> None:
        self._page[self._first + row * _ROW : self._first + (row + 1) * _ROW] = data


def _unpacked(data: bytes) -> ProcessReport:
    pid, running, draining, generation, loaded_at, beat, state, digest = _REPORT.unpack(data)
    return ProcessReport(
        pid=pid,
        hash=digest.rstrip(b"\0").decode("ascii"),
        generation=generation,
        loaded_at=loaded_at,
        state=state.rstrip(b"\0").decode("ascii"),
        running=running,
        draining=draining,
        beat=beat,
    )
