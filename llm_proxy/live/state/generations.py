"""Numbers for states of the configuration that mean the same in every worker process.

Laws: a number belongs to one content and is never given again; it grows with each change, also with a change back.
Workers agree by a page of memory that they share: who first arrives at a new content adds it, the others find it there.
The page is made before the workers are forked, and needs no process to look after it. The identity of a state stays
its hash: numbers are for people.
"""

from __future__ import annotations

import mmap
import struct
import tempfile

from llm_proxy.live.state.record_lock import RecordLock

#: The last so many changes are remembered; a worker that is further behind than that gets a new number.
SLOTS = 4096
_HASH = 32
_HEADER = struct.Struct("=Q")


class Generations:
    """Made before ``fork`` and inherited. States are named by their hash, 64 hexadecimal digits. ``last``, ``identity``: where
    a program was whose numbers these go on with."""

    def __init__(self, last: int = 0, identity: str = "") -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        self._file.truncate(_HEADER.size + SLOTS * _HASH)
        self._page = mmap.mmap(self._file.fileno(), 0)
        self._lock = RecordLock(self._file)
        if last > 0 and len(identity) == 2 * _HASH:
            place = self._place(last)
            self._page[place : place + _HASH] = bytes.fromhex(identity)
            _HEADER.pack_into(self._page, 0, last)

    def number(self, identity: str, after: int) -> int:
        """The number of a state that a process has arrived at from the one numbered ``after`` (0: it begins)."""
        with self._lock.held():
            newest = self._newest()
            known = self._find(identity, newest, after)
            if known:
                return known
            # The entry first: a process that is killed in between has changed nothing.
            added = max(newest, after) + 1
            place = self._place(added)
            self._page[place : place + _HASH] = bytes.fromhex(identity)
            _HEADER.pack_into(self._page, 0, added)
            return added

    def newer(self, identity: str, after: int) -> int:
        """The number now of a state that had ``after``: others may have seen it go and come back."""
        with self._lock.held():
            return self._find(identity, self._newest(), after) or after

    def _newest(self) -> int:
        return int(_HEADER.unpack_from(self._page)[0])

    def _find(self, identity: str, newest: int, after: int) -> int:
        """The newest entry of that state that is younger than ``after``; 0 if there is none."""
        wanted = bytes.fromhex(identity)
        for number in range(newest, max(after, newest - SLOTS), -1):
            if self._at(number) == wanted:
                return number
        return 0

    def close(self) -> None:
        """Let go of this process's view."""
        self._page.close()
        self._file.close()

    def _at(self, number: int) -> bytes:
        place = self._place(number)
        return self._page[place : place + _HASH]

    def _place(self, number: int) -> int:
        return _HEADER.size + (number - 1) % SLOTS * _HASH
