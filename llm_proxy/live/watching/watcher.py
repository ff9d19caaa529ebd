"""Notices that files change, and tells the registry to look.

Laws: an event is a hint and never the truth; a slow sweep over the contents finds what no event told, and both only
ever ``touch`` the registry. Watches are compared with the disk at each sweep and after each event that may have moved a
directory, and made anew where they differ. Where inotify cannot be had or has proved blind, the sweep alone does the
work, faster, and the report says so. What the files contain is not known here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from typing import Any, Literal

from llm_proxy.live.background_thread import BackgroundThread
from llm_proxy.live.state.reading import EVERYTHING, Part
from llm_proxy.live.state.registry import Registry
from llm_proxy.live.watching.maintenance import WatchMaintenance, WatchState
from llm_proxy.live.watching.observer import EventLog

log = logging.getLogger(__name__)

Mode = Literal["auto", "inotify", "poll"]

#: Seconds between two sweeps: as a net below inotify; where inotify sees only a part (network file systems); alone.
SLOW, FAST, ALONE = 5.0, 1.0, 0.5
#: A sweep may take this share of one core at most (5,000 prompt files: 0.1 s), and half of the time on a slow disk.
_SHARE = 10
#: Over the prompts a tenth of that while inotify tells of changes, and is only caught by it: each look is made twice, and a gateway
#: with 10,000 prompts would spend a sixth of a core on doing nothing. But the net is there at least once a minute.
_RARELY, _MINUTE = 100, 60.0
#: An event belongs to a change that the sweep noticed if it came so long before or after, in seconds.
_SAME = 0.5
#: Between two comparisons of the watches with the disk, in seconds.
_PAUSE = 0.02
#: A comparison that takes longer is reported and not waited for, in seconds.
_HANGS = 1.0
#: If the sweep noticed what inotify did not tell, everything is watched anew, but not for ever.
_RENEWALS = 3

_SINGLE = (
    "the configuration file is a mount of its own: a file that is replaced outside (most editors do) is never seen "
    "here; mount its directory instead"
)
_DETACHED = (
    "the mounted configuration file was replaced outside: what is read here is the old one, and no edit will be seen until "
    "the mount is made anew; mount its directory instead"
)
_STUCK = "comparing the watches with the disk takes very long; until it ends, sweeps find what inotify does not tell"
_CUT = "there are more directories behind links, or files, than are watched; the sweep looks at the rest"


class Watcher:
    """``start()`` and ``stop()`` on the event loop; ``report()`` at any time."""

    def __init__(self, registry: Registry, mode: Mode = "auto") -> None:
        self._registry = registry
        self._mode = mode
        self._directory = _current_directory()
        self._worker = BackgroundThread("watch-manager")
        self._event_log = EventLog(self._call)
        self._maintenance = WatchMaintenance(
            self._event_log, watching=mode != "poll", follow=registry.sources.follow_links
        )
        #: The comparison that takes very long, if one does.
        self._comparing: asyncio.Future[WatchState] | None = None
        self._wake = asyncio.Event()
        self._ready = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        #: Why the watches should be compared with the disk soon, if so: inotify said that names came or went, or the
        #: files or the watches are others.
        self._wanted: Literal["", "inotify", "start"] = ""
        self._facts = WatchState()
        self._checked_at: float | None = None
        #: When the next sweep goes over the prompts too, which may cost much more than the configuration.
        self._prompts_at = 0.0
        self._healed = 0
        self._missed = 0

    def start(self) -> None:
        """Begin. A look after the watches stand finds what changed since the first load."""
        self._loop = asyncio.get_running_loop()
        self._registry.still_writing = lambda: self._event_log.still_writing(self._registry.debounce.patience)
        self._registry.on_notice.append(self._on_notice)
        self._registry.on_verdict.append(self._recheck)
        self._task = self._loop.create_task(self._run())

    async def ready(self) -> None:
        """Wait until the watches stand."""
        await self._ready.wait()

    def stop(self) -> None:
        """End; watchdog's threads end on their own soon after."""
        if self._task is not None:
            self._task.cancel()
            self._worker.run(self._maintenance.close)
        self._worker.close()

    @property
    def mode(self) -> str:
        """How changes are noticed now: ``inotify`` (with a slow sweep) or ``poll``."""
        return "poll" if self._mode == "poll" or self._facts.failure else "inotify"

    @property
    def interval(self) -> float:
        """Seconds between two sweeps."""
        return max(self._usual(), _SHARE * self._registry.look_cost, 2 * self._registry.look_seconds)

    def _usual(self) -> float:
        """The same, where a sweep costs nothing."""
        if self.mode == "poll":
            return ALONE
        if self._comparing is not None or (self._mode == "auto" and (self._facts.remote or self._missed)):
            return FAST
        return SLOW

    def report(self) -> dict[str, Any]:
        """For the status endpoint. ``heartbeat``: seconds since watches and contents were last found, or made, good."""
        event_log, now = self._event_log, time.monotonic()
        looked = self._registry.looked_at
        beats = [at for at in (self._checked_at, looked) if at is not None]
        last = (
            {"event": event_log.last, "ago": round(now - event_log.last_at, 3)} if event_log.count else None
        )
        return {
            "mode": self.mode,
            "interval": round(self.interval, 3),
            "heartbeat": round(now - min(beats), 3) if len(beats) == 2 else None,
            "directories": self._facts.directories,
            "events": event_log.count,
            "last_event": last,
            "healed": self._healed,
            "missed": self._missed,
            "detached": self._facts.detached,
            "problems": self._problems(),
        }

    def _problems(self) -> list[str]:
        facts, last_good = self._facts, self._registry.last_good
        single = _DETACHED if facts.detached else _SINGLE if facts.single else ""
        stuck = _STUCK if self._comparing is not None else ""
        found = [facts.failure, single, _CUT if facts.cut else "", stuck, self._registry.prompts.problem]
        if self._missed:
            found.append("the sweep has noticed changes that inotify did not tell")
        if last_good is not None:
            found.append(last_good.problem)
        return [problem for problem in found if problem]

    def _call(self) -> None:
        """In watchdog's threads."""
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._heard)

    def _heard(self) -> None:
        pending = self._event_log.take()
        if pending.parts:
            self._registry.touch("inotify", pending.parts)
        if pending.names:
            self._wanted = "inotify"
            self._wake.set()

    def _recheck(self) -> None:
        if self.mode == "inotify":  # without watches the next sweep is soon enough
            self._wanted = self._wanted or "start"
            self._wake.set()

    async def _run(self) -> None:
        sweep_at, cause = 0.0, "start"
        while True:
            begun = time.monotonic()
            full = begun >= sweep_at
            try:
                await self._check(cause if full else self._wanted or "start", full=full)
                self._ready.set()
            except Exception:  # the watcher must outlive every surprise
                log.exception("the watcher stumbled")
            if full:
                sweep_at, cause = time.monotonic() + self.interval, "sweep"
            await asyncio.sleep(min(max(_PAUSE, 4 * (time.monotonic() - begun)), self.interval))
            await self._sleep(sweep_at)

    async def _sleep(self, until: float) -> None:
        """Until then, or until the watches may have to be others."""
        if not self._wanted:
            self._wake.clear()
            try:
                async with asyncio.timeout(max(0.0, until - time.monotonic())):
                    await self._wake.wait()
            except TimeoutError:
                return

    async def _check(self, cause: str, *, full: bool) -> None:
        """Compare the watches with the disk, make them good, and have the files looked at: in any case if it is a
        ``full`` check, else if a watch is new or a path leads elsewhere."""
        self._wanted = ""
        sources = self._registry.sources
        files = [
            os.path.join(self._directory, path)
            for path in (
                str(sources.models_config),
                *([str(sources.access)] if sources.access is not None else ()),
                *self._registry.secret_files,
            )
        ]
        tree = os.path.join(self._directory, sources.prompts_dir)
        facts = await self._compared(files, tree, full)
        if facts is not None:
            before, self._facts, self._checked_at = self._facts, facts, time.monotonic()
            self._tell(before, facts, cause)
            if facts.made or facts.moved:
                self._registry.touch(cause)
                return
        if full:
            self._registry.touch(cause, self._swept())

    async def _compared(self, files: list[str], tree: str, full: bool) -> WatchState | None:
        """What the comparison shows; None if it takes very long. Then it is asked again for what came of it."""
        running = self._comparing
        comparing = running or self._worker.run(self._maintenance.compare, files, tree, full)
        await asyncio.wait([comparing], timeout=0.0 if running else _HANGS)
        if not comparing.done():
            if running is None:
                log.warning(_STUCK)
            self._comparing = comparing
            return None
        self._comparing = None
        return comparing.result()

    def _swept(self) -> frozenset[Part]:
        """The parts that a sweep goes over: prompts at their own pace."""
        now = time.monotonic()
        if now < self._prompts_at:
            return frozenset({"config"})
        reader = self._registry.prompts.reader
        told = self.mode == "inotify" and self._usual() == SLOW
        self._prompts_at = now + prompts_pause(reader.cost, reader.seconds, told=told)
        return EVERYTHING

    def _tell(self, before: WatchState, facts: WatchState, cause: str) -> None:
        """Log what is worth it."""
        if facts.failure and not before.failure:
            log.warning("inotify cannot be used, polling instead", extra={"problem": facts.failure})
        if before.failure and not facts.failure:
            log.info("inotify can be used again")
        if facts.detached and not before.detached:
            log.warning(_DETACHED)
        elif facts.single and not before.single:
            log.warning(_SINGLE)
        if facts.dead:
            self._healed += facts.dead
            level = logging.WARNING if cause == "sweep" else logging.INFO
            log.log(level, "watches were dead and have been renewed", extra={"count": facts.dead})

    def _on_notice(self, cause: str) -> None:
        if cause == "sweep" and self.mode == "inotify" and self._loop is not None:
            self._loop.call_later(_SAME, self._doubt, time.monotonic(), self._healed)

    def _doubt(self, noticed: float, healed: int) -> None:
        """The sweep noticed a change. If inotify has said nothing around that time, it is blind."""
        if self._event_log.hint_at > noticed - _SAME or self._healed != healed or self._task is None:
            return
        self._missed += 1
        log.warning("the sweep noticed a change that inotify did not tell", extra={"missed": self._missed})
        if self._missed <= _RENEWALS and not self._task.done():
            self._worker.run(self._maintenance.close)
            self._recheck()


def prompts_pause(cost: float, seconds: float, *, told: bool) -> float:
    """Seconds until the prompts are swept again, if that took so much CPU and so long; ``told``: inotify tells of changes too."""
    share = min(_RARELY * cost, max(_SHARE * cost, _MINUTE)) if told else _SHARE * cost
    return max(share, 2 * seconds)


def _current_directory() -> str:
    """Where relative paths begin; the root if it has been removed, since nothing can lie there then."""
    try:
        return os.getcwd()
    except OSError:
        return os.sep
