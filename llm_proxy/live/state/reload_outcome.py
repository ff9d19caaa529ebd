"""How a change of the files ended, for the status endpoint and for the log.

Laws: a sentence about the files holds no value of theirs; each verdict is logged once, an invalid edit as one ERROR
with its problems.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

from llm_proxy.live.state.snapshot import Snapshot

#: One name for all that is said about the configuration while it changes.
log = logging.getLogger("llm_proxy.live.state.registry")

#: Lines for the warnings of one edit: thousands of models may have the same.
_WARNINGS = 20

State = Literal["applied", "rejected", "pending"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the last change of the files ended, how it was noticed and when (seconds since the epoch).

    ``problems`` are sentences; while ``pending``, they are those of the state before.
    """

    state: State
    problems: tuple[str, ...] = ()
    cause: str = "start"
    at: float = 0.0
    #: SHA-256 of the configuration file as it lay on disk, also of a rejected one; empty if unreadable.
    file_hash: str = ""


def tell_applied(before: Snapshot, after: Snapshot, changes: list[str], old: Outcome, new: Outcome) -> None:
    """Log that ``after`` serves instead of ``before``."""
    facts = {"generation": after.version, "cause": new.cause}
    if after.hash != before.hash:
        log.info("configuration applied", extra={**facts, "changes": changes, "problems": list(new.problems)})
        warnings = after.config.warnings
        for warning in warnings[:_WARNINGS]:
            log.warning("configuration warning", extra={"problem": str(warning)})
        if len(warnings) > _WARNINGS:
            more = f"{len(warnings) - _WARNINGS} more, which /status lists"
            log.warning("configuration warning", extra={"problem": more})
    elif old.state == "rejected":
        log.info("configuration is good again", extra=facts)
    if new.problems and new.problems != old.problems:
        log.warning("some prompt files are not used", extra={**facts, "problems": list(new.problems)})


def tell_rejected(current: Snapshot, old: Outcome, new: Outcome) -> None:
    """Log that the files are bad, unless that is known."""
    if old.state == "rejected" and old.problems == new.problems:
        return
    facts = {"generation": current.version, "cause": new.cause, "problems": list(new.problems)}
    log.error("configuration rejected, the last good one goes on", extra=facts)
