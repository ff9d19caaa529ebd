"""Which upstream takes a request: the one function by which production, ``/explain`` and the simulation choose.

Laws: the same inputs give the same choice; time and chance are handed in. Of the candidates that are active, in service, awake
and have room, the lowest tier takes it; one that failed in this request counts as unable while there is another. If none is
left: the queue, when waiting helps; else one that was ejected, if there is no other model to ask (``last_resort``): never
nobody while a server might answer. Nothing is changed here: ``States.begin`` does that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from math import exp, inf
from typing import Literal, NamedTuple

from llm_proxy.routing.affinity import Prompt, rank
from llm_proxy.routing.standing import Skipped, standing
from llm_proxy.routing.states import States, UpstreamState
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.policies import DEFAULT_POLICY, Condition, ModelPolicy

Affinity = Literal["hit", "miss", "broken"]

#: Costs within this factor of each other are equal.
EQUAL = 1.2
#: An upstream that was slower is given another chance when its measurement is that old (e-folding, in seconds).
FORGIVING = 120.0
#: A place at an upstream that all workers share may become free unseen: look again after so many seconds.
LOOK_AGAIN = 0.05


class Choice(NamedTuple):
    """``again``: it failed in this request already. ``probe``: to see whether it is well. ``ejected``: for want of others."""

    deployment: Deployment
    state: UpstreamState
    why: str
    cost: float
    affinity: Affinity | None = None
    probe: bool = False
    again: bool = False
    ejected: bool = False


class Wait(NamedTuple):
    """All are full, or asleep for a moment. ``until``: when to look again, if nothing is let go before (may be infinite)."""

    until: float
    skipped: tuple[Skipped, ...]


class Nobody(NamedTuple):
    """Nobody can take it. ``kinds``: which conditions of ``fallbacks`` that fulfils."""

    kinds: frozenset[Condition]
    skipped: tuple[Skipped, ...]


_Able = tuple[Deployment, UpstreamState]


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
    able: list[_Able] = []
    again: list[_Able] = []
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
        return _among(able, states, now, chance, policy, prompt, alone=not troubled)
    if again:
        return _among(again, states, now, chance, policy, None)._replace(again=True)
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
            return _among(ejected, states, now, chance, policy, None)._replace(ejected=True, probe=False)
    return Nobody(_kinds(skipped), skipped)


def _among(
    able: list[_Able],
    states: States,
    now: float,
    chance: Callable[[], float],
    policy: ModelPolicy,
    prompt: Prompt | None,
    *,
    alone: bool = False,
) -> Choice:
    """One of those that can take it: of the lowest tier, by affinity, then as the policy says."""
    tier = min([row.order for row, _ in able])
    pool = [pair for pair in able if pair[0].order == tier]
    if len(pool) == 1:
        return _choice(pool[0], "the only one" if alone else "the only one left", now)
    affinity: Affinity | None = None
    if prompt is not None and policy.affinity != "off":
        holders = states.prefixes.holders(prompt)
        if holders:
            held = _holder(pool, holders, now)
            if held is not None:
                return _choice(held, "it holds the conversation", now, "hit")
            affinity = "broken"
        else:
            affinity = "miss"
            pool = sorted(pool, key=lambda pair: -rank(prompt.conversation, pair[1].key, _weight(pair[0])))[
                :2
            ]
            if policy.policy == "weighted":
                return _choice(pool[0], "by the conversation's hash", now, affinity)
            return _cheaper(pool[0], pool[1], now, "by the conversation's hash", affinity)
    first = _draw(pool, chance())
    if policy.policy == "weighted":
        return _choice(first, "by weight", now, affinity)
    others = [pair for pair in pool if pair is not first]
    second = others[0] if len(others) == 1 else _draw(others, chance())
    return _cheaper(first, second, now, "by weight", affinity)


def _draw(pool: list[_Able], point: float) -> _Able:
    """The one at ``point`` of the weights laid end to end."""
    rest = point * sum([row.weight for row, _ in pool])
    for pair in pool:
        rest -= pair[0].weight
        if rest < 0:
            return pair
    # Only rounding, or a name that was pinned to weight 0, leads here.
    return next((pair for pair in reversed(pool) if pair[0].weight > 0), pool[-1])


def _cheaper(first: _Able, second: _Able, now: float, why: str, affinity: Affinity | None) -> Choice:
    """The first, unless the second costs clearly less: requests there, and this one, times the time to the first token."""
    a, b = first[1], second[1]
    slow, fast = a.first_seconds, b.first_seconds
    at_a, at_b = a.first_at, b.first_at
    if not (slow and fast):
        slow, fast, at_a, at_b = a.whole_seconds, b.whole_seconds, a.whole_at, b.whole_at
    if not (slow and fast):
        slow = fast = 1.0  # nothing is known of one of them: they are compared by what they do now
    elif slow > fast:
        slow = fast + (slow - fast) * exp((at_a - now) / FORGIVING)
    else:
        fast = slow + (fast - slow) * exp((at_b - now) / FORGIVING)
    cost, other = (a.load(now) + 1.0) * slow, (b.load(now) + 1.0) * fast
    if other * EQUAL < cost:
        return _choice(second, "costs less", now, affinity, other)
    return _choice(first, why if other < cost * EQUAL else "costs less", now, affinity, cost)


def _choice(
    pair: _Able, why: str, now: float, affinity: Affinity | None = None, cost: float | None = None
) -> Choice:
    row, state = pair
    if cost is None:
        cost = (state.load(now) + 1.0) * (state.first_seconds or state.whole_seconds or 1.0)
    probe = bool(state.health.until or state.server.health.until)
    return Choice(row, state, why, cost, affinity, probe)


def _holder(pool: list[_Able], holders: tuple[int, ...], now: float) -> _Able | None:
    """The least busy of those that hold the prompt, if it is not much busier than the others."""
    least = min([state.load(now) for _, state in pool])
    held = [pair for pair in pool if pair[1].tag in holders]
    if not held:
        return None
    best = min(held, key=lambda pair: pair[1].load(now))
    return best if best[1].load(now) - least <= max(4.0, 0.5 * least) else None


def _weight(row: Deployment) -> float:
    return row.weight or 1e-9


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
) -> list[_Able]:
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
