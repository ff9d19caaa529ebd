"""What one process of the service says of itself, and what the reports of several mean together.

Values only: who gathers the reports (``llm_proxy.service.scoreboard``), and how many processes there are, is not known
here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """One process. ``state`` is that of its configuration; times are seconds since the epoch."""

    pid: int
    hash: str
    generation: int
    loaded_at: float
    state: str
    running: int
    draining: bool
    #: ``time.monotonic()`` when this was written; the clock is the same in all processes.
    beat: float

    def shown(self) -> dict[str, Any]:
        """As the status endpoint shows it; ``heartbeat`` is how long ago the process said this, in seconds."""
        return {
            "pid": self.pid,
            "hash": self.hash,
            "generation": self.generation,
            "loaded_at": round(self.loaded_at, 3),
            "state": self.state,
            "running": self.running,
            "draining": self.draining,
            "heartbeat": round(max(0.0, time.monotonic() - self.beat), 3),
        }


def differ(reports: Iterable[ProcessReport]) -> bool:
    """Whether new requests may meet different configurations."""
    return len({report.hash for report in reports}) > 1
