"""What the registry's thread does: look at the files, judge them, say what an edit did.

Laws: nothing here changes the registry; everything that a result depends on is handed over, and everything that it
leads to is returned. Blocking, and considerate of the event loop.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from llm_proxy.live.background_thread import yielding_gil
from llm_proxy.live.state.generations import Generations
from llm_proxy.live.state.reading import EVERYTHING, Part, Reading, Sources, read
from llm_proxy.live.state.snapshot import Snapshot, describe, judge, problem_lines
from llm_proxy.live.watching.debounce import doubts

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """What the registry knows: the state that serves, what was judged last, and what was seen last."""

    current: Snapshot
    judged: Reading
    seen: Reading


@dataclass(frozen=True, slots=True)
class Look:
    """What lies on disk; ``doubtful``: it may be the middle of an edit. ``generation``: the number of the current state
    now, since other processes may have counted on."""

    reading: Reading
    doubtful: bool
    generation: int
    #: Seconds of CPU time that it took.
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """A verdict: a snapshot, or the problems."""

    reading: Reading
    snapshot: Snapshot | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReloadSteps:
    """``generations`` counts states across processes, if there are several."""

    sources: Sources
    generations: Generations | None = None

    def look(self, known: Known, parts: frozenset[Part]) -> Look:
        """Read ``parts`` of the files."""
        current, begun = known.current, time.thread_time()
        with yielding_gil():
            reading = read(self.sources, known.seen, current.prompts, parts)
            generation = current.generation
            unchanged = reading.mark == current.reading.mark and parts == EVERYTHING
            if unchanged and self.generations is not None:
                generation = self.generations.newer(current.hash, generation)
            doubtful = any(doubts(reading, known.judged))
            return Look(reading, doubtful, generation, time.thread_time() - begun)

    def verdict(self, known: Known, at_any_rate: bool) -> Look | Found:
        """Read everything once more and judge it, unless it has just become different again. With ``at_any_rate``
        that is no reason to wait, but doubt still is."""
        current = known.current
        with yielding_gil():
            reading = read(self.sources, known.seen, current.prompts)
            if reading.mark != known.seen.mark:
                doubtful = any(doubts(reading, known.judged))
                if doubtful or not at_any_rate:
                    return Look(reading, doubtful, current.generation)
            try:
                verdict = judge(self.sources, reading, current, self.generations)
            except Exception as error:  # a fault of ours must not end the watching
                log.exception("the configuration could not be judged")
                return Found(reading, problems=(f"internal error ({type(error).__name__})",))
            if verdict.snapshot is None:
                assert verdict.error is not None
                return Found(verdict.reading, problems=tuple(problem_lines(verdict.error)))
            return Found(verdict.reading, verdict.snapshot)

    def changes(self, before: Snapshot, after: Snapshot) -> list[str]:
        """What an edit did, in words."""
        if before.hash == after.hash:
            return []
        with yielding_gil():
            return describe(before, after)
