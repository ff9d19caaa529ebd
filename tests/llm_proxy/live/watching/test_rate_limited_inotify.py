"""watchdog under a flood: the same events are one, and those that matter all arrive."""

from __future__ import annotations

import os
import struct
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyConstants as Kind

from llm_proxy.live.watching.rate_limited_inotify import RateLimitedFD, RateLimitedObserver, distinct
from tests.support.loops import wait_until


def raw(wd: int, mask: int, name: bytes, cookie: int = 0) -> bytes:
    """One event as the kernel writes it."""
    padded = name + b"\0" * (16 - len(name)) if name else b""
    return struct.pack("iIII", wd, mask, cookie, len(padded)) + padded


def names(buffer: bytes) -> list[tuple[int, bytes]]:
    return [(event.mask, event.name) for event in distinct(buffer)]


def test_the_same_event_is_one() -> None:
    """Of many in one read the last stays, in its place: a file is open or closed as it was left."""
    write, close = int(Kind.IN_MODIFY), int(Kind.IN_CLOSE_WRITE)
    buffer = raw(1, write, b"log") + raw(1, close, b"log")

    assert names(buffer * 1000) == [(write, b"log"), (close, b"log")]
    assert names(buffer * 1000 + raw(1, write, b"log")) == [(close, b"log"), (write, b"log")]


def test_different_events_stay_apart() -> None:
    """Another watch, kind or name is another event, and the order stays."""
    write = int(Kind.IN_MODIFY)
    buffer = (
        raw(1, write, b"a") + raw(2, write, b"a") + raw(1, int(Kind.IN_DELETE), b"a") + raw(1, write, b"b")
    )

    assert len(distinct(buffer)) == 4
    assert [event.wd for event in distinct(buffer)] == [1, 2, 1, 1]


def test_books_are_kept() -> None:
    """Events about directories and watches are never merged; watchdog counts on each."""
    made = int(Kind.IN_CREATE | Kind.IN_ISDIR)
    ignored = int(Kind.IN_IGNORED)

    assert len(distinct(raw(1, made, b"d") * 3 + raw(1, ignored, b"") * 2)) == 5


def test_overflow_is_told() -> None:
    """It has no watch, and still counts; other events without a watch do not; half an event at the end is none."""
    buffer = raw(-1, int(Kind.IN_Q_OVERFLOW), b"") + raw(-1, int(Kind.IN_MODIFY), b"x") + b"\0" * 5

    assert [event.mask for event in distinct(buffer)] == [Kind.IN_Q_OVERFLOW]


def test_overflow_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked to know is called."""
    called: list[bool] = []
    reader = RateLimitedFD(lambda: called.append(True))
    monkeypatch.setattr(reader, "_read_event_buffer", lambda size: raw(-1, int(Kind.IN_Q_OVERFLOW), b""))
    reader.read_events()
    reader._close_resources()

    assert called == [True]


def test_it_is_what_watchdog_would_use(tmp_path: Path) -> None:
    """The calm observer is the stock one of this platform with another reader: a new watchdog that no longer fits
    fails here."""
    stock: Any = Observer
    observer = RateLimitedObserver(lambda: None)
    try:
        assert isinstance(observer, stock)
        assert type(observer._inotify_fd) is RateLimitedFD
        assert observer.is_reading
    finally:
        observer._inotify_fd.stop()
        observer._inotify_fd.join()


class Ear(FileSystemEventHandler):
    """Counts, and remembers renames."""

    def __init__(self) -> None:
        self.count = 0
        self.moved: list[str] = []

    def on_any_event(self, event: FileSystemEvent) -> None:
        self.count += 1
        if event.event_type == "moved":
            self.moved.append(os.fsdecode(event.dest_path))


async def test_a_flood(tmp_path: Path) -> None:
    """A hundred thousand events of a neighbour become few, and a rename in their middle is told soon."""
    handler, stop = Ear(), threading.Event()
    observer = RateLimitedObserver(lambda: None)
    observer.start()
    observer.schedule(handler, str(tmp_path))
    written = [0]

    def write() -> None:
        while not stop.is_set():
            with (tmp_path / "log").open("a") as file:
                file.write("x")
            written[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    begun = time.monotonic()
    try:
        await wait_until(lambda: written[0] > 3000, 20)
        (tmp_path / "new").write_text("x")
        os.replace(tmp_path / "new", tmp_path / "target")
        await wait_until(lambda: handler.moved == [str(tmp_path / "target")])
    finally:
        stop.set()
        writer.join()
        elapsed = time.monotonic() - begun
        observer.stop()
        observer.join()

    # Each read brings at most: opened, modified, closed, of the file and its directory; the bound is the reads'.
    assert handler.count < (8 + elapsed / 0.01) * 8 + 20


async def test_a_file_that_is_moved_away_holds_nothing_up(tmp_path: Path) -> None:
    """Stock watchdog keeps all later events of a directory for half a second after one file was moved out of it."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("x")
    handler = Ear()
    observer = RateLimitedObserver(lambda: None)
    observer.start()
    observer.schedule(handler, str(tmp_path / "in"))
    (emitter,) = observer.emitters
    assert isinstance(emitter, InotifyEmitter)
    assert emitter._inotify is not None
    delay = emitter._inotify._move_event_grouper._queue.delay
    try:
        os.rename(tmp_path / "in" / "a", tmp_path / "out")
        (tmp_path / "in" / "b").write_text("x")
        os.rename(tmp_path / "in" / "b", tmp_path / "in" / "c")
        await wait_until(lambda: handler.moved)
    finally:
        observer.stop()
        observer.join()

    assert 0 < delay < 0.1
