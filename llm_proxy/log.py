"""Logging that can never hurt: structured, through a bounded queue, without secrets.

Laws: a log call on the event loop only puts a record into a queue; one thread formats and writes. A full queue drops
records and counts them; a broken sink (full disk, closed pipe) is counted, never raised, and never prints a
traceback of its own. Constant messages, data in fields: ``log.info("request", extra={"status": 200})``. No prompt,
token or credential is ever put into a field; third-party loggers that would do so are filtered here.
"""

from __future__ import annotations

import atexit
import fcntl
import logging
import logging.handlers
import math
import queue
import select
import sys
import threading
import time
from contextvars import ContextVar
from typing import Any

from pythonjsonlogger.json import JsonFormatter

#: The id of the request that is being handled; empty outside of requests.
request_id: ContextVar[str] = ContextVar("request_id", default="")

#: Records waiting for the writer. About 10 MB at the worst; a stalled sink must not grow the process.
QUEUE_SIZE = 10_000
#: Longest text of one field. A hostile path or model name must not fill the disk.
MAX_FIELD = 2_000

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
}


class _Counters:
    """How many records were lost, and why; read by the status endpoint."""

    dropped = 0
    failed = 0


counters = _Counters()


def clean(value: Any) -> Any:
    """``value`` fit for one line of log: cut to a limit, finite, no object of ours by accident."""
    if isinstance(value, bool | int) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {clean(str(k)): clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    text = str(value)
    if len(text) > MAX_FIELD:
        text = text[:MAX_FIELD] + "..."
    return text.encode("utf-8", "replace").decode()


class _Json(JsonFormatter):
    """One JSON object a line; ASCII only, so that no terminal or line splitter can be tricked."""

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {key: clean(value) for key, value in log_data.items()}


class _Text(logging.Formatter):
    """For people: time, level, message, then the fields as ``key=value``; control characters are escaped."""

    def __init__(self, processes: bool) -> None:
        super().__init__()
        self._processes = processes

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%H:%M:%S", time.localtime(record.created))
        fields = {k: v for k, v in record.__dict__.items() if k not in _STANDARD and v not in (None, "")}
        who = f"[{record.process}] " if self._processes else ""
        parts = [f"{stamp} {record.levelname:<5} {who}{_printable(record.getMessage())}"]
        parts += [f"{key}={_printable(str(clean(value)))}" for key, value in fields.items()]
        text = " ".join(parts)
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def _printable(text: str) -> str:
    """``text`` with everything that could move a cursor or begin a new line written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class QueueFront(logging.handlers.QueueHandler):
    """Hands records over without blocking; counts what does not fit."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        # The stock method folds the traceback into the message and throws the structured form away.
        record.msg, record.args = record.getMessage(), None
        if not hasattr(record, "request_id") and (rid := request_id.get()):
            record.request_id = rid
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            counters.dropped += 1

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the base class's name)
        counters.failed += 1


class Quiet(logging.Filter):
    """Third-party records that carry what a client sent: Tornado's parser quotes the offending header, and its access
    lines contain the query string. We write our own access line."""

    def filter(self, record: logging.LogRecord) -> bool:
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


class _Sink:
    """What every writing handler shares: a failing write is counted and never printed."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the base class's name)
        counters.failed += 1


class _Stderr(_Sink, logging.StreamHandler[Any]):
    """With ``turn``, a file that the processes share, they write one after the other: a pipe takes a line of more than
    4 KiB in pieces (pipe(7), PIPE_BUF), and others' lines would come to lie between them."""

    def __init__(self, stream: Any, turn: int | None = None) -> None:
        super().__init__(stream)
        self._turn = turn

    def emit(self, record: logging.LogRecord) -> None:
        if self._turn is None:
            super().emit(record)
            return
        fcntl.lockf(self._turn, fcntl.LOCK_EX)
        try:
            super().emit(record)
        finally:
            fcntl.lockf(self._turn, fcntl.LOCK_UN)


class _File(_Sink, logging.handlers.WatchedFileHandler):
    """Re-opens the file when a rotation has moved it."""


class _Direct(_Stderr):
    """For a process without a writing thread: what a pipe that nobody reads does not take at once is dropped."""

    def emit(self, record: logging.LogRecord) -> None:
        if select.select([], [self.stream], [], 0)[1]:
            super().emit(record)
        else:
            counters.dropped += 1


_listener: logging.handlers.QueueListener | None = None

_LEVELS = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
}


def formatter(kind: str, processes: bool = False) -> logging.Formatter:
    """The formatter for ``json`` or ``text``; with ``processes`` each line says which one wrote it."""
    if kind == "text":
        return _Text(processes)
    names = {"asctime": "time", "levelname": "level", "name": "logger"}
    made = _Json(
        "%(asctime)s %(levelname)s %(name)s %(message)s" + (" %(process)d" if processes else ""),
        rename_fields=names,
        json_ensure_ascii=True,
    )
    made.converter = time.gmtime
    made.default_time_format, made.default_msec_format = "%Y-%m-%dT%H:%M:%S", "%s.%03dZ"
    return made


def setup(level: str, kind: str, filename: str = "", *, turn: int | None = None) -> None:
    """Route all logging through the queue to standard error and, if named, a file. Raises ``OSError`` if the file
    cannot be opened.

    Where several processes write, ``turn`` is a file that they share, and each line says who wrote it.
    """
    sinks = _sinks(_Stderr(sys.stderr, turn), filename, formatter(kind, processes=turn is not None))
    records: queue.Queue[Any] = queue.Queue(QUEUE_SIZE)
    listener = logging.handlers.QueueListener(records, *sinks)
    _route(level, QueueFront(records))
    listener.start()
    global _listener
    if _listener is None:
        atexit.register(stop)
    _listener = listener


def setup_direct(level: str, kind: str, filename: str = "") -> None:
    """The same without a thread, for a process that forks others: a thread may hold a lock at that moment. Raises
    ``OSError``."""
    _route(level, *_sinks(_Direct(sys.stderr), filename, formatter(kind, processes=True)))


def _sinks(stderr: logging.Handler, filename: str, form: logging.Formatter) -> list[logging.Handler]:
    sinks = [stderr]
    if filename:
        sinks.append(_File(filename, encoding="utf-8"))
    for sink in sinks:
        sink.setFormatter(form)
    return sinks


def _route(level: str, *fronts: logging.Handler) -> None:
    """Make these the handlers of everything."""
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    for front in fronts:
        front.addFilter(Quiet())
        root.addHandler(front)
    root.setLevel(_LEVELS[level])
    for noisy in ("asyncio", "watchdog"):
        logging.getLogger(noisy).setLevel(max(_LEVELS[level], logging.INFO))
    logging.raiseExceptions = False
    logging.captureWarnings(True)


def stop() -> None:
    """Write what is queued, but not for ever: a sink that blocks must not keep the process from ending."""
    global _listener
    listener, _listener = _listener, None
    if listener is None:
        return
    worker = threading.Thread(target=listener.stop, daemon=True)
    worker.start()
    worker.join(2.0)
    if not worker.is_alive():
        for sink in listener.handlers:
            sink.close()
