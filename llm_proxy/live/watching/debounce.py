"""When changed files may be judged: after a quiet moment, or later if they look as if somebody is still at work.

Laws: pure. Time is in seconds on any steady clock. A change is never forgotten, only waited for, and never for longer
than the limits say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from llm_proxy.live.access.loader import is_whole
from llm_proxy.live.access.values import Access
from llm_proxy.live.state.reading import Reading


@dataclass(frozen=True, slots=True)
class DebounceTimes:
    """``quiet``: so long nothing may have changed, or ``unseen`` where only sweeps look; ``storm``: so long at most while
    it changes all the time; ``patience``: so long after the last change for what is doubtful, and ``doubt`` at most if it
    changes all the time.

    The 50 ms: with 2 ms, processes that watched the same tree applied half of an update of many files; an update by
    ``git checkout`` makes pauses of up to 20 ms.
    """

    quiet: float = 0.05
    unseen: float = 0.5
    storm: float = 1.0
    patience: float = 1.0
    doubt: float = 30.0


@dataclass(frozen=True, slots=True)
class Change:
    """Content on disk that is not judged yet: when it was first seen, when it last became different, how it was
    noticed (``signal``, ``inotify``, ``sweep`` or ``start``), and when that was for people (seconds since the epoch)."""

    first: float
    last: float
    cause: str
    at: float

    def again(self, now: float) -> Change:
        """It has become different again."""
        return replace(self, last=now)


def due(change: Change, debounce: DebounceTimes, *, doubtful: bool, urgent: bool) -> float:
    """When to judge. ``urgent``: somebody asked for it; then only doubt is a reason to wait."""
    quiet = debounce.unseen if change.cause == "sweep" else debounce.quiet
    settled = change.last if urgent else min(change.last + quiet, change.first + debounce.storm)
    return (
        max(settled, min(change.last + debounce.patience, change.first + debounce.doubt))
        if doubtful
        else settled
    )


def doubts(now: Reading, judged: Reading, keys: Access | None = None) -> Iterator[str]:
    """Why ``now`` may be the middle of an edit rather than its end, compared with what was judged last.

    Something vanished (editors and scripts that delete and create again), something is half there, or prompt files
    cannot be used that could be used before. ``keys``: those that serve, by which a file of very many is seen to be whole soon.
    """
    if now.torn and now.mark.config != judged.mark.config:
        yield "the configuration is not complete"
    if isinstance(now.data, OSError) and now.mark.config != judged.mark.config:
        yield "the configuration cannot be read"
    if now.mark.access != judged.mark.access:
        if isinstance(now.access, bytes) and not is_whole(now.access, keys):
            yield "the file of the keys is not complete"
        if isinstance(now.access, OSError):
            yield "the file of the keys cannot be read"
    for path, found in now.secrets.items():
        if isinstance(found, OSError) and isinstance(judged.secrets.get(path), bytes):
            yield "a secret file cannot be read"
    if (
        now.prompts_digest != judged.prompts_digest
        and judged.prompts.prompts.keys() - now.prompts.prompts.keys()
    ):
        yield "prompts are gone"
    if set(now.prompts.problems) - set(judged.prompts.problems):
        yield "prompt files cannot be used"
