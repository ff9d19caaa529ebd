"""The log outlives what happens to its file: it is tried again, the other sink goes on, and somebody is told."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.telemetry.log_lines import MAX_ITEMS, MAX_LINE, formatter
from llm_proxy.telemetry.log_writer import FileSink, Outlet, Writer, counters
from tests.support.client import request
from tests.support.loops import wait_until
from tests.support.program import PATIENCE, Program

DEMO: dict[str, Any] = {"demo": {"demo": {}}}


def record(message: str, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("test", logging.INFO, __file__, 1, message, None, None)
    made.__dict__.update(extra)
    return made


class Memory:
    """A sink that keeps what it is given, or raises ``error``."""

    def __init__(self) -> None:
        self.text = ""
        self.error: BaseException | None = None

    def write(self, lines: str) -> None:
        if self.error is not None:
            raise self.error
        self.text += lines

    def close(self) -> None:
        if self.error is not None:
            raise self.error


def directory_away(folder: Path) -> Callable[[], None]:
    (folder / "logs").rename(folder / "away")
    return lambda: (folder / "logs").mkdir()


def a_directory_in_its_place(folder: Path) -> Callable[[], None]:
    (folder / "logs" / "p.log").unlink()
    (folder / "logs" / "p.log").mkdir()
    return (folder / "logs" / "p.log").rmdir


def a_link_to_nowhere(folder: Path) -> Callable[[], None]:
    (folder / "logs" / "p.log").unlink()
    (folder / "logs" / "p.log").symlink_to(folder / "not" / "there")
    return (folder / "logs" / "p.log").unlink


@pytest.mark.parametrize("damage", [directory_away, a_directory_in_its_place, a_link_to_nowhere])
def test_a_file_that_cannot_be_opened_again(
    tmp_path: Path, damage: Callable[[Path], Callable[[], None]]
) -> None:
    """The lines of that time are counted and the reason is told; afterwards the next line is in the file."""
    (tmp_path / "logs").mkdir()
    path = tmp_path / "logs" / "p.log"
    outlet = Outlet(FileSink(str(path)), "the log file")
    outlet.write("one\n", 1)
    before = counters.failed

    mend = damage(tmp_path)
    outlet.write("two\n", 1)
    outlet.write("three\n", 1)
    assert counters.failed == before + 2
    assert outlet.problem.startswith("the log file cannot be written: ")
    mend()
    outlet.write("four\n", 1)

    assert path.read_text() == "four\n"
    assert not outlet.problem
    outlet.close()


def test_a_rotated_file(tmp_path: Path) -> None:
    """The next line is in the new file, whoever made it."""
    path = tmp_path / "p.log"
    sink = FileSink(str(path))
    sink.write("one\n")
    path.rename(tmp_path / "p.log.1")
    sink.write("two\n")
    path.rename(tmp_path / "p.log.2")
    path.write_text("made by the rotation\n")
    sink.write("three\n")
    sink.close()

    assert (tmp_path / "p.log.1").read_text() == "one\n"
    assert (tmp_path / "p.log.2").read_text() == "two\n"
    assert path.read_text() == "made by the rotation\nthree\n"


def test_a_disk_that_fills_in_the_middle_of_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after it begins on a line of its own."""
    path = tmp_path / "p.log"
    sink = FileSink(str(path))
    real, calls = os.write, []

    def filling(file: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) == 1:
            return real(file, bytes(data[:5]))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", filling)
        with pytest.raises(OSError, match="No space left"):
            sink.write("one\ntwo\n")
    sink.write("three\n")
    sink.close()

    assert path.read_text() == "one\nt\nthree\n"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "I/O error"),
        ValueError("closed"),
        AttributeError("None"),
        MemoryError(),
        RuntimeError(),
    ],
)
def test_a_sink_that_raises_anything(error: Exception) -> None:
    """The other sink has every line, the thread lives, and the next lines arrive where it failed."""
    good, bad = Memory(), Memory()
    writer = Writer(formatter("json"), [Outlet(bad, "bad"), Outlet(good, "good")])
    writer.start()
    bad.error = error
    writer.put(record("lost here"))
    wait(lambda: "lost here" in good.text)
    assert [problem.partition(" cannot")[0] for problem in writer.problems()] == ["bad"]
    bad.error = None
    writer.put(record("back"))
    wait(lambda: "back" in bad.text)

    assert not writer.problems()
    assert "back" in good.text
    bad.error = error
    assert writer.stop()


def wait(condition: Callable[[], bool]) -> None:
    """Until ``condition``, in a thread's time."""
    done = threading.Event()
    for _ in range(2000):
        if condition():
            return
        done.wait(0.005)
    pytest.fail("it never came")


@pytest.mark.parametrize("kind", ["json", "text"])
@pytest.mark.parametrize(
    "field",
    [
        ["x" * 1000] * 1000,
        {f"k{n}": "x" * 1000 for n in range(1000)},
        [[["x" * 1000] * 50] * 50] * 50,
        [[]] * 100_000,
        "x" * 10_000_000,
    ],
    ids=["list", "object", "nested", "empty items", "text"],
)
def test_lines_are_bounded(kind: str, field: Any) -> None:
    """In items and in length, whatever a field holds."""
    line = formatter(kind).format(record("m", odd=field, other=field))

    assert len(line) < 2 * MAX_LINE
    if kind == "json":
        found = json.loads(line)["odd"]
        assert not isinstance(found, list | dict) or len(found) <= MAX_ITEMS + 1


@pytest.mark.parametrize(
    ("dated", "length"), [(True, len("2026-11-26T17:30:00+0000")), (False, len("17:30:00"))]
)
def test_files_carry_dates(dated: bool, length: int) -> None:
    """A text line in a file says which day it was, and in which offset; on a terminal the time will do."""
    assert len(formatter("text", dated=dated).format(record("m")).partition(" ")[0]) == length


async def test_a_log_directory_that_goes_and_comes(tmp_path: Path) -> None:
    """Standard error goes on, /status says what is wrong, and the file has lines again by itself."""
    logs = tmp_path / "logs"
    logs.mkdir()
    async with Program(tmp_path, DEMO, log_filename=logs / "p.log") as program:

        async def report() -> dict[str, Any]:
            found: dict[str, Any] = (await request(program.url, "GET", "/status")).json()["log"]
            return found

        logs.rename(tmp_path / "away")
        seen = len(program.lines("request"))
        await report()
        await wait_until(lambda: len(program.lines("request")) > seen, PATIENCE)
        broken = await report()
        logs.mkdir()
        await report()
        await wait_until(lambda: (logs / "p.log").exists() and (logs / "p.log").stat().st_size > 0, PATIENCE)
        mended = await report()

    assert broken["failed"] >= 1
    assert broken["problems"] == ["the log file cannot be written: No such file or directory"]
    assert mended["problems"] == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_stop_on_a_full_disk_is_a_clean_one(tmp_path: Path, workers: int) -> None:
    """Requests are served, lines are counted, and SIGTERM ends with 0."""
    async with Program(tmp_path, DEMO, log_filename="/dev/full", workers=workers) as program:
        status = (await request(program.url, "GET", "/status")).json()
        answered = [(await request(program.url, "GET", "/ping")).status for _ in range(3)]
        program.signal(signal.SIGTERM)
        code = await program.ended()

    assert answered == [200] * 3
    assert status["log"]["problems"] in ([], ["the log file cannot be written: No space left on device"])
    assert code == 0
    assert not [line for line in program.plain() if "Traceback" in line]
