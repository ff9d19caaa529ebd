"""Which of those that can take a request gets it: by affinity, then as the policy says.

Laws: the same inputs give the same choice; time and chance are handed in; nothing is changed. Who can take it at all is ``pick``'s
to say.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp
from typing import Literal, NamedTuple

from llm_proxy.routing.affinity import Prompt, rank
from llm_proxy.routing.states import States
from llm_proxy.routing.upstream_state import UpstreamState
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.policies import ModelPolicy

Affinity = Literal["hit", "miss", "broken"]
#: A row that can take it, and the state of its upstream.
Able = tuple[Deployment, UpstreamState]

#: Costs within this factor of each other are equal.
EQUAL = 1.2
#: A conversation stays where its beginning lies, unless that is busier than the others by more requests than this, or by half.
SLACK = 4.0
#: Seconds below which a time says more of the network and of us than of an upstream.
NOISE = 0.01
#: An upstream that was slower is given another chance when its measurement is that old (e-folding, in seconds).
FORGIVING = 120.0


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


def among(
    able: list[Able],
    states: States,
    now: float,
    chance: Callable[[], float],
    policy: ModelPolicy,
    prompt: Prompt | None,
    *,
    alone: bool = False,
) -> Choice:
    """One of those that can take it: of the lowest tier, by affinity, then as the policy says."""
    pool, tier = able, able[0][0].order
    for row, _ in able:
        if row.order != tier:
            tier = min([row.order for row, _ in able])
            pool = [pair for pair in able if pair[0].order == tier]
            break
    if len(pool) == 1:
        return choice_of(pool[0], "the only one" if alone else "the only one left", now)
    affinity: Affinity | None = None
    if prompt is not None and policy.affinity != "off":
        holders = states.prefixes.holders(prompt)
        if holders:
            held = _holder(pool, holders, now)
            if held is not None:
                return choice_of(held, "it holds the conversation", now, "hit")
            affinity = "broken"
        else:
            affinity = "miss"
            pool = sorted(pool, key=lambda pair: -rank(prompt.conversation, pair[1].key, _weight(pair[0])))[
                :2
            ]
            if policy.policy == "weighted":
                return choice_of(pool[0], "by the conversation's hash", now, affinity)
            return cheaper(pool[0], pool[1], now, "by the conversation's hash", affinity)
    first = draw(pool, chance())
    if policy.policy == "weighted":
        return choice_of(first, "by weight", now, affinity)
    others = [pair for pair in pool if pair is not first]
    second = others[0] if len(others) == 1 else draw(others, chance())
    return cheaper(first, second, now, "by weight", affinity)


def draw(pool: list[Able], point: float) -> Able:
    """The one at ``point`` of the weights laid end to end."""
    rest = point * sum([row.weight for row, _ in pool])
    for pair in pool:
        rest -= pair[0].weight
        if rest < 0:
            return pair
    # Only rounding, or a name that was pinned to weight 0, leads here.
    return next((pair for pair in reversed(pool) if pair[0].weight > 0), pool[-1])


def costs(a: UpstreamState, b: UpstreamState, now: float) -> tuple[float, float]:
    """What one more request costs at each: requests there, and this one, times the time to the first token."""
    slow, fast = a.first_seconds, b.first_seconds
    at_a, at_b = a.first_at, b.first_at
    if not (slow and fast):
        slow, fast, at_a, at_b = a.whole_seconds, b.whole_seconds, a.whole_at, b.whole_at
    if not (slow and fast):
        slow = fast = 1.0  # nothing is known of one of them: they are compared by what they do now
    elif slow > fast:
        if fast < NOISE:
            fast = NOISE
            if slow < NOISE:
                slow = NOISE
        slow = fast + (slow - fast) * exp((at_a - now) / FORGIVING)
    else:
        if slow < NOISE:
            slow = NOISE
            if fast < NOISE:
                fast = NOISE
        fast = slow + (fast - slow) * exp((at_b - now) / FORGIVING)
    # As ``load`` says, without a call where nobody else tells of it.
    at_first = a.in_flight if a.slot is None and not a.busy else a.load(now)
    at_second = b.in_flight if b.slot is None and not b.busy else b.load(now)
    return (at_first + 1.0) * slow, (at_second + 1.0) * fast


def cheaper(first: Able, second: Able, now: float, why: str, affinity: Affinity | None) -> Choice:
    """The first, unless the second costs clearly less."""
    cost, other = costs(first[1], second[1], now)
    if other * EQUAL < cost:
        return choice_of(second, "costs less", now, affinity, other)
    return choice_of(first, why if other < cost * EQUAL else "costs less", now, affinity, cost)


def choice_of(
    pair: Able, why: str, now: float, affinity: Affinity | None = None, cost: float | None = None
) -> Choice:
    """``pair`` is chosen; ``cost`` None: what it costs, on its own."""
    row, state = pair
    if cost is None:
        cost = (state.load(now) + 1.0) * (state.first_seconds or state.whole_seconds or 1.0)
    probe = bool(state.health.until or state.server.health.until)
    return Choice(row, state, why, cost, affinity, probe)


def _holder(pool: list[Able], holders: tuple[int, ...], now: float) -> Able | None:
    """The least busy of those that hold the prompt, if it is not much busier than the others."""
    least = min([state.load(now) for _, state in pool])
    held = [pair for pair in pool if pair[1].tag in holders]
    if not held:
        return None
    best = min(held, key=lambda pair: pair[1].load(now))
    return best if best[1].load(now) - least <= max(SLACK, 0.5 * least) else None


def _weight(row: Deployment) -> float:
    return row.weight or 1e-9
