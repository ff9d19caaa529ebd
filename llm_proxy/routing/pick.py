"""Which upstream takes a request: the one function by which production, ``/explain`` and the simulation choose.

Laws: the same inputs give the same choice; time and chance are handed in. Of the candidates that are active, in service, awake
and have room, the lowest tier takes it; one that failed in this request counts as unable while there is another. If none is
left: the queue, when waiting helps; else one that was ejected, if there is no other model to ask (``last_resort``): never
nobody while a server might answer. Nothing is changed here: ``States.begin`` does that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from math import inf
from typing import NamedTuple

from llm_proxy.routing.affinity import Prompt
from llm_proxy.routing.drawing import EQUAL, Able, Choice, among
from llm_proxy.routing.standing import Skipped, standing
from llm_proxy.routing.states import States
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.policies import DEFAULT_POLICY, Condition, ModelPolicy

__all__ = ["EQUAL", "Choice", "Nobody", "Wait", "pick"]

#: A place at an upstream that all workers share may become free unseen: look again after so many seconds.
LOOK_AGAIN = 0.05


class Wait(NamedTuple):
    """All are full, or asleep for a moment. ``until``: when to look again, if nothing is let go before (may be infinite)."""

    until: float
    skipped: tuple[Skipped, ...]


class Nobody(NamedTuple):
    """Nobody can take it. ``kinds``: which conditions of ``fallbacks`` that fulfils."""

    kinds: frozenset[Condition]
    skipped: tuple[Skipped, ...]


def pick(
    candidates: Sequence[Deployment],
    states: States,
    *,
    now: float,
    chance: Callable[[], float],
    policy: ModelPolicy = DEFAULT_POLICY,
    tried: Collection[str] = (),
    prompt: Prompt | None = None,
    last_resort: bool = False,
    pinned: bool = False,
    tokens: int = 0,
    wait: float | None = None,
) -> Choice | Wait | Nobody:
    """``tried``: upstream keys that failed in this request. ``pinned``: asked for by its provider's name, so weight 0 may
    serve. ``tokens``: an estimate, for limits. ``wait``: how long it may still wait, in seconds; None: as the policy says."""
    able: list[Able] = []
    again: list[Able] = []
    troubled = False
    states.look()
    for row in candidates:
        if not row.active or (row.weight <= 0 and not pinned):
            continue
        state = states.seen(row, now)
        if (
            state.health.until
            or state.server.health.until
            or state.asleep_until > now
            or row.max_concurrent is not None
            or row.limits is not None
        ) and standing(row, state, now, pinned=pinned, tokens=tokens).state != "ok":
            troubled = True
            continue
        (again if tried and row.upstream_key in tried else able).append((row, state))
    if able:
        return among(able, states, now, chance, policy, prompt, alone=not troubled)
    if again:
        return among(again, states, now, chance, policy, None)._replace(again=True)
    skipped = tuple(
        standing(row, states.known(row, now), now, pinned=pinned, tokens=tokens) for row in candidates
    )
    waiting = _wait(skipped, states, candidates, now, _patience(policy) if wait is None else wait)
    if waiting is not None:
        return waiting
    if last_resort:
        ejected = _ejected(candidates, skipped, states, now, tokens, tried)
        if ejected:
            # No probe: as many may ask as come, since there is nobody else.
            return among(ejected, states, now, chance, policy, None)._replace(ejected=True, probe=False)
    return Nobody(_kinds(skipped), skipped)


def _patience(policy: ModelPolicy) -> float:
    return policy.queue.wait if policy.queue is not None else 0.0


def _wait(
    skipped: tuple[Skipped, ...],
    states: States,
    candidates: Sequence[Deployment],
    now: float,
    patience: float,
) -> Wait | None:
    """Waiting helps when something is full, or the first sleeper wakes in time."""
    if patience <= 0:
        return None
    until = min([one.until for one in skipped if one.state == "asleep"], default=inf)
    full = [row for row, one in zip(candidates, skipped, strict=True) if one.state == "full"]
    if not full and until > now + patience:
        return None
    if any(states.of(row, now).slot is not None for row in full):
        until = min(until, now + LOOK_AGAIN)
    return Wait(until, skipped)


def _ejected(
    candidates: Sequence[Deployment],
    skipped: tuple[Skipped, ...],
    states: States,
    now: float,
    tokens: int,
    tried: Collection[str],
) -> list[Able]:
    """The ejected that could take it but for that: first those that take our key, and that have not failed in this request."""
    found = [
        (bool(one.refused), row.upstream_key in tried, (row, states.of(row, now)))
        for row, one in zip(candidates, skipped, strict=True)
        if one.state == "ejected"
        and standing(row, states.of(row, now), now, pinned=True, tokens=tokens, ejected_too=True).state
        == "ok"
    ]
    best = min([each[:2] for each in found], default=None)
    return [pair for refused, failed, pair in found if (refused, failed) == best]


def _kinds(skipped: tuple[Skipped, ...]) -> frozenset[Condition]:
    """What it means for ``fallbacks`` that all these were left out."""
    kept = [one for one in skipped if one.state != "out"]
    if kept and all(one.limited for one in kept):
        return frozenset({"rate_limit"})
    if kept and all(one.refused for one in kept):
        return frozenset({"unavailable", "auth"})
    return frozenset({"unavailable"})
