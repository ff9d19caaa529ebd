"""Keeps the watches what they should be: the part of the watcher that blocks.

Laws: after each comparison every directory of the plan is watched, or the reason why not is told; what failed for want
of resources is tried again later. Nothing here looks at contents, decides what follows, or logs. For one worker
thread.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from llm_proxy.live.files import reason
from llm_proxy.live.watching.mounts import mount_of, mounts
from llm_proxy.live.watching.observer import EventLog, Watches
from llm_proxy.live.watching.roots import Plan, make_plan, trace

#: After inotify failed for want of resources it is tried again so much later, in seconds.
_RETRY = 60.0


@dataclass(frozen=True, slots=True)
class WatchState:
    """What a comparison of the watches with the disk has shown."""

    #: Watches that were made, and watches that were dead before.
    made: int = 0
    dead: int = 0
    #: Whether a path leads elsewhere than before.
    moved: bool = False
    #: Why inotify cannot be used, if so.
    failure: str = ""
    #: Whether changes can come from another machine.
    remote: bool = False
    #: Whether the configuration file is a mount of its own.
    single: bool = False
    #: Whether that mount shows a file that has been replaced, or deleted, outside.
    detached: bool = False
    #: Whether there is more than is watched.
    cut: bool = False
    #: Directories that are watched.
    directories: int = 0


class WatchMaintenance:
    """``compare`` as often as need be, ``close`` in the end. Without ``watching`` it only gathers facts."""

    def __init__(self, event_log: EventLog, *, watching: bool, follow: bool = False) -> None:
        self._event_log = event_log
        self._watching = watching
        self._follow_links = follow
        self._watches: Watches | None = None
        self._failure, self._retry_at = "", 0.0
        self._targets: frozenset[str] = frozenset()

    def compare(self, files: list[str], tree: str, probe: bool) -> WatchState:
        """Make the watches what they should be for ``files`` (the configuration first) and the prompt directory
        ``tree``; with ``probe``, see whether the system's limits still allow all of them."""
        if self._watching and self._watches is None and time.monotonic() >= self._retry_at:
            # First, since a prompt directory may hang.
            self._try(make_plan(files, None), probe=False)
        plan = make_plan(files, tree, follow=self._follow_links)
        table = mounts()
        places = [mount_of(path, table) for path in (*plan.files, trace(tree).real)]
        config = trace(files[0]).real
        dead = made = 0
        if self._watching and (self._watches is not None or time.monotonic() >= self._retry_at):
            dead, made = self._try(plan, probe)
        single = any(mount.point == config for mount in table)
        moved, self._targets = plan.targets != self._targets, plan.targets
        return WatchState(
            made=made,
            dead=dead,
            moved=moved,
            failure=self._failure,
            remote=any(place is not None and place.is_remote for place in places),
            single=single,
            detached=single and _is_nameless(config),
            cut=plan.cut,
            directories=self._watches.directories if self._watches else 0,
        )

    def close(self) -> None:
        """End all watches. ``compare`` makes them anew."""
        watches, self._watches = self._watches, None
        if watches is not None:
            watches.stop()

    def _try(self, plan: Plan, probe: bool) -> tuple[int, int]:
        try:
            found = self._follow(plan, probe)
        except OSError as error:
            self.close()
            self._failure, self._retry_at = reason(error), time.monotonic() + _RETRY
            return 0, 0
        self._failure = ""
        return found

    def _follow(self, plan: Plan, probe: bool) -> tuple[int, int]:
        lost = 0
        if self._watches is not None and not self._watches.is_alive:
            lost = self._watches.directories
            self.close()
        if self._watches is None:
            self._watches = Watches(self._event_log)
        dead, made = self._watches.follow(plan)
        if probe:
            self._watches.check_limit()
        return lost + dead, made


def _is_nameless(path: str) -> bool:
    """Whether the file has no name any more where it came from, which a mount of it outlives (inode(7), ``st_nlink``)."""
    try:
        return os.stat(path).st_nlink == 0
    except OSError:
        return False
