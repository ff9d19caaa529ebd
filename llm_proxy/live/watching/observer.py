"""watchdog, kept on a short lead: it tells that something happened somewhere, and nothing else.

Laws: the handler never raises (that would end watchdog's thread for good), never reads a file and never acts on the
path of an event; it notes, and tells the event loop once until that has listened. A watch is only believed while its
thread lives and its directory is the one that lies at that path. Blocking, but for the handler: for worker threads.
"""

from __future__ import annotations

import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from watchdog import events
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from llm_proxy.live.prompts.files import SUFFIX
from llm_proxy.live.state.reading import EVERYTHING, Part
from llm_proxy.live.watching.roots import Identity, Plan, Root, identity

#: Names that come and go.
_NAMES: list[type[FileSystemEvent]] = [
    events.FileCreatedEvent,
    events.FileDeletedEvent,
    events.FileMovedEvent,
    events.DirCreatedEvent,
    events.DirDeletedEvent,
    events.DirMovedEvent,
]
#: Content that changes; a change of permissions may make a file readable. Not among them: opening and reading, which
#: we do ourselves.
_CONTENT: list[type[FileSystemEvent]] = [
    *_NAMES,
    events.FileModifiedEvent,
    events.FileClosedEvent,
    events.FileAttribEvent,
    events.DirAttribEvent,
]
_NAMES_CHANGE = frozenset({"created", "deleted", "moved"})
#: Open files that are remembered at most.
_MAX_OPEN = 1000


@dataclass(frozen=True, slots=True)
class PendingEvents:
    """What has happened since the last time: which parts may have changed, and whether names came or went."""

    parts: frozenset[Part] = frozenset()
    names: bool = False


class EventLog:
    """What the handlers have heard; shared between watchdog's threads and the event loop.

    ``wake`` is called in watchdog's threads, once until ``take``.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._pending = PendingEvents()
        self._woken = False
        self._open: dict[str, float] = {}
        #: Real paths of files that matter, beside all prompt files.
        self.files: frozenset[str] = frozenset()
        #: How many events there were, which was the last, and when (monotonic).
        self.count = 0
        self.last = ""
        self.last_at = 0.0
        #: When one came that may concern a file of ours (monotonic).
        self.hint_at = 0.0

    def take(self) -> PendingEvents:
        """Everything since the last call."""
        with self._lock:
            pending, self._pending, self._woken = self._pending, PendingEvents(), False
        return pending

    def still_writing(self, seconds: float) -> bool:
        """Whether one of our files was written to within the last ``seconds``, and has not been closed since."""
        since = time.monotonic() - seconds
        with self._lock:
            return any(at > since for at in self._open.values())

    def hear(self, event: FileSystemEvent, root: Root) -> None:
        """Note one event below ``root``."""
        names = event.event_type in _NAMES_CHANGE
        with self._lock:
            self.count += 1
            self.last, self.last_at = event.event_type, time.monotonic()
            if root.parts:
                self.hint_at = self.last_at
            self._note_writer(event)
            self._pending = PendingEvents(self._pending.parts | root.parts, self._pending.names or names)
            wake, self._woken = not self._woken, True
        if wake:
            self._wake()

    def lost(self) -> None:
        """The kernel has dropped events: anything may have happened."""
        with self._lock:
            self._pending = PendingEvents(EVERYTHING, names=True)
            wake, self._woken = not self._woken, True
        if wake:
            self._wake()

    def _note_writer(self, event: FileSystemEvent) -> None:
        path = event.src_path if isinstance(event.src_path, str) else ""
        if event.event_type == "modified" and not event.is_directory:
            if path.endswith(SUFFIX) or path in self.files:
                if len(self._open) >= _MAX_OPEN:
                    self._open.clear()
                self._open[path] = self.last_at
        elif event.event_type != "attrib":
            self._open.pop(path, None)


class _EventHandler(FileSystemEventHandler):
    def __init__(self, event_log: EventLog, root: Root) -> None:
        self._event_log, self._root = event_log, root

    def dispatch(self, event: FileSystemEvent) -> None:
        if event.is_directory and event.event_type == "modified":
            return  # watchdog adds one to each event in a directory
        try:
            self._event_log.hear(event, self._root)
        except Exception:  # noqa: BLE001, S110 (whatever it is, the thread must live; the sweep is the net)
            pass


@dataclass(frozen=True, slots=True)
class _Watched:
    watch: ObservedWatch
    root: Root
    identity: Identity | None


class Watches:
    """Watches the directories of a plan. Raises ``OSError`` when the system's limits do not allow it."""

    def __init__(self, event_log: EventLog) -> None:
        # One RuntimeWarning of several kilobytes for each directory that is made and filled at once.
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"watchdog\.observers")
        self._event_log = event_log
        self._observer = _observer(event_log)
        self._observer.start()
        self._watched: dict[str, _Watched] = {}

    @property
    def is_alive(self) -> bool:
        """Whether watchdog's threads run."""
        return self._observer.is_alive() and getattr(self._observer, "is_reading", True)

    @property
    def directories(self) -> int:
        """How many directories are watched, each with what is below it if it is a tree."""
        return len(self._watched)

    def follow(self, plan: Plan) -> tuple[int, int]:
        """Watch what ``plan`` says: how many watches were dead, or on a directory that is no longer the one at that
        path, and how many were made."""
        self._event_log.files = plan.files
        living = {emitter.watch for emitter in self._observer.emitters if emitter.is_alive()}
        dead = [
            path
            for path, known in self._watched.items()
            if known.watch not in living or plan.identities.get(path, known.identity) != known.identity
        ]
        stale = [path for path, known in self._watched.items() if plan.roots.get(path) != known.root]
        for path in {*dead, *stale}:
            self._observer.unschedule(self._watched.pop(path).watch)
        missing = [path for path in plan.roots if path not in self._watched]
        return len(dead), sum(self._watch(path, plan.roots[path]) for path in missing)

    def _watch(self, path: str, root: Root) -> bool:
        before = identity(path)  # if it is replaced now, the next comparison sees it
        try:
            watch = self._observer.schedule(
                _EventHandler(self._event_log, root),
                path,
                recursive=root.recursive,
                event_filter=_CONTENT if root.parts else _NAMES,
            )
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return False  # gone meanwhile, or not ours to see: the sweep is the net
        self._watched[path] = _Watched(watch, root, before)
        return True

    def check_limit(self) -> None:
        """Raise ``OSError`` if no further directory could be watched: watchdog leaves out the directories of a tree
        that are over the limit without a word."""
        spare = next(path for path in ("/", "/proc", "/usr", "/etc") if path not in self._watched)
        self._observer.unschedule(
            self._observer.schedule(FileSystemEventHandler(), spare, event_filter=_NAMES)
        )

    def stop(self) -> None:
        """End all threads."""
        self._observer.stop()
        self._observer.join()


def _observer(event_log: EventLog) -> BaseObserver:
    """On Linux the one that bears a flood; elsewhere what watchdog has for the system."""
    if sys.platform == "linux":
        from llm_proxy.live.watching.rate_limited_inotify import RateLimitedObserver

        return RateLimitedObserver(event_log.lost)
    else:
        return Observer()
