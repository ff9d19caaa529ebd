"""The thread that formats and writes log records. (The access line comes formatted: it is made while all that is in it is at hand.)

Laws: ``put`` never blocks and never raises; what does not fit is counted. The thread takes what has gathered for a
moment and writes it at once: to be woken for each record would cost a request more than its record does
(benchmarks/RESULTS.md). A sink that fails is counted and says why, never raised, and never prints a traceback of its
own; it is tried again with the next lines, and the others go on. The thread ends when it is told to, and by nothing
else. What a line looks like is not known here.
"""

from __future__ import annotations

import fcntl
import logging
import os
import select
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

#: Records waiting for the writer. About 10 MB at the worst; a stalled sink must not grow the process.
QUEUE_SIZE = 10_000
#: Seconds for which records gather before they are written: each time the thread goes to work it asks for the interpreter
#: three times, which costs the loop's thread some dozen system calls when it is busy.
_GATHER = 0.05
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
    """A file, opened again when a rotation has moved it, or when it could not be opened or written. Raises ``OSError`` if
    it cannot be opened at first."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = -1
        self._identity = (0, 0)
        #: Whether the last line is only half there: then the next begins with a line end.
        self._torn = False
        self._open()

    def write(self, lines: str) -> None:
        if self._file >= 0 and self._moved():
            self._close()
        if self._file < 0:
            self._open()
        data = memoryview((b"\n" if self._torn else b"") + lines.encode("utf-8", "backslashreplace"))
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError:
            if written:
                self._torn = data[written - 1] != ord("\n")
            self._close()
            raise
        self._torn = False

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        found = os.fstat(self._file)
        self._identity = (found.st_dev, found.st_ino)

    def _moved(self) -> bool:
        """Whether another file, or none, lies at the path now."""
        try:
            found = os.stat(self._path)
        except OSError:
            return True
        return (found.st_dev, found.st_ino) != self._identity

    def _close(self) -> None:
        file, self._file = self._file, -1
        with suppress(OSError):  # a full disk may say so only now, of what was counted already
            os.close(file)

    def close(self) -> None:
        if self._file >= 0:
            self._close()


class Outlet:
    """A sink that does not raise. ``problem`` says in a sentence why the last lines did not arrive, empty if they did."""

    def __init__(self, sink: Sink, name: str) -> None:
        self._sink = sink
        self._name = name
        self.problem = ""

    def write(self, text: str, lines: int) -> None:
        """Write ``text``, or count its ``lines``."""
        try:
            self._sink.write(text)
        except Exception as error:  # noqa: BLE001 (whatever a sink raises, the service and the other sinks go on)
            counters.failed += lines
            reason = error.strerror if isinstance(error, OSError) else None
            self.problem = f"{self._name} cannot be written: {reason or type(error).__name__}"
        else:
            self.problem = ""

    def close(self) -> None:
        """The last lines were written."""
        with suppress(Exception):
            self._sink.close()


def write(
    records: Sequence[logging.LogRecord | str], form: logging.Formatter, outlets: Sequence[Outlet]
) -> None:
    """Write ``records``, or what is a line already, to each of ``outlets``; whatever fails is counted."""
    lines: list[str] = []
    for record in records:
        if type(record) is str:
            lines.append(record)
            continue
        try:
            lines.append(form.format(record))  # type: ignore[arg-type]
        except Exception:  # noqa: BLE001 (a field whose str() fails must not take the others with it)
            counters.failed += 1
    lines.append("")
    text = "\n".join(lines)
    lines.pop()
    for outlet in outlets if lines else ():
        outlet.write(text, len(lines))


class Writer:
    """``start()``, any number of ``put(record)`` from any thread, ``stop()``."""

    def __init__(self, form: logging.Formatter, outlets: Sequence[Outlet], size: int = QUEUE_SIZE) -> None:
        self._form = form
        self._outlets = outlets
        self._size = size
        self._records: deque[logging.LogRecord | str] = deque()
        #: Whether the thread has been woken for what waits. The locks are held until there is something to do, and until the
        #: end; an Event would do, at five times the steps for whoever puts a record.
        self._woken = False
        self._wake, self._end = threading.Lock(), threading.Lock()
        self._wake.acquire()
        self._end.acquire()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    def put(self, record: logging.LogRecord | str) -> None:
        """Take ``record``, or a line without its end; or count it."""
        if len(self._records) >= self._size:
            counters.dropped += 1
            return
        self._records.append(record)
        if not self._woken:
            self._woken = True
            self._let_go(self._wake)

    @staticmethod
    def _let_go(lock: threading.Lock) -> None:
        with suppress(RuntimeError):  # another thread was faster
            lock.release()

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> bool:
        """Write what is queued, but not for ever. False if a sink still blocks."""
        self._stopping = True
        self._let_go(self._end)
        self._let_go(self._wake)
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            return False
        for outlet in self._outlets:
            outlet.close()
        return True

    def problems(self) -> list[str]:
        """What is wrong with the log now, in sentences."""
        dead = ["the log is not written any more: its thread has ended"]
        ended = self._thread.ident is not None and not self._thread.is_alive() and not self._stopping
        return [*(outlet.problem for outlet in self._outlets if outlet.problem), *(dead if ended else [])]

    def _run(self) -> None:
        last = False
        while not last:
            self._wake.acquire()
            last = self._end.acquire(timeout=_GATHER)
            self._woken = False  # before the records are taken: what comes from now on wakes us again
            try:
                take = self._records.popleft
                taken = [take() for _ in range(len(self._records))]
                write(taken, self._form, self._outlets)
            except Exception:  # noqa: BLE001 (no memory, say: without this thread nothing would be told ever again)
                counters.failed += 1
