"""The thread that formats and writes log records.

Laws: ``put`` never blocks and never raises; what does not fit is counted. The thread takes what has gathered for a
moment and writes it at once: to be woken for each record would cost a request more than its record does
(benchmarks/RESULTS.md). A sink that fails is counted, never raised, and never prints a traceback of its own. What a
line looks like is not known here.
"""

from __future__ import annotations

import fcntl
import logging
import logging.handlers
import select
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

#: Records waiting for the writer. About 10 MB at the worst; a stalled sink must not grow the process.
QUEUE_SIZE = 10_000
#: Seconds for which records gather before they are written.
_GATHER = 0.02
#: How long ``stop`` waits for a sink that blocks, in seconds: it must not keep the process from ending.
_PATIENCE = 2.0


class _Counters:
    """How many records were lost, and why; read by the status endpoint."""

    dropped = 0
    failed = 0


counters = _Counters()


class Sink(Protocol):
    """Where lines go."""

    def write(self, lines: str) -> None:
        """Write whole lines. Raises ``OSError``."""

    def close(self) -> None:
        """The last lines were written."""


class StreamSink:
    """A stream that is ours to write to, and not to close. With ``turn``, a file that the processes share, they write
    one after the other: a pipe takes more than 4 KiB in pieces (pipe(7), PIPE_BUF), and others' lines would come to
    lie between them."""

    def __init__(self, stream: Any, turn: int | None = None) -> None:
        self._stream = stream
        self._turn = turn

    def write(self, lines: str) -> None:
        if self._turn is not None:
            fcntl.lockf(self._turn, fcntl.LOCK_EX)
        try:
            self._stream.write(lines)
            self._stream.flush()
        finally:
            if self._turn is not None:
                fcntl.lockf(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        """The stream stays open."""


class NonBlockingSink(StreamSink):
    """For a process without a writing thread: what a pipe that nobody reads does not take at once is dropped."""

    def write(self, lines: str) -> None:
        if select.select([], [self._stream], [], 0)[1]:
            super().write(lines)
        else:
            counters.dropped += 1


class FileSink:
    """A file, opened again when a rotation has moved it. Raises ``OSError`` if it cannot be opened."""

    def __init__(self, path: str) -> None:
        self._file = logging.handlers.WatchedFileHandler(path, encoding="utf-8")

    def write(self, lines: str) -> None:
        self._file.reopenIfNeeded()
        stream: Any = self._file.stream
        stream.write(lines)
        stream.flush()

    def close(self) -> None:
        self._file.close()


def write(records: Sequence[logging.LogRecord], form: logging.Formatter, sinks: Sequence[Sink]) -> None:
    """Write ``records`` to each of ``sinks``; whatever fails is counted."""
    lines = []
    for record in records:
        try:
            lines.append(form.format(record) + "\n")
        except Exception:  # noqa: BLE001 (a field whose str() fails must not take the others with it)
            counters.failed += 1
    text = "".join(lines)
    for sink in sinks:
        try:
            sink.write(text)
        except (OSError, ValueError):  # ValueError: the stream is closed
            counters.failed += len(lines)


class Writer:
    """``start()``, any number of ``put(record)`` from any thread, ``stop()``."""

    def __init__(self, form: logging.Formatter, sinks: Sequence[Sink], size: int = QUEUE_SIZE) -> None:
        self._form = form
        self._sinks = sinks
        self._size = size
        self._records: deque[logging.LogRecord] = deque()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    def put(self, record: logging.LogRecord) -> None:
        """Take ``record``, or count it."""
        if len(self._records) >= self._size:
            counters.dropped += 1
            return
        self._records.append(record)
        if not self._wake.is_set():
            self._wake.set()

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> bool:
        """Write what is queued, but not for ever. False if a sink still blocks."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            return False
        for sink in self._sinks:
            sink.close()
        return True

    def _run(self) -> None:
        last = False
        while not last:
            self._wake.wait()
            last = self._stopping.wait(_GATHER)
            self._wake.clear()  # before the records are taken: what comes from now on wakes us again
            taken = [self._records.popleft() for _ in range(len(self._records))]
            write(taken, self._form, self._sinks)
