"""The truth about the configuration: one immutable snapshot that is replaced by a single assignment.

Laws: a failed load changes nothing; a request takes ``registry.current`` once and lives with it to its last byte. A
hint (``touch``) only starts a look at the files; the last state on disk always wins, and a hint during a look makes it
look once more. Only changed content counts, it is judged after a quiet moment, and each verdict is said once. What
blocks runs in a worker thread: a file system that hangs leaves the old state serving and ``pending`` shown. How a
change is noticed is not known here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from llm_proxy.last_good import LastGood
from llm_proxy.reading import EVERYTHING, Mark, Part, Reading, Sources, read
from llm_proxy.settling import Change, Rhythm, doubts, due
from llm_proxy.snapshot import (
    Number,
    Snapshot,
    Verdict,
    api_types,
    describe,
    judge,
    load_snapshot,
    problem_lines,
    prompt_problems,
)
from llm_proxy.worker import Worker, short_turns

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

State = Literal["applied", "rejected", "pending"]

#: Looks follow each other after this pause at least, in seconds. After one that found nothing new the pause is also a
#: multiple of what the look took, so that a neighbour's busy log file costs a bounded share of one core.
_PAUSE, _IDLE_PAUSE, _IDLE_SHARE = 0.01, 0.02, 4
#: How a change can be noticed; the first that applies is told.
_CAUSES = ("signal", "inotify", "sweep", "start")
#: A look that takes longer is reported, in seconds.
_HANGS = 3.0
_HANGING = "reading the files takes very long; the last good configuration goes on"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the last change of the files ended, how it was noticed and when. ``problems`` are sentences without any
    value of the files; while ``pending``, they are those of the state before."""

    state: State
    problems: tuple[str, ...] = ()
    cause: str = "start"
    at: float = 0.0
    #: SHA-256 of the configuration file as it lay on disk, also of a rejected one; empty if unreadable.
    file_hash: str = ""


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
        number: Number | None = None,
        last_good: LastGood | None = None,
    ) -> None:
        self.sources = sources
        self.current = first
        self.number = number
        self.last_good = last_good
        self.rhythm = Rhythm()
        #: Whether ``current`` comes from the last good copy and not from the operator's files.
        self.on_last_good = outcome is not None
        self._settled = outcome or Outcome(
            "applied", prompt_problems(first), "start", time.time(), first.reading.file_hash
        )
        self.outcome = self._settled
        #: Called with the new snapshot right after it was swapped in.
        self.on_swap: list[Callable[[Snapshot], None]] = []
        #: Called with the cause when a look has found changed content.
        self.on_notice: list[Callable[[str], None]] = []
        #: Says whether somebody is known to have one of our files open for writing.
        self.still_writing: Callable[[], bool] = lambda: False
        #: Loop time of the last complete look.
        self.looked_at: float | None = None
        #: What was judged last, and what was seen last.
        self._judged = replace(first.reading, mark=Mark()) if self.on_last_good else first.reading
        self._seen = first.reading
        self._doubtful = False
        self._change: Change | None = None
        self._dirty: frozenset[Part] = frozenset()
        self._causes: set[str] = set()
        self._urgent = False
        self._next_look = 0.0
        self._worker = Worker("config-loader")
        self._wake = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def secret_files(self) -> tuple[str, ...]:
        """The files that the configuration takes secrets from, also of a rejected one."""
        return tuple(self._judged.secrets)

    def touch(self, cause: str, parts: frozenset[Part] = EVERYTHING) -> asyncio.Task[None]:
        """Look at ``parts`` of the files soon. The task ends when everything that was seen is judged.

        ``signal`` as the cause waits for no quiet moment.
        """
        self._dirty |= parts
        self._causes.add(cause)
        self._urgent |= cause == "signal"
        self._wake.set()
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._run())
        return self._running

    async def reload(self, cause: str) -> Outcome:
        """Look at the files, wait for the verdict and return it."""
        await asyncio.shield(self.touch(cause))
        return self.outcome

    def close(self) -> None:
        """Let go of the thread."""
        self._closed = True
        if self._running is not None:
            self._running.cancel()
        self._worker.close()

    async def _run(self) -> None:
        while not self._closed:
            now = _now()
            judge_at = self._due()
            if self._dirty and (now >= self._next_look or self._urgent):
                await self._look()
            elif judge_at is not None and now >= judge_at:
                await self._judge()
            elif self._dirty:
                await self._pause(min(self._next_look, judge_at or self._next_look))
            elif judge_at is not None:
                await self._pause(judge_at)
            else:
                return

    def _due(self) -> float | None:
        if self._change is None:
            return None
        doubtful = self._doubtful or self.still_writing()
        return due(self._change, self.rhythm, doubtful=doubtful, urgent=self._urgent)

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
        parts, self._dirty = self._dirty, frozenset()
        causes, self._causes = self._causes, set()
        before = self._seen
        start = _now()
        reading, number = await self._in_thread(self._read, parts)
        now = _now()
        if parts == EVERYTHING:
            self.looked_at = now
        self._see(reading, now, causes)
        if number != self.current.generation:
            self.current = replace(self.current, generation=number)
        if reading.mark == before.mark:
            self._next_look = now + max(_IDLE_PAUSE, _IDLE_SHARE * (now - start))
        else:
            self._next_look = now + max(_PAUSE, now - start)

    def _see(self, reading: Reading, now: float, causes: set[str]) -> None:
        """Take note of what lies on disk."""
        if reading.mark == self._judged.mark:
            if self._urgent:
                log.info("configuration unchanged", extra={"generation": self.current.version})
            self._change, self._urgent = None, False
            self._seen, self.outcome = reading, self._settled
            return
        if self._change is None:
            cause = next((known for known in _CAUSES if known in causes), "sweep")
            self._change = Change(now, now, cause, time.time())
            for listener in self.on_notice:
                listener(cause)
        elif reading.mark != self._seen.mark:
            self._change = self._change.again(now)
        self._doubtful = any(doubts(reading, self._judged))
        self._seen = reading
        self.outcome = Outcome(
            "pending", self._settled.problems, self._change.cause, self._change.at, reading.file_hash
        )

    async def _judge(self) -> None:
        """Read everything once more; if it is what was seen before, the verdict falls."""
        self._dirty, self._causes = frozenset(), set()
        change, urgent = self._change, self._urgent
        assert change is not None
        at_any_rate = _now() >= change.first + self.rhythm.storm
        found = await self._in_thread(self._read_and_judge, self._seen, self._judged, at_any_rate)
        now = _now()
        self.looked_at = now
        if isinstance(found, Reading):
            self._see(found, now, set())
            return
        # Hints and a signal that came meanwhile have been noted, and lead to another look.
        self._change, self._judged, self._seen = None, found.verdict.reading, found.verdict.reading
        self._urgent = self._urgent and not urgent
        if found.verdict.snapshot is None:
            self._reject(found, change)
        else:
            self._accept(found.verdict.snapshot, found.changes, change)

    def _accept(self, snapshot: Snapshot, changes: list[str], change: Change) -> None:
        before, settled = self.current, self._settled
        problems = prompt_problems(snapshot)
        self._settled = self.outcome = Outcome(
            "applied", problems, change.cause, change.at, snapshot.reading.file_hash
        )
        self.current, self.on_last_good = snapshot, False
        facts = {"generation": snapshot.version, "cause": change.cause}
        if snapshot.hash != before.hash:
            log.info("configuration applied", extra={**facts, "changes": changes, "problems": list(problems)})
            for warning in snapshot.config.warnings:
                log.warning("configuration warning", extra={"problem": str(warning)})
        elif settled.state == "rejected":
            log.info("configuration is good again", extra=facts)
        if problems and problems != settled.problems:
            log.warning("some prompt files are not used", extra={**facts, "problems": list(problems)})
        if snapshot is before:
            return
        for listener in self.on_swap:
            try:
                listener(snapshot)
            except Exception:  # the others must hear of it
                log.exception("a listener failed")

    def _reject(self, found: _Found, change: Change) -> None:
        settled = self._settled
        self._settled = self.outcome = Outcome(
            "rejected", found.problems, change.cause, change.at, found.verdict.reading.file_hash
        )
        if settled.state == "rejected" and settled.problems == found.problems:
            return  # said once already
        facts = {"generation": self.current.version, "cause": change.cause, "problems": list(found.problems)}
        log.error("configuration rejected, the last good one goes on", extra=facts)

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        """Run in the worker thread; say so if that takes suspiciously long."""
        future = self._worker.run(function, *arguments)
        await asyncio.wait([future], timeout=_HANGS)
        if not future.done():
            settled = self._settled
            self.outcome = replace(settled, state="pending", problems=(*settled.problems, _HANGING))
            log.warning(_HANGING, extra={"generation": self.current.version, "seconds": _HANGS})
        return await future

    def _read(self, parts: frozenset[Part]) -> tuple[Reading, int]:
        """In the thread: a look, and the number of the current state (other processes may have counted on)."""
        current = self.current
        with short_turns():
            reading = read(self.sources, self._seen, current.prompts, parts)
            number = current.generation
            if reading.mark == current.reading.mark and parts == EVERYTHING:
                if self.number is not None:
                    number = self.number(current.hash, number)
                if self.last_good is not None:
                    self.last_good.keep(current)
        return reading, number

    def _read_and_judge(self, seen: Reading, judged: Reading, at_any_rate: bool) -> Reading | _Found:
        """In the thread: a complete look, and the verdict, unless the files have just become different again.

        With ``at_any_rate`` that is no reason to wait, but doubt still is.
        """
        current = self.current
        with short_turns():
            reading = read(self.sources, seen, current.prompts)
            if reading.mark != seen.mark and (not at_any_rate or any(doubts(reading, judged))):
                return reading
            verdict = judge(self.sources, reading, current, self.number)
            if verdict.snapshot is None:
                assert verdict.error is not None
                return _Found(verdict, tuple(problem_lines(verdict.error)))
            if self.last_good is not None:
                self.last_good.keep(verdict.snapshot)
            same = verdict.snapshot.hash == current.hash
            return _Found(verdict, changes=[] if same else describe(current, verdict.snapshot))


@dataclass(frozen=True, slots=True)
class _Found:
    """A verdict in words."""

    verdict: Verdict
    problems: tuple[str, ...] = ()
    changes: list[str] = field(default_factory=list)


def _now() -> float:
    return asyncio.get_running_loop().time()
