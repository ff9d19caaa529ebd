"""The usual choice, made at once: nobody is in trouble, two are drawn, and the cheaper one is taken.

Laws: it gives what ``pick`` would give, or nothing: as soon as anything has to be thought about (one of those looked at is in
trouble) it is left to ``pick``. Its work does not grow with the number of upstreams that
weigh the same: of those only the two that were drawn are looked at, which are as likely to be drawn, if both are well, as if
the others had been left out before. Nothing is changed; time and chance are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from heapq import nlargest
from typing import NamedTuple

from llm_proxy.routing.affinity import Prompt
from llm_proxy.routing.drawing import EQUAL, SLACK, Able, Choice, among, cheaper, choice_of, costs, draw
from llm_proxy.routing.states import States
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.policies import ModelPolicy


class Pool(NamedTuple):
    """The upstreams of a model that are asked first, and their states: those in use, of the lowest tier. ``even``: how many they
    are, if all of them weigh the same and there are several, else 0. ``weighted``: only the weights count. ``tags``: which of them
    holds what ``states.prefixes`` knows by that tag; ``keys``: what they are ranked by."""

    pairs: list[Able]
    even: int
    weighted: bool
    tags: Mapping[int, int]
    keys: list[bytes]


def pool_of(
    rows: Sequence[Deployment], states: States, now: float, policy: ModelPolicy, *, pinned: bool = False
) -> Pool | None:
    """The pool of a model; None where each request has to look at all of its upstreams."""
    used = [row for row in rows if row.active and (row.weight > 0 or pinned)]
    tier = min([row.order for row in used], default=0)
    first = [row for row in used if row.order == tier]
    if not first or states.shared or any(_is_limited(row) for row in first):
        return None
    pairs = [(row, states.of(row, now)) for row in first]
    tags = {state.tag: at for at, (_, state) in enumerate(pairs)}
    even = len(first) if len({row.weight for row in first}) == 1 < len(first) else 0
    return Pool(pairs, even, policy.policy == "weighted", tags, [state.key.encode() for _, state in pairs])


def _is_limited(row: Deployment) -> bool:
    return row.max_concurrent is not None or row.limits is not None


def usual(pool: Pool, now: float, chance: Callable[[], float]) -> Able | None:
    """One of ``pool``; None if ``pick`` must say."""
    pairs, count, weighted, _, _ = pool
    if not count:
        return _weighed(pairs, now, chance, weighted)
    at = int(chance() * count)
    first = pairs[at]
    state = first[1]
    if state.health.until or state.server.health.until or state.asleep_until > now:
        return None
    if weighted:
        return first
    # Where there are two, chance is not asked for the second.
    other = int(chance() * (count - 1)) if count > 2 else 0
    second = pairs[other if other < at else other + 1]
    rival = second[1]
    if rival.health.until or rival.server.health.until or rival.asleep_until > now:
        return None
    # Mostly it is plain that the first is no dearer: no busier, and not much slower by either measure.
    if (
        state.in_flight <= rival.in_flight
        and not state.busy
        and state.first_seconds <= rival.first_seconds * EQUAL
        and state.whole_seconds <= rival.whole_seconds * EQUAL
    ):
        return first
    cost, else_cost = costs(state, rival, now)
    return second if else_cost * EQUAL < cost else first


def _weighed(pairs: list[Able], now: float, chance: Callable[[], float], weighted: bool) -> Able | None:
    """The same where there is one, or where they do not weigh the same."""
    if any(_troubled(pair, now) for pair in pairs):
        return None
    if len(pairs) == 1:
        return pairs[0]
    first = draw(pairs, chance())
    if weighted:
        return first
    others = [pair for pair in pairs if pair is not first]
    second = others[0] if len(others) == 1 else draw(others, chance())
    cost, else_cost = costs(first[1], second[1], now)
    return second if else_cost * EQUAL < cost else first


def kept(
    pool: Pool, states: States, now: float, chance: Callable[[], float], policy: ModelPolicy, prompt: Prompt
) -> Choice | None:
    """The same where ``prompt`` is to go where its beginning lies in a cache."""
    pairs = pool.pairs
    holders = states.prefixes.holders(prompt)
    if holders:
        tags = pool.tags
        # One that has restarted since the pool was made holds nothing by its old tag.
        found = [at for tag in holders if (at := tags.get(tag)) is not None and pairs[at][1].tag == tag]
        if len(found) == len(holders):
            at = found[0] if len(found) == 1 else min(found, key=lambda at: (pairs[at][1].load(now), at))
            best = pairs[at]
            if not _troubled(best, now):
                borne = _is_borne(pool, best[1].load(now), now)
                if borne:
                    return choice_of(best, "it holds the conversation", now, "hit")
                other = None if borne is None else usual(pool, now, chance)
                return None if other is None else choice_of(other, "by weight and cost", now, "broken")
    elif pool.even:
        first, second = _ranked(pool, prompt)
        if _troubled(first, now) or _troubled(second, now):
            return None
        if pool.weighted:
            return choice_of(first, "by the conversation's hash", now, "miss")
        return cheaper(first, second, now, "by the conversation's hash", "miss")
    for pair in pairs:
        if _troubled(pair, now):
            return None
    return among(pairs, states, now, chance, policy, prompt, alone=True)


def _is_borne(pool: Pool, load: float, now: float) -> bool | None:
    """Whether who has so much to do is not much busier than the least busy: ``drawing`` has the rule. The first that is clearly
    less busy decides; None if that one is in trouble."""
    if load <= SLACK:  # so little is never too much, however idle the others are
        return True
    bound = min(load - SLACK, load / 1.5)
    for pair in pool.pairs:
        state = pair[1]
        if state.in_flight < bound and state.load(now) < bound:
            return None if _troubled(pair, now) else False
    return True


def _ranked(pool: Pool, prompt: Prompt) -> tuple[Able, Able]:
    """The two to which the conversation belongs, as ``rank`` has it: where all weigh the same the greatest hash is first."""
    talk = prompt.conversation
    first, second = nlargest(2, [(sha256(talk + key).digest(), at) for at, key in enumerate(pool.keys)])
    return pool.pairs[first[1]], pool.pairs[second[1]]


def _troubled(pair: Able, now: float) -> bool:
    state = pair[1]
    return bool(state.health.until or state.server.health.until or state.asleep_until > now)
