"""Every log record of the test run: none may show a planted secret, and no test may log an error that it did not
declare.

The watch hangs on ``Logger.callHandlers``, so it sees a record whatever a test does to the root logger's handlers.
Records pass the product's own filter first: what is kept is what a deployment's log would hold at level DEBUG.
"""

from __future__ import annotations

import copy
import logging
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest

from llm_proxy.telemetry import log as product
from tests.support.secrets import found_in

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__)
_TRACEBACK = logging.Formatter()
#: The tests' own clients log whole requests at DEBUG; the product uses none of them.
_CLIENTS = ("anthropic", "httpcore", "httpx", "ollama", "openai")


class LogWatch:
    """The records of the whole run (``file``) and those of the running test."""

    def __init__(self) -> None:
        self.file: TextIO = tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        self.of_test: list[str] = []
        self.unexpected: list[str] = []
        self.expected: list[tuple[str, re.Pattern[str], list[logging.LogRecord]]] = []
        self._patch = pytest.MonkeyPatch()

    def install(self) -> None:
        """See everything from now on."""
        original = logging.Logger.callHandlers

        def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
            self.see(record)
            original(logger, record)

        self._patch.setattr(logging.Logger, "callHandlers", call_handlers)
        self.restore()

    def remove(self) -> None:
        """Stop seeing, and forget."""
        self._patch.undo()
        self.file.close()

    def restore(self) -> None:
        """Undo what ``llm_proxy.telemetry.log.setup`` did in a test: everything is logged, at every level."""
        product.stop()
        root = logging.getLogger()
        for handler in root.handlers[:]:
            if isinstance(handler, product.QueueHandler):
                root.removeHandler(handler)
        for name, level in (("", logging.DEBUG), ("asyncio", logging.NOTSET), ("watchdog", logging.NOTSET)):
            logging.getLogger(name).setLevel(level)
        logging.raiseExceptions = True
        logging.captureWarnings(False)

    def see(self, record: logging.LogRecord) -> None:
        """Keep one record; an undeclared error is remembered for the end of the test."""
        shown = copy.copy(record)
        if record.name.partition(".")[0] not in _CLIENTS and product.NoiseFilter().filter(shown):
            text = render(shown)
            self.of_test.append(text)
            self.file.write(text + "\n")
        for name, pattern, matched in reversed(self.expected):
            if (not name or f"{record.name}.".startswith(f"{name}.")) and pattern.search(record.getMessage()):
                matched.append(record)
                return
        if record.levelno >= logging.ERROR:
            self.unexpected.append(render(record))

    @contextmanager
    def test(self) -> Iterator[None]:
        """Judge one test: fails on an undeclared ERROR record and on a planted secret in any record."""
        self.of_test.clear()
        self.unexpected.clear()
        yield
        self.restore()
        leaked = found_in("\n".join(self.of_test))
        assert not leaked, f"planted secrets in the log: {leaked}"
        assert not self.unexpected, "undeclared errors in the log (see expect_log):\n" + "\n".join(
            self.unexpected
        )

    def leaked(self) -> list[str]:
        """Search the log of the whole run for planted secrets; those found."""
        self.file.flush()
        self.file.seek(0)
        return found_in(self.file.read())


def render(record: logging.LogRecord) -> str:
    """A record with everything that any formatter could print: message, fields, traceback, stack."""
    fields = {k: v for k, v in record.__dict__.items() if k not in _STANDARD}
    text = f"{record.levelname} {record.name}: {record.getMessage()} {fields or ''}"
    if record.exc_info:
        text += "\n" + _TRACEBACK.formatException(record.exc_info)
    return text + (f"\n{record.stack_info}" if record.stack_info else "")


#: The one of this run.
WATCH = LogWatch()


@contextmanager
def expect_log(logger: str, pattern: str, *, required: bool = True) -> Iterator[list[logging.LogRecord]]:
    """Declare records of ``logger`` (or below it; "" is any) whose message matches the regular expression.

    Yields the list of those that came. Fails if none came, unless ``required`` is False.
    """
    matched: list[logging.LogRecord] = []
    entry = (logger, re.compile(pattern), matched)
    WATCH.expected.append(entry)
    try:
        yield matched
    finally:
        WATCH.expected.remove(entry)
    assert matched or not required, f"nothing was logged by {logger!r} that matches {pattern!r}"
