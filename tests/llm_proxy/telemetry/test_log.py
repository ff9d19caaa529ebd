"""Logging that cannot hurt."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.telemetry import log as logs
from llm_proxy.telemetry.log_lines import MAX_FIELD, JsonLines, formatter
from llm_proxy.telemetry.log_writer import Writer
from llm_proxy.wire.calls import Secret


@pytest.fixture
def fresh_logging() -> Iterator[None]:
    """The root logger and the switches that ``setup`` turns, put back afterwards."""
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    yield
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    logging.raiseExceptions = raising
    logging.captureWarnings(False)


def record(message: str, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("test", logging.INFO, __file__, 1, message, None, None)
    made.__dict__.update(extra)
    return made


HOSTILE = ["a\nb", "\x1b[31mred", "\u2028x", 'quote"', "\x00", "x" * 1_000_000, "\ud800"]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("kind", ["json", "text"])
def test_hostile_text_stays_one_line(text: str, kind: str) -> None:
    """No field can begin a new line, move a cursor or fill the disk."""
    line = formatter(kind).format(record("request", path=text))

    assert (line.isprintable() and line.isascii()) or kind == "text"
    assert "\n" not in line
    assert "\x1b" not in line
    assert "\u2028" not in line
    assert len(line) < 3 * MAX_FIELD
    line.encode()


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"dropped": ["logit_bias", "user"], "stream": True, "client_ms": 0.5, "detail": None},
        {"detail": "Infinity"},
        {"first_byte_ms": math.inf},
        {"itl_ms": math.nan},
        {"path": Path("/")},
        {"path": {1: 2}},
        *({"path": text} for text in HOSTILE),
    ],
    ids=repr,
)
@pytest.mark.parametrize("processes", [False, True])
def test_an_access_line_is_a_line_as_any_other(odd: dict[str, Any], processes: bool) -> None:
    """It is written in a shorter way, which makes no difference, whatever is in it."""
    fields = {"request_id": "a", "status": 200, "total_ms": 1.5, **odd}
    access = logs.AccessRecord(fields)
    usual = record("request", **fields)
    usual.name, usual.created = "llm_proxy.access", access.created

    form = formatter("json", processes)
    assert form.format(access) == form.format(usual)
    assert isinstance(form, JsonLines)
    at_once = form.access_line(fields)
    assert at_once is not None or odd
    if at_once is not None:
        found, expected = json.loads(at_once), json.loads(form.format(usual))
        assert list(found) == list(expected)
        assert {**found, "time": ""} == {**expected, "time": ""}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_lines_hold_no_nan(value: float) -> None:
    """NaN is not JSON, so it is written as null."""
    line = formatter("json").format(record("request", first_byte_ms=value))

    assert json.loads(line, parse_constant=pytest.fail)["first_byte_ms"] is None


def test_a_secret_prints_as_stars() -> None:
    """A secret that finds its way into a field is not shown, in either format."""
    for kind in ("json", "text"):
        line = formatter(kind).format(record("x", token=Secret("hunter2-in-a-field")))
        assert "***" in line
        assert "hunter2" not in line


def test_setup_writes_to_the_file(tmp_path: Path, fresh_logging: None) -> None:
    """Records reach the file as JSON lines with level, logger and fields; DEBUG is left out at INFO."""
    path = tmp_path / "proxy.log"
    logs.setup("INFO", "json", str(path))
    logging.getLogger("somewhere").info("request", extra={"status": 200})
    logging.getLogger("somewhere").debug("not this")
    logs.stop()

    (line,) = path.read_text().splitlines()
    found = json.loads(line)
    assert (found["message"], found["status"], found["level"], found["logger"]) == (
        "request",
        200,
        "INFO",
        "somewhere",
    )


def test_a_full_queue_drops_and_counts() -> None:
    """Nobody waits for a log sink: what does not fit is counted."""
    before = logs.counters.dropped
    handler = logs.QueueHandler(Writer(formatter("json"), [], size=1).put)
    handler.handle(record("one"))
    handler.handle(record("two"))

    assert logs.counters.dropped == before + 1


def test_parser_messages_lose_their_quotes() -> None:
    """Tornado quotes the offending header in its message; a header may be a credential."""
    quoted = record("Malformed HTTP message from %s: %s")
    quoted.name, quoted.args = "tornado.general", ("1.2.3.4", "Invalid header value 'Bearer sk-planted'")

    assert logs.NoiseFilter().filter(quoted)
    assert "sk-planted" not in quoted.getMessage()


def test_watchdog_may_be_stopped_in_the_middle_of_an_event() -> None:
    """It calls that an error; nobody else needs to."""
    late = record("InotifyEmitter.queue_events() called when the thread is inactive")
    late.name = "watchdog.observers.inotify"
    other = record("anything else")
    other.name = late.name

    assert not logs.NoiseFilter().filter(late)
    assert logs.NoiseFilter().filter(other)
