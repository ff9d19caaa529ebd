"""From a log record to one line of text: JSON for machines, or words for people.

Laws: whatever is in a record, the line is one line, finite and bounded; nothing in it can move a cursor. Both
formatters may be called for each request, so what does not depend on the record is made once.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Mapping
from itertools import islice
from typing import Any

from pydantic_core import to_json
from pythonjsonlogger.json import JsonFormatter

from llm_proxy.telemetry.access_template import AccessTemplate

#: Longest text of one field, in characters. A hostile path or model name must not fill the disk.
MAX_FIELD = 2_000
#: Most items of a list or an object in a field, and how deep they may lie in each other.
MAX_ITEMS = 50
MAX_DEPTH = 5
#: Longest line in characters, before it is escaped; the fields of a longer one are cut to a tenth of what they may be.
MAX_LINE = 32_000

#: The end of each time.
_MILLISECONDS = tuple(f".{number:03d}Z" for number in range(1000))
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def clean(value: Any, text: int = MAX_FIELD, items: int = MAX_ITEMS, depth: int = MAX_DEPTH) -> Any:
    """``value`` fit for one line of log: cut to limits, finite, no object of ours by accident."""
    kind = type(value)
    if kind is str and len(value) <= text and value.isascii():
        return value
    if kind is int or kind is bool or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict | list | tuple) and not depth:
        return "..."
    if isinstance(value, dict):
        some = islice(value.items(), items)
        short = {clean(str(k), text): clean(v, text, items, depth - 1) for k, v in some}
        return {**short, "...": f"{len(value) - items} more"} if len(value) > items else short
    if isinstance(value, list | tuple):
        first = [clean(item, text, items, depth - 1) for item in value[:items]]
        return [*first, f"... and {len(value) - items} more"] if len(value) > items else first
    written = str(value)
    if len(written) > text:
        written = written[:text] + "..."
    return written.encode("utf-8", "replace").decode()


def bounded(fields: dict[str, Any]) -> dict[str, Any]:
    """``fields``, clean, and together no more than a line may hold."""
    shown = {name: clean(value) for name, value in fields.items()}
    if sum(map(_weight, shown.values())) <= MAX_LINE:
        return shown
    shown = {name: clean(value, MAX_FIELD // 10, MAX_ITEMS // 10) for name, value in shown.items()}
    return {**dict(islice(shown.items(), MAX_ITEMS)), "cut": True}


def _weight(value: Any) -> int:
    """Characters of a clean value, more or less."""
    if isinstance(value, dict):
        return sum(len(k) + _weight(v) for k, v in value.items())
    return sum(map(_weight, value)) if isinstance(value, list) else len(str(value))


class JsonLines(JsonFormatter):
    """One JSON object a line; ASCII only, so that no terminal or line splitter can be tricked."""

    #: For the few lines that are not ASCII; ``json.dumps`` would make an encoder for each.
    _encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
    #: A second and how it is written: one value, since the loop's thread asks for it as well as the writer's.
    _stamp: tuple[int, str] = (-1, "")

    def __init__(self, processes: bool) -> None:
        super().__init__("%(asctime)s")
        #: Who writes; None if nobody else does. A formatter is made in the process that uses it.
        self._process = os.getpid() if processes else None
        self._template = AccessTemplate(self._process)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 (the base class's name)
        return self._written(record.created)

    def _written(self, created: float) -> str:
        """A time, in seconds, as it is written."""
        second = int(created)
        known, stamp = self._stamp
        if second != known:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._stamp = second, stamp
        return stamp + _MILLISECONDS[int((created - second) * 1000)]

    def usual_line(self, base: tuple[Any, ...], facts: Mapping[str, Any]) -> str | None:
        """The same of a usual request, in half the time; see ``AccessTemplate``."""
        return self._template.line(self._written(time.time()), base, facts)

    def access_line(self, fields: dict[str, Any]) -> str | None:
        """The line of one request, in a tenth of the time that its record takes; None if it has to be looked at field by
        field. It says what an ``AccessRecord`` would."""
        line: dict[str, Any] = {
            "time": self._written(time.time()),
            "level": "INFO",
            "logger": "llm_proxy.access",
            "message": "request",
        }
        if self._process is not None:
            line["process"] = self._process
        line |= fields
        return _plain(line)

    def format(self, record: logging.LogRecord) -> str:
        # Not the base class's way, which copies the fields four times.
        line: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": clean(record.getMessage()),
        }
        if self._process is not None:
            line["process"] = self._process
        if record.exc_info:
            line["exc_info"] = clean(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack_info"] = clean(self.formatStack(record.stack_info))
        line |= bounded({name: value for name, value in record.__dict__.items() if name not in _STANDARD})
        written = to_json(line)
        return written.decode() if written.isascii() else self._encode(line)


def _plain(line: dict[str, Any]) -> str | None:
    """``line`` as JSON without a look at each of its fields, if none can be odd: in a short line none is long."""
    try:
        written = to_json(line)
    except ValueError:
        return None
    odd = (
        len(written) > MAX_FIELD
        or not written.isascii()
        or written.find(b"Infinity") >= 0
        or written.find(b"NaN") >= 0
    )
    return None if odd else written.decode()


class TextLines(logging.Formatter):
    """For people: time, level, message, then the fields as ``key=value``; control characters are escaped. ``dated``: the
    time with its day and its offset from UTC, for whoever reads it elsewhere."""

    def __init__(self, processes: bool, dated: bool) -> None:
        super().__init__()
        self._who = f"[{os.getpid()}] " if processes else ""
        self._stamp = "%Y-%m-%dT%H:%M:%S%z" if dated else "%H:%M:%S"

    def format(self, record: logging.LogRecord) -> str:
        if "plain" in record.__dict__:
            return _printable(clean(record.getMessage()))
        stamp = time.strftime(self._stamp, time.localtime(record.created))
        fields = {k: v for k, v in record.__dict__.items() if k not in _STANDARD and v not in (None, "")}
        message = clean(record.getMessage())
        parts = [f"{stamp} {record.levelname:<5} {self._who}{_printable(message)}"]
        parts += [f"{key}={_printable(str(value))}" for key, value in bounded(fields).items()]
        text = " ".join(parts)
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def _printable(text: str) -> str:
    """``text`` with everything that could move a cursor or begin a new line written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def formatter(kind: str, processes: bool = False, dated: bool = True) -> logging.Formatter:
    """The formatter for ``json`` or ``text``; with ``processes`` each line says which one wrote it; ``dated`` is about
    text only."""
    return TextLines(processes, dated) if kind == "text" else JsonLines(processes)
