"""watchdog's inotify observer, made to bear a directory in which somebody writes all the time.

Stock watchdog makes four Python objects and three changes of threads of every event: a log file that is opened, written
and closed in a loop costs a core, delays everything else by seconds and holds the interpreter from the event loop. Here
events that say the same are one before watchdog sees them, and under a flood the reader pauses for a moment, so that
more of them come together. Nothing else is changed: an event that is the only one of its kind is always passed on.

Built on internals of watchdog 7.1; a test fails if another version no longer fits.
"""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Callable

from watchdog.observers.api import DEFAULT_OBSERVER_TIMEOUT, BaseObserver
from watchdog.observers.inotify import InotifyEmitter, InotifyObserver
from watchdog.observers.inotify_c import (
    DEFAULT_EVENT_BUFFER_SIZE,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)
from watchdog.observers.inotify_move_event_grouper import InotifyMoveEventGrouper

#: struct inotify_event without the name: wd, mask, cookie, len (inotify(7))
_HEAD = struct.Struct("iIII")
#: Never merged: watchdog keeps its books by events about directories and about watches themselves.
_KEPT = int(InotifyConstants.IN_ISDIR | InotifyConstants.IN_IGNORED | InotifyConstants.IN_DELETE_SELF)
#: So many reads in a row are free; then one is allowed in each pause (seconds).
_FREE, _PAUSE = 8, 0.01
#: How long watchdog holds back a file that was moved away, in case its other half follows; nothing else in that
#: directory is told meanwhile. Stock: 0.5 s. The two halves are adjacent in the kernel's queue.
_MOVE_DELAY = 0.02


class RateLimitedFD(InotifyFD):
    """The thread that reads the inotify descriptor."""

    def __init__(self, on_overflow: Callable[[], None]) -> None:
        super().__init__()
        self._on_overflow = on_overflow
        self._free = float(_FREE)
        self._read_at = time.monotonic()

    def read_events(self, *, event_buffer_size: int = DEFAULT_EVENT_BUFFER_SIZE) -> list[InotifyEvent]:
        """Wait for events and return them, each once."""
        now = time.monotonic()
        self._free = min(_FREE, self._free + (now - self._read_at) / _PAUSE) - 1
        self._read_at = now
        if self._free < 0:
            time.sleep(_PAUSE)
        found = distinct(self._read_event_buffer(event_buffer_size))
        if any(event.mask & InotifyConstants.IN_Q_OVERFLOW for event in found):
            self._on_overflow()
        return found


def distinct(buffer: bytes) -> list[InotifyEvent]:
    """The events in ``buffer``; of several that say the same about the same file, the last, in its place."""
    kept: dict[object, tuple[int, int, int, bytes]] = {}
    place, size = 0, _HEAD.size
    while place + size <= len(buffer):
        wd, mask, cookie, length = _HEAD.unpack_from(buffer, place)
        name = buffer[place + size : place + size + length]
        key = place if mask & _KEPT else (wd, mask, name)
        kept.pop(key, None)
        kept[key] = (wd, mask, cookie, name)
        place += size + length
    return [
        InotifyEvent(WatchDescriptor(wd), Mask(mask), cookie, name.rstrip(b"\0"))
        for wd, mask, cookie, name in kept.values()
        if wd != -1 or mask & InotifyConstants.IN_Q_OVERFLOW
    ]


class RateLimitedObserver(InotifyObserver):
    """``Observer`` with that reader."""

    def __init__(self, on_overflow: Callable[[], None]) -> None:
        InotifyMoveEventGrouper.delay = _MOVE_DELAY
        logging.getLogger("watchdog.observers.inotify").addFilter(_drop_exit_message)
        self._inotify_fd: InotifyFD = RateLimitedFD(on_overflow)
        self._inotify_fd.start()
        BaseObserver.__init__(
            self, InotifyEmitter, timeout=DEFAULT_OBSERVER_TIMEOUT, inotify_fd=self._inotify_fd
        )

    @property
    def is_reading(self) -> bool:
        """Whether the reader's thread runs."""
        return self._inotify_fd.is_alive()


def _drop_exit_message(record: logging.LogRecord) -> bool:
    """Not worth an ERROR: a watch that was ended while its thread was waiting for the next event."""
    return "called when the thread is inactive" not in record.getMessage()
