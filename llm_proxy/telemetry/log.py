"""Logging that can never hurt: structured, through a bounded queue, without secrets.

Laws: a log call on the event loop only puts a record into a queue; one thread formats and writes. The access line is
written down at once, because a record of it takes longer to make, and longer still to be read cold. Constant messages,
data in fields: ``log.info("request", extra={"status": 200})``. No prompt, token or credential is ever put into a field;
third-party loggers that would do so are filtered here.
"""

from __future__ import annotations

import atexit
import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any

from llm_proxy.telemetry.access_record import AccessRecord
from llm_proxy.telemetry.log_lines import JsonLines, formatter
from llm_proxy.telemetry.log_writer import (
    FileSink,
    NonBlockingSink,
    Outlet,
    Sink,
    StreamSink,
    Writer,
    counters,
    write,
)

__all__ = [
    "AccessRecord",
    "NoiseFilter",
    "QueueHandler",
    "access",
    "counters",
    "report",
    "request_id",
    "say",
    "setup",
    "setup_direct",
    "stop",
]

#: The id of the request that is being handled; empty outside of requests.
request_id: ContextVar[str] = ContextVar("request_id", default="")


class QueueHandler(logging.Handler):
    """Hands records over to ``put``, which does not block."""

    def __init__(self, put: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._put = put

    def createLock(self) -> None:  # noqa: N802 (the base class's name)
        self.lock = None  # nothing here needs one

    def handle(self, record: logging.LogRecord) -> bool:
        if type(record) is AccessRecord:  # one for each request, and nothing in it is to be looked at
            self._put(record)
            return True
        # The base class's takes the lock; since Python 3.13 without asking whether there is one.
        if passed := bool(self.filter(record)):
            self.emit(record)
        return passed

    def emit(self, record: logging.LogRecord) -> None:
        try:
            # What the arguments are may change before the record is written.
            record.msg, record.args = record.getMessage(), None
        except Exception:  # noqa: BLE001 (a caller's mistake in a log call must not end its request)
            counters.failed += 1
            return
        if not hasattr(record, "request_id") and (rid := request_id.get()):
            record.request_id = rid
        self._put(record)


class NoiseFilter(logging.Filter):
    """Third-party records that carry what a client sent: Tornado's parser quotes the offending header, and its access
    lines contain the query string. We write our own access line. And watchdog calls it an error that its thread is
    being stopped while an event arrives."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("tornado."):
            late = record.name.startswith("watchdog.") and "thread is inactive" in str(record.msg)
            return not late
        if record.name == "tornado.access":
            return False
        if (
            record.name == "tornado.general"
            and isinstance(record.msg, str)
            and "Malformed HTTP" in record.msg
        ):
            record.msg, record.args = "malformed HTTP from a client", None
        if record.name == "tornado.application" and isinstance(record.msg, str) and "%r" in record.msg:
            # "Uncaught exception %s\n%r" prints the whole request with its query string.
            record.msg, record.args = "uncaught exception in a handler", None
        return True


_writer: Writer | None = None
#: Writes access lines down at once; None where their records go the usual way.
_lines: JsonLines | None = None

_access = logging.getLogger("llm_proxy.access")

_LEVELS = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
}


def setup(level: str, kind: str, filename: str = "", *, turn: int | None = None) -> None:
    """Route all logging through the queue to standard error and, if named, a file. Raises ``OSError`` if the file
    cannot be opened.

    Where several processes write, ``turn`` is a file that they share, and each line says who wrote it.
    """
    form = formatter(kind, processes=turn is not None, dated=_dated(filename))
    writer = Writer(form, _outlets(StreamSink(sys.stderr, turn), filename))
    _route(level, QueueHandler(writer.put))
    writer.start()
    global _writer, _lines
    if _writer is None:
        atexit.register(stop)
    _writer = writer
    _lines = form if isinstance(form, JsonLines) else None


def setup_direct(level: str, kind: str, filename: str = "") -> None:
    """The same without a thread, for a process that forks others: a thread may hold a lock at that moment. Raises
    ``OSError``."""
    form = formatter(kind, processes=True, dated=_dated(filename))
    outlets = _outlets(NonBlockingSink(sys.stderr), filename)
    _route(level, QueueHandler(lambda record: write([record], form, outlets)))


def _outlets(stderr: Sink, filename: str) -> list[Outlet]:
    shown = Outlet(stderr, "standard error")
    return [shown, Outlet(FileSink(filename), "the log file")] if filename else [shown]


def _dated(filename: str) -> bool:
    """Whether lines may be read on another day, or elsewhere: everywhere but on a terminal alone."""
    return bool(filename) or not sys.stderr.isatty()


def say(lines: Iterable[str]) -> None:
    """Show ``lines`` to people as they are, among those of the log in its form for people."""
    for line in lines:
        logging.getLogger(__name__).info("%s", line, extra={"plain": True})


def access(fields: dict[str, Any]) -> None:
    """The access line of a request; whoever calls has asked whether it is wanted. ``fields``: see ``AccessRecord``."""
    if _lines is not None and _writer is not None and (line := _lines.access_line(fields)) is not None:
        _writer.put(line)
    else:
        _access.handle(AccessRecord(fields))


def usual_access(base: tuple[Any, ...], facts: Mapping[str, Any]) -> str | None:
    """The same for a usual request, whose fields are no dictionary yet (see ``AccessTemplate``): the line, on its way; None if
    ``access`` is to be called."""
    if _lines is None or _writer is None:
        return None
    line = _lines.usual_line(base, facts)
    if line is not None:
        _writer.put(line)
    return line


def report() -> dict[str, Any]:
    """What the status endpoint says about the log: records that were lost, and what is wrong with it now."""
    problems = _writer.problems() if _writer else []
    return {"dropped": counters.dropped, "failed": counters.failed, "problems": problems}


def _route(level: str, queue_handler: QueueHandler) -> None:
    """Make this the handler of everything."""
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    queue_handler.addFilter(NoiseFilter())
    root.addHandler(queue_handler)
    root.setLevel(_LEVELS[level])
    for noisy in ("asyncio", "watchdog"):
        logging.getLogger(noisy).setLevel(max(_LEVELS[level], logging.INFO))
    logging.raiseExceptions = False
    logging.captureWarnings(True)


def stop() -> bool:
    """Write what is queued, but not for ever. False if that is not possible: then the interpreter's own end, which
    writes to standard error once more, would hang as well."""
    global _writer, _lines
    writer, _writer, _lines = _writer, None, None
    return writer is None or writer.stop()
