"""What the worker processes of one service share: made by the parent before it forks, inherited by each worker.

Laws: a worker that starts later comes up with the state that the others serve, whatever lies on disk by then; the
files are looked at afterwards, as after any start. What is handed over stays in memory and never touches a disk, since
it may hold secrets. Numbers order the states: an older one never replaces a newer one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pickle
import secrets
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from llm_proxy.console.sessions import Sessions
from llm_proxy.live.access.shared_counters import SharedCounters
from llm_proxy.live.state.generations import Generations
from llm_proxy.live.state.initial_state import Opened
from llm_proxy.live.state.reading import Reading, Sources
from llm_proxy.live.state.snapshot import Snapshot, judge
from llm_proxy.routing.sharing import SharedStates
from llm_proxy.service.scoreboard import Scoreboard
from llm_proxy.service.shared_page import SharedPage
from llm_proxy.service.worker_messages import Mailboxes
from llm_proxy.telemetry.metrics.shared_values import SharedValues

#: Generation, length of the state, SHA-256 of the state.
_HEAD = struct.Struct("<QQ32s")


class SharedSnapshot:
    """The last accepted state. Blocking, for worker threads and for the start."""

    def __init__(self) -> None:
        self._file = os.memfd_create("llm-proxy-state")

    def keep(self, snapshot: Snapshot) -> None:
        """Make this the last accepted state, unless it is or there is a newer one."""
        with self._alone():
            if self._head()[0] >= snapshot.generation:
                return
            body = _Body(self._file)
            # Not valid while it is being written: whoever writes may be killed.
            os.pwrite(self._file, bytes(_HEAD.size), 0)
            _Pickler(body, protocol=pickle.HIGHEST_PROTOCOL).dump(snapshot.reading)
            os.ftruncate(self._file, _HEAD.size + body.length)
            os.pwrite(self._file, _HEAD.pack(snapshot.generation, body.length, body.digest()), 0)

    def take(self) -> Reading | None:
        """What the last accepted state was built from; None if nothing was kept since the parent began."""
        with self._alone():
            _, length, digest = self._head()
            data = b"".join(self._pieces(length))
        if not length or hashlib.sha256(data).digest() != digest:
            return None
        reading = pickle.loads(data)  # noqa: S301 (our own processes wrote it, into memory that nobody else has)
        assert isinstance(reading, Reading)
        return reading

    def _head(self) -> tuple[int, int, bytes]:
        found = os.pread(self._file, _HEAD.size, 0)
        generation, length, digest = _HEAD.unpack(found) if len(found) == _HEAD.size else (0, 0, b"")
        return generation, length, digest

    def _pieces(self, length: int) -> Iterator[bytes]:
        at, end = _HEAD.size, _HEAD.size + length
        while at < end and (piece := os.pread(self._file, end - at, at)):
            at += len(piece)
            yield piece

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """A record lock: it belongs to the process, so the system frees it when a worker is killed."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)


class _Body:
    """Written by the pickler piece by piece, so that the event loop gets its turns meanwhile."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.length = 0

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        self._hash.update(view)
        while view:
            written = os.pwrite(self._file, view, _HEAD.size + self.length)
            self.length += written
            view = view[written:]

    def digest(self) -> bytes:
        return self._hash.digest()


def _read_only(mapping: dict[Any, Any]) -> Mapping[Any, Any]:
    return MappingProxyType(mapping)


class _Pickler(pickle.Pickler):
    """Also for read-only mappings, which the standard one refuses."""

    dispatch_table = {MappingProxyType: lambda mapping: (_read_only, (dict(mapping),))}


@dataclass(frozen=True, slots=True)
class SharedState:
    """``opened`` is the state that the parent has judged good; ``sheets`` is where all of them count."""

    board: Scoreboard
    generations: Generations
    opened: Opened
    #: What the workers know of upstreams.
    upstreams: SharedStates
    sheets: SharedValues = field(default_factory=SharedValues)
    states: SharedSnapshot = field(default_factory=SharedSnapshot)
    #: What limits and budgets count.
    cells: SharedCounters = field(default_factory=SharedCounters)
    #: By which they know what one of them has found on this machine.
    beside: SharedPage = field(default_factory=SharedPage)
    #: Where the ledger of all workers is, if there is no directory for it.
    memory: Path | None = None
    #: Who is signed in to the console, and by which the workers ask each other what it shows; None: there is none.
    sessions: Sessions | None = None
    mailboxes: Mailboxes | None = None
    #: By which other machines know this one.
    service: str = field(default_factory=lambda: secrets.token_hex(8))

    def first_state(self, sources: Sources) -> Opened:
        """What a worker begins with."""
        opened = self.opened
        reading = self.states.take()
        if reading is None or reading.mark == opened.snapshot.reading.mark:
            reading, outcome = opened.snapshot.reading, opened.outcome
        else:
            outcome = None
        verdict = judge(sources, reading, opened.snapshot, self.generations)
        if verdict.snapshot is None:
            raise verdict.error or RuntimeError("a state that was good is bad now")
        return Opened(verdict.snapshot, outcome)
