"""What the worker processes of one machine know of upstreams together: a table in memory that the parent makes before it
forks.

Laws: a slot belongs to one key; what is in flight there stands in a column for each worker, which has one writer, so that
the parent takes a dead worker's share back by clearing its column. Only who enters an upstream with a limit of its own
takes a lock, which the system frees when its holder dies. When the table is full the longest unused slot that is idle and
well is given away; if there is none, a worker knows only for itself. Nothing of the configuration is kept but hashes.
"""

from __future__ import annotations

import fcntl
import mmap
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from llm_proxy.routing.ejection import PROBE

if TYPE_CHECKING:
    from llm_proxy.routing.ejection import Health
    from llm_proxy.routing.upstream_state import UpstreamState

#: A slot is looked for among so many; so many such groups there are.
_WAYS, _GROUPS = 8, 512
#: Key, used at; until, since, ejections, failures in a row, probed since, by whom, why; asleep until, limited; arrivals.
#: Behind them stands what each worker has in flight, eight bytes for each.
_SLOT = struct.Struct("=QdddQQdQQdQdd")
_WORDS = _SLOT.size // 8
_USED, _UNTIL, _PROBE_AT, _PROBED_BY, _ASLEEP = 1, 2, 6, 7, 9
#: Why an upstream is out, by number.
_REASONS = ("", "it fails", "it cannot be reached", "it refuses our key")
#: What is in trouble but was not used for so many seconds is missed by nobody.
_FORGOTTEN = 900.0


class SharedStates:
    """Made by the parent; ``join`` makes it a worker's."""

    def __init__(self, workers: int, groups: int = _GROUPS) -> None:
        self.workers = workers
        self.groups = groups
        self.row = 0
        self.stride = _WORDS + workers
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        #: Behind the slots: how often each worker has told the others something.
        self._told = _WAYS * groups * self.stride
        self._file.truncate((self._told + workers) * 8)
        self._page = mmap.mmap(self._file.fileno(), 0)
        self.page = view = memoryview(self._page)
        self.numbers = view.cast("Q")
        self.seconds = view.cast("d")

    def close(self) -> None:
        """Let go of this process's view."""
        for view in (self.numbers, self.seconds, self.page):
            view.release()
        self._page.close()
        self._file.close()

    def join(self, row: int) -> None:
        """This process is the worker of that row: what its predecessor had in flight is gone."""
        self.row = row
        self.clear(row)

    def clear(self, row: int) -> None:
        """The worker of that row has ended: it has nothing in flight, and tries nobody."""
        numbers = self.numbers
        numbers[self._told + row] += 1
        for at in range(0, self._told, self.stride):
            numbers[at + _WORDS + row] = 0
            if numbers[at + _PROBED_BY] == row + 1:
                numbers[at + _PROBED_BY] = 0
                self.seconds[at + _PROBE_AT] = 0.0

    @property
    def stamp(self) -> int:
        """Another one whenever a worker has told the others something; what is only in flight is not told."""
        return sum(self.numbers[self._told : self._told + self.workers])

    def told(self) -> None:
        """This worker has told the others something."""
        self.numbers[self._told + self.row] += 1

    def slot(self, key: str, now: float) -> Slot | None:
        """The slot of that key (sixteen hexadecimal digits), found or taken; None if there is no room."""
        number = int(key, 16) or 1
        at = self.find(number, now)
        return None if at is None else Slot(self, number, at)

    def find(self, number: int, now: float) -> int | None:
        """Where the slot of that key is, taken if it was not there."""
        first = number % self.groups * _WAYS
        with self.alone(first):
            places = [(first + way) * self.stride for way in range(_WAYS)]
            at = next((place for place in places if self.numbers[place] == number), None)
            if at is None:
                free = [place for place in places if self._free(place, now)]
                if not free:
                    return None
                at = min(free, key=lambda place: self.seconds[place + _USED])
                self.numbers[at + 1 : at + self.stride] = memoryview(bytes(8 * (self.stride - 1))).cast("Q")
                self.numbers[at] = number
                self.seconds[at + _USED] = now
        return at

    def _free(self, at: int, now: float) -> bool:
        """Whether nobody is there, or somebody whom nobody would miss."""
        if not self.numbers[at]:
            return True
        old = now - self.seconds[at + _USED] > _FORGOTTEN
        well = not self.seconds[at + _UNTIL] and self.seconds[at + _ASLEEP] < now
        return (well or old) and not any(self.numbers[at + _WORDS : at + self.stride])

    @contextmanager
    def alone(self, number: int) -> Iterator[None]:
        """A record lock: it belongs to the process, so the system frees it when a worker is killed."""
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, number)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)


