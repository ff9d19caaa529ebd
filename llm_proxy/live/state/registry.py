"""The truth about the configuration: one immutable snapshot that is replaced by a single assignment.

Laws: a failed load changes nothing; a request takes ``registry.current`` once and lives with it to its last byte. A
hint (``touch``) only starts a look at the files; the last state on disk always wins, and a hint during a look makes it
look once more. Only changed content counts, it is judged after a quiet moment, and each verdict is said once. What
blocks runs in a worker thread: a file system that hangs leaves the old state serving and ``pending`` shown. Prompts that
take long are left as they were, and told when they are there; the configuration does not wait for them. How a change is
noticed is not known here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from llm_proxy.live.background_thread import BackgroundThread
from llm_proxy.live.config.catalog import Catalog
from llm_proxy.live.state.generations import Generations
from llm_proxy.live.state.last_good import LastGood
from llm_proxy.live.state.reading import EVERYTHING, Mark, Part, Sources, light
from llm_proxy.live.state.reload_outcome import Outcome, State, tell_applied, tell_rejected
from llm_proxy.live.state.snapshot import (
    Snapshot,
    api_types,
    keeping_lists,
    load_snapshot,
    problem_lines,
    prompt_problems,
    without_files,
)
from llm_proxy.live.watching.debounce import Change, DebounceTimes, due
from llm_proxy.live.watching.hints import WATCHER, Hints, first_cause
from llm_proxy.live.watching.late_prompts import LatePrompts
from llm_proxy.live.watching.reload_steps import Found, Known, Look, ReloadSteps, Waits

__all__ = [
    "EVERYTHING",
    "Outcome",
    "Registry",
    "Snapshot",
    "Sources",
    "State",
    "api_types",
    "load_snapshot",
    "problem_lines",
]

log = logging.getLogger(__name__)
T = TypeVar("T")

#: A look that takes longer is reported, in seconds.
_HANGS = 3.0
_HANGING = "reading the files takes very long; the last good configuration goes on"


class Registry:
    """Holds the current snapshot and replaces it. Everything is called on the event loop.

    ``outcome`` is given when ``first`` is not what lies on disk (a start from the last good copy).
    """

    def __init__(
        self,
        sources: Sources,
        first: Snapshot,
        *,
        outcome: Outcome | None = None,
        generations: Generations | None = None,
        last_good: LastGood | None = None,
    ) -> None:
        self.sources = sources
        self.current = first = without_files(first)
        self.last_good = last_good
        #: The prompts that are being read, and what is to be said of them.
        self.prompts = LatePrompts(lambda cause: self._touch(cause, frozenset({"prompts"})))
        self._looker = ReloadSteps(sources, generations, self.prompts.reader)
        self.debounce = DebounceTimes()
        #: Whether ``current`` comes from the last good copy and not from the operator's files.
        self.on_last_good = outcome is not None
        self._settled = outcome or Outcome(
            "applied", prompt_problems(first), "start", time.time(), first.reading.file_hash
        )
        self.outcome = self._settled
        #: Called with the new snapshot right after it was swapped in.
        self.on_swap: list[Callable[[Snapshot], None]] = []
        #: Called with it and with all that it was made of; whoever keeps it must not stop an edit.
        self.on_accepted: list[Callable[[Snapshot], None]] = []
        #: Called with the cause when a look has found changed content.
        self.on_notice: list[Callable[[str], None]] = []
        #: Called when a verdict has fallen, whatever it is.
        self.on_verdict: list[Callable[[], None]] = []
        #: Called when there is nothing more to be judged and told.
        self.on_rest: list[Callable[[], None]] = []
        #: Says whether somebody is known to have one of our files open for writing.
        self.still_writing: Callable[[], bool] = lambda: False
        #: When the last look at the configuration ended (monotonic), and what it took, in CPU time and by the clock.
        self.looked_at: float | None = None
        self.look_cost, self.look_seconds = 0.0, 0.0
        #: What was judged last, and what was seen last.
        self._judged = replace(first.reading, mark=Mark()) if self.on_last_good else first.reading
        self._seen = first.reading
        self._doubtful = False
        self._change: Change | None = None
        self._hints = Hints()
        self._worker = BackgroundThread("config-loader")
        self._keeper = BackgroundThread("last-good")
        self._wake = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def secret_files(self) -> tuple[str, ...]:
        """The files that the configuration takes secrets from, also of a rejected one."""
        return tuple(self._judged.secrets)

    def touch(self, cause: str, parts: frozenset[Part] = EVERYTHING) -> asyncio.Task[None]:
        """Look at ``parts`` of the files soon. The task ends when everything that was seen is judged.

        Who asks by another cause than the watcher's (``signal``, say) waits for no quiet moment.
        """
        self.prompts.asked(parts, hurry=cause != "sweep")
        return self._touch(cause, parts)

    def _touch(self, cause: str, parts: frozenset[Part]) -> asyncio.Task[None]:
        self._hints.add(cause, parts)
        # Another look of the watcher's may be quicker than the event by which the change is told.
        if cause == "inotify" and self._change is not None and self._change.cause in WATCHER:
            self._change = replace(self._change, cause=cause)
        self._wake.set()
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._run())
        return self._running

    async def reload(self, cause: str) -> Outcome:
        """Look at the files, wait for the verdict and return it."""
        await asyncio.shield(self.touch(cause))
        return self.outcome

    def relist(self, seen: Snapshot, catalog: Catalog) -> bool:
        """Let newer lists of the upstreams take effect: ``catalog`` is that of ``seen`` with them. False if another state has
        come meanwhile, and nothing has happened."""
        if self.current is not seen:
            return False
        self.current = replace(seen, catalog=catalog)
        return True

    def close(self) -> None:
        """Let go of the thread."""
        self._closed = True
        self.prompts.close()
        if self._running is not None:
            self._running.cancel()
        self._worker.close()
        self._keeper.close()

    async def _run(self) -> None:
        try:
            await self._settle()
            self._tell(self.on_rest)
        except Exception:  # the next touch, or the next sweep, begins anew
            log.exception("looking at the files failed")
            self._change = None

    async def _settle(self) -> None:
        """Until everything that was seen is judged."""
        while not self._closed:
            now, look_at, judge_at = _now(), self._hints.due_at(), self._due()
            if look_at is not None and now >= look_at:
                await self._look()
            elif judge_at is not None and now >= judge_at:
                await self._judge()
            elif look_at is None and judge_at is None:
                return
            else:
                await self._pause(min(at for at in (look_at, judge_at) if at is not None))

    def _due(self) -> float | None:
        if self._change is None:
            return None
        doubtful = self._doubtful or self.still_writing()
        return due(self._change, self.debounce, doubtful=doubtful, urgent=self._hints.urgent)

    async def _pause(self, until: float) -> None:
        """Sleep until then, or until the next touch."""
        self._wake.clear()
        try:
            async with asyncio.timeout_at(until):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _look(self) -> None:
        """Read what is dirty, and see whether it is new."""
        before, start = self._seen, _now()
        parts, causes = self._hints.take(start)
        fresh = self.prompts.take(parts)
        look = await self._in_thread(self._looker.look, self._known(), parts, fresh)
        now = _now()
        if look.late:
            self.prompts.wait(causes)
        if "config" in parts:
            waited = min(self.prompts.reader.seconds, now - start) if "prompts" in parts else 0.0
            self.looked_at, self.look_cost, self.look_seconds = (
                time.monotonic(),
                look.cost,
                now - start - waited,
            )
            if look.reading.mark == self.current.reading.mark:
                self._keep()  # at start, and again if it failed
        if look.generation != self.current.generation:
            self.current = replace(self.current, generation=look.generation)
        self._see(look, start, causes | self._hints.causes)
        fruitless = look.reading.mark == before.mark
        self._hints.looked(parts - {"prompts"}, now, look.cost, fruitless=fruitless)
        self._hints.looked(parts - {"config"}, now, look.cost + self.prompts.reader.cost, fruitless=fruitless)

    def _see(self, look: Look, began: float, causes: frozenset[str]) -> None:
        """Take note of what lies on disk. The quiet time counts from the beginning of the look: between two readings
        of a file there is as much, however long each look takes."""
        reading, before = look.reading, self._seen
        self._seen, self._doubtful = reading, look.doubtful
        if reading.mark == self._judged.mark:
            if self._hints.urgent:
                log.info("configuration unchanged", extra={"generation": self.current.version})
            self._change, self._hints.urgent, self.outcome = None, False, self._settled
            return
        if self._change is None:
            cause = first_cause(causes)
            self._change = Change(began, began, cause, time.time())
            for listener in self.on_notice:
                listener(cause)
        elif reading.mark != before.mark:
            self._change = self._change.again(began)
        change = self._change
        self.outcome = Outcome("pending", self._settled.problems, change.cause, change.at, reading.file_hash)

    async def _judge(self) -> None:
        """Read everything once more; if it is what was seen before, the verdict falls."""
        change, urgent = self._change, self._hints.urgent
        assert change is not None
        # Where only sweeps look, nobody tells that prompts have changed as well.
        asked = "prompts" in self._hints.parts or change.cause == "sweep"
        self._hints.drop()
        began = _now()
        waits = Waits(began < change.first + self.debounce.storm, began < change.first + self.debounce.doubt)
        found = await self._in_thread(self._looker.verdict, self._known(), waits, asked)
        self.looked_at = time.monotonic()
        if found.late:
            self.prompts.wait(frozenset({change.cause}))
        if isinstance(found, Look):
            self._see(found, began, frozenset({change.cause}))
            return
        # Hints and a signal that came meanwhile have been noted, and lead to another look.
        reading = light(found.reading) if found.snapshot is not None else found.reading
        self._change, self._judged, self._seen = None, reading, reading
        self._hints.urgent = self._hints.urgent and not urgent
        await self._conclude(found, change)

    async def _conclude(self, found: Found, change: Change) -> None:
        """Let the verdict take effect, then tell it."""
        before, old, snapshot = self.current, self._settled, found.snapshot
        if snapshot is not None:
            snapshot = keeping_lists(snapshot, before)
        problems = prompt_problems(snapshot) if snapshot else found.problems
        state: State = "applied" if snapshot else "rejected"
        new = Outcome(state, problems, change.cause, change.at, found.reading.file_hash)
        self._settled = self.outcome = new
        if snapshot is not None:
            self.current, self.on_last_good = without_files(snapshot), False
            if snapshot is not before:
                self._tell(self.on_swap, self.current)
                self._tell(self.on_accepted, snapshot)
        self._tell(self.on_verdict)
        if snapshot is None:
            tell_rejected(before, old, new)
            return
        self._keep(snapshot)
        changes = await self._worker.run(self._looker.changes, before, snapshot)
        tell_applied(before, snapshot, changes, old, new)

    def _keep(self, accepted: Snapshot | None = None) -> None:
        """Have the current state copied, in a thread of its own: a disk that hangs must not stop the next edit."""
        if self.last_good is not None:
            self._keeper.offer(self.last_good.keep, accepted or self.current, self.sources)

    def _tell(self, listeners: list[Callable[..., None]], *what: Snapshot) -> None:
        for listener in listeners:
            try:
                listener(*what)
            except Exception:  # the others must hear of it
                log.exception("a listener failed")

    def _known(self) -> Known:
        return Known(self.current, self._judged, self._seen)

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        """Run in the worker thread; say so if that takes suspiciously long."""
        future = self._worker.run(function, *arguments)
        await asyncio.wait([future], timeout=_HANGS)
        if not future.done():
            settled = self._settled
            self.outcome = replace(settled, state="pending", problems=(*settled.problems, _HANGING))
            log.warning(_HANGING, extra={"generation": self.current.version, "seconds": _HANGS})
        return await future


def _now() -> float:
    return asyncio.get_running_loop().time()
