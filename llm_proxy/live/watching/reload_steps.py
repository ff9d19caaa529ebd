"""What the registry's thread does: look at the files, judge them, say what an edit did.

Laws: nothing here changes the registry; everything that a result depends on is handed over, and everything that it
leads to is returned. Blocking, and considerate of the event loop.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from llm_proxy.live.background_thread import yielding_gil
from llm_proxy.live.prompts.library import PromptSet
from llm_proxy.live.state.generations import Generations
from llm_proxy.live.state.prompts_reader import Load, Loaded, PromptsReader
from llm_proxy.live.state.reading import EVERYTHING, Part, Reading, Sources, read
from llm_proxy.live.state.snapshot import Snapshot, describe, judge, problem_lines
from llm_proxy.live.watching.debounce import doubts

log = logging.getLogger(__name__)

#: How long prompts are waited for, in seconds: where only they are asked for, and where nothing says that they have changed.
#: An edit of the configuration must not be felt to wait.
_PATIENCE, _BESIDE = 0.5, 0.03
#: The same where the configuration was asked for too: twice what they took last, but so long at least. Who edits both gets one
#: state; if the directory begins to hang at that moment, the configuration goes ahead.
_LEAST = 0.04


@dataclass(frozen=True, slots=True)
class Known:
    """What the registry knows: the state that serves, what was judged last, and what was seen last."""

    current: Snapshot
    judged: Reading
    seen: Reading


@dataclass(frozen=True, slots=True)
class Waits:
    """For what a verdict is still put off: that it changes no more, and that it does not look as if somebody is at work."""

    for_quiet: bool
    for_doubt: bool


@dataclass(frozen=True, slots=True)
class Look:
    """What lies on disk; ``doubtful``: it may be the middle of an edit. ``generation``: the number of the current state
    now, since other processes may have counted on. ``late``: the prompts are told later."""

    reading: Reading
    doubtful: bool
    generation: int
    #: Seconds of CPU time that it took.
    cost: float = 0.0
    late: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A verdict: a snapshot, or the problems."""

    reading: Reading
    snapshot: Snapshot | None = None
    problems: tuple[str, ...] = ()
    late: bool = False


@dataclass(slots=True)
class _Asked:
    """A question for the prompts; ``late`` when it was not answered in time."""

    prompts: PromptsReader
    patience: float
    fresh: bool = True
    late: bool = False

    def __call__(self, load: Load, served: PromptSet | None) -> Loaded | None:
        found = self.prompts.read(load, served, self.patience, fresh=self.fresh)
        self.late = found is None
        return found


@dataclass(frozen=True, slots=True)
class ReloadSteps:
    """``generations`` counts states across processes, if there are several."""

    sources: Sources
    generations: Generations | None = None
    prompts: PromptsReader = field(default_factory=PromptsReader)

    def look(self, known: Known, parts: frozenset[Part], fresh: bool = True) -> Look:
        """Read ``parts`` of the files. Without ``fresh``, the prompts that came late."""
        current, begun = known.current, time.thread_time()
        ask = _Asked(self.prompts, _patience(self.prompts, "config" in parts), fresh)
        with yielding_gil():
            reading = read(self.sources, known.seen, current.prompts, parts, ask)
            generation = current.generation
            unchanged = reading.mark == current.reading.mark and "config" in parts
            if unchanged and self.generations is not None:
                generation = self.generations.newer(current.hash, generation)
            doubtful = any(doubts(reading, known.judged, current.access))
            return Look(reading, doubtful, generation, time.thread_time() - begun, ask.late)

    def verdict(self, known: Known, waits: Waits, asked: bool = True) -> Look | Found:
        """Read everything once more and judge it, unless it has just become different again and that is something to
        wait for. ``asked``: somebody said that the prompts may have changed; if
        nothing says so, and they take long, they are left as they were seen."""
        current, prompts = known.current, self.prompts
        concerned = asked or prompts.pending or _prompts_differ(known.seen, known.judged)
        parts: frozenset[Part] = EVERYTHING
        if not concerned and prompts.seconds > _BESIDE:
            parts = frozenset({"config"})
        changed = known.seen.mark.config != known.judged.mark.config
        ask = _Asked(prompts, _patience(prompts, changed) if concerned else _BESIDE)
        with yielding_gil():
            reading = read(self.sources, known.seen, current.prompts, parts, ask)
            if reading.mark != known.seen.mark:
                doubtful = any(doubts(reading, known.judged, current.access))
                if waits.for_quiet or (doubtful and waits.for_doubt):
                    return Look(reading, doubtful, current.generation, late=ask.late)
            try:
                verdict = judge(self.sources, reading, current, self.generations)
            except Exception as error:  # a fault of ours must not end the watching
                log.exception("the configuration could not be judged")
                return Found(reading, problems=(f"internal error ({type(error).__name__})",), late=ask.late)
            if verdict.snapshot is None:
                assert verdict.error is not None
                return Found(verdict.reading, problems=tuple(problem_lines(verdict.error)), late=ask.late)
            return Found(verdict.reading, verdict.snapshot, late=ask.late)

    def changes(self, before: Snapshot, after: Snapshot) -> list[str]:
        """What an edit did, in words."""
        if before.hash == after.hash:
            return []
        with yielding_gil():
            return describe(before, after)


def _patience(prompts: PromptsReader, beside_config: bool) -> float:
    return min(_PATIENCE, max(_LEAST, 2 * prompts.seconds)) if beside_config else _PATIENCE


def _prompts_differ(seen: Reading, judged: Reading) -> bool:
    return seen.prompts_digest != judged.prompts_digest or seen.mark.problems != judged.mark.problems