class Slot:
    """What all workers know of one upstream, or of one server. What a worker wants to change it takes first (``pull``), so
    that it writes nothing that another has changed meanwhile (``push``)."""

    __slots__ = ("_at", "_number", "_probed_by", "_shared")

    def __init__(self, shared: SharedStates, number: int, at: int) -> None:
        self._shared = shared
        self._number = number
        self._at: int | None = at
        self._probed_by = 0

    def enter(self, state: UpstreamState, limit: int | None, now: float, probe: bool = False) -> bool:
        """Count a request of this worker, unless ``limit`` are in flight, or another worker tries it already."""
        at = self._place(now)
        if at is None:
            return True
        shared = self._shared
        mine = at + _WORDS + shared.row
        if limit is None and not probe:
            shared.numbers[mine] = state.in_flight + 1
        else:
            with shared.alone(self._number % shared.groups * _WAYS):
                flying = sum(shared.numbers[at + _WORDS : at + shared.stride])
                if limit is not None and flying - shared.numbers[mine] + state.in_flight >= limit:
                    return False
                if probe and self._taken(at, now):
                    return False
                shared.numbers[mine] = state.in_flight + 1
                if probe:
                    self._probed_by = shared.numbers[at + _PROBED_BY] = shared.row + 1
                    shared.seconds[at + _PROBE_AT] = now
        shared.seconds[at + _USED] = now
        return True

    def count(self, state: UpstreamState, now: float) -> None:
        """Tell the others how many requests of this worker are in flight."""
        at = self._place(now)
        if at is not None:
            self._shared.numbers[at + _WORDS + self._shared.row] = state.in_flight

    @property
    def others(self) -> int:
        """How many requests of the other workers are in flight."""
        at, shared = self._at, self._shared
        if at is None or shared.numbers[at] != self._number:
            return 0
        flying = shared.numbers[at + _WORDS : at + shared.stride]
        return sum(flying) - flying[shared.row]

    def pull(self, state: UpstreamState, now: float) -> None:
        """Take what the others know."""
        at = self._place(now)
        if at is None:
            return
        asleep, limited, requests, tokens = self._pull(state.health, at)
        state.asleep_until, state.limited = asleep, limited
        state.arrival_requests, state.arrival_tokens = requests, tokens

    def push(self, state: UpstreamState, now: float) -> None:
        """Tell the others."""
        at = self._place(now)
        if at is not None:
            self._shared.numbers[at + _WORDS + self._shared.row] = state.in_flight
            more = state.asleep_until, state.limited, state.arrival_requests, state.arrival_tokens
            self._push(state.health, at, now, more)

    def pull_health(self, health: Health, now: float) -> None:
        """Take what the others know of a server."""
        at = self._place(now)
        if at is not None:
            self._pull(health, at)

    def push_health(self, health: Health, now: float) -> None:
        """Tell the others how a server is."""
        at = self._place(now)
        if at is not None:
            self._push(health, at, now, (0.0, False, 0.0, 0.0))

    def _pull(self, health: Health, at: int) -> tuple[float, bool, float, float]:
        found = _SLOT.unpack_from(self._shared.page, at * 8)
        health.until, health.since, health.count, health.in_a_row, health.probe_at = found[2:7]
        self._probed_by = found[7]
        if health.until:
            health.reason = _REASONS[found[8] % len(_REASONS)]
            health.refused = health.reason == _REASONS[3]
        return found[9], bool(found[10]), found[11], found[12]

    def _push(self, health: Health, at: int, now: float, more: tuple[float, bool, float, float]) -> None:
        why = _REASONS.index(health.reason) if health.reason in _REASONS else 1
        by = self._probed_by if health.probe_at else 0
        state = (health.until, health.since, health.count, health.in_a_row, health.probe_at, by, why)
        _SLOT.pack_into(self._shared.page, at * 8, self._number, now, *state, *more)
        self._shared.told()

    def _taken(self, at: int, now: float) -> bool:
        since, seconds = self._shared.seconds[at + _PROBE_AT], self._shared.seconds
        return bool(since and seconds[at + _UNTIL]) and now < since + PROBE

    def _place(self, now: float) -> int | None:
        """Where it is: it may have been given away, and be somewhere else now."""
        at = self._at
        if at is None or self._shared.numbers[at] != self._number:
            self._at = at = self._shared.find(self._number, now)
        return at
