"""The first state of a process: the operator's files, or the last good copy if they are broken and a copy is kept.

Laws: without a copy a broken file is an error and nothing else; with one it is said loudly, in the log and in the
outcome. Blocking: before the event loop runs.
"""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass

from llm_proxy.live.config.loader import ConfigError
from llm_proxy.live.state.generations import Generations
from llm_proxy.live.state.last_good import LastGood, NoCopyError
from llm_proxy.live.state.reading import MAX_CONFIG, Sources, look
from llm_proxy.live.state.reload_outcome import Outcome
from llm_proxy.live.state.snapshot import Snapshot, load_snapshot, problem_lines

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """A first state. ``outcome`` is set if it is not what lies on disk, and says why."""

    snapshot: Snapshot
    outcome: Outcome | None = None


def open_state(
    sources: Sources, last_good: LastGood | None = None, generations: Generations | None = None
) -> Opened:
    """Load the files, or the copy.

    Raises what ``load_snapshot`` raises for the files; why the copy could not help is added as a note.
    """
    try:
        return Opened(load_snapshot(sources, generations=generations))
    except (ConfigError, OSError) as error:
        if last_good is None:
            raise
        try:
            snapshot = last_good.load(sources, generations)
        except (NoCopyError, ConfigError, OSError) as second:
            error.add_note("\n".join(f"last good copy: {line}" for line in problem_lines(second)))
            raise error from None
        problems = tuple(problem_lines(error))
    facts = {"generation": snapshot.version, "problems": list(problems)}
    log.error("the configuration is broken, the last good copy serves", extra=facts)
    found = look(sources.models_config, MAX_CONFIG)
    file_hash = hashlib.sha256(found).hexdigest() if isinstance(found, bytes) else ""
    return Opened(snapshot, Outcome("rejected", problems, "start", time.time(), file_hash))
