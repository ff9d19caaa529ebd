"""``llm-proxy check --against`` several gateways: which of them runs what, and which lags behind the others.

A gateway lags if it runs another configuration than the newest that any of them runs: that of the files at hand where one has it, else the one
that was loaded last. That none has an edit yet is no lag.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Replica:
    """One gateway that answered. ``loaded_at``: when it took its configuration up, in seconds since the epoch; ``state`` and ``problem``: what became of the
    last edit."""

    url: str
    hash: str
    generation: int
    loaded_at: float
    state: str
    problem: str = ""

    @property
    def version(self) -> str:
        """As it stands in ``X-Config-Generation``."""
        return f"{self.generation}-{self.hash[:8]}"


def newest(replicas: Sequence[Replica], files: str) -> str:
    """The hash that all should run; ``files``: that of the files at hand."""
    if any(replica.hash == files for replica in replicas):
        return files
    return max(replicas, key=lambda replica: replica.loaded_at).hash


def lagging(replicas: Sequence[Replica], files: str) -> list[Replica]:
    """Those that run something else than the newest."""
    wanted = newest(replicas, files)
    return [replica for replica in replicas if replica.hash != wanted]


def lines(replicas: Sequence[Replica], files: str, now: float | None = None) -> list[str]:
    """A line for each, and one for all."""
    wanted = newest(replicas, files)
    behind = lagging(replicas, files)
    now = time.time() if now is None else now
    since = max(0.0, now - min(replica.loaded_at for replica in replicas if replica.hash == wanted))
    wide = max(len(replica.url) for replica in replicas)
    versions = max(len(replica.version) for replica in replicas)
    found = []
    for replica in replicas:
        if replica in behind:
            words = f"lags, for {since:.0f} s"
        elif replica.hash == files:
            words = "runs the files at hand"
        else:
            words = "runs what the others run"
        if replica.state == "rejected":
            words += f"; its last edit was rejected: {replica.problem}".rstrip(": ")
        found.append(f"{replica.url:{wide}}  {replica.version:{versions}}  {words}")
    count, all_ = len(replicas) - len(behind), len(replicas)
    end = f", {len(behind)} lag{'s' * (len(behind) == 1)}" if behind else ""
    return [*found, f"{count} of {all_} run {wanted[:8]}{end}"]
