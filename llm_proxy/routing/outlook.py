"""What would become of a request now: whom it would be sent to, and how the others stand.

Laws: it asks ``pick``, as production does, and changes nothing: no request is counted, nobody waits. Where nobody can take the
request, the model's fallbacks are looked at in their order, each model once. Time and chance are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from llm_proxy.errors import GatewayError
from llm_proxy.live.config.catalog import Resolved
from llm_proxy.routing.able import Able
from llm_proxy.routing.affinity import Prompt
from llm_proxy.routing.pick import EQUAL, Choice, Wait, pick
from llm_proxy.routing.standing import asleep, standing
from llm_proxy.routing.states import States
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.policies import Condition, Fallback


class Candidate(NamedTuple):
    """An upstream, as people are told of it; ``cost`` in seconds, None if nothing is known of it."""

    provider: str
    model: str
    state: str
    chosen: bool
    why: str
    cost: float | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """``resolved``: the model that would serve, which may be a fallback; ``chosen``: None if the request would wait, or nobody
    can take it. ``error``: what it would be refused with, if it is known before anybody is asked."""

    resolved: Resolved
    candidates: tuple[Candidate, ...]
    chosen: Deployment | None = None
    waits: bool = False
    error: GatewayError | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """The request, as far as choosing goes. ``may``: whether an upstream has its endpoint at all."""

    able: Able | None = None
    may: Callable[[Deployment], bool] | None = None
    first: Deployment | None = None
    prompt: Prompt | None = None
    tokens: int = 0


def outlook(
    resolved: Resolved,
    asked: Asked,
    resolve: Callable[[str], Resolved | None],
    states: States,
    now: float,
    chance: Callable[[], float],
    unfit: Mapping[str, str] | None = None,
) -> Outlook:
    """See the module. ``unfit``: dialects that cannot express the request, and why."""
    unfit = unfit or {}
    standby: list[Fallback] = []
    seen: set[str] = set()
    first: Outlook | None = None
    while True:
        seen.add(resolved.way)
        standby = [*resolved.policy.fallbacks, *standby]
        found, kinds = _of_one(resolved, asked, states, now, chance, unfit, _is_last(standby, seen))
        first = first or found
        if found.chosen is not None:
            return found
        other = _fallback(standby, kinds, seen, resolve)
        if other is None:
            return found if found.waits else first
        resolved = other


def _is_last(standby: list[Fallback], seen: Collection[str]) -> bool:
    return not any("unavailable" in one.on and one.model not in seen for one in standby)


def _fallback(
    standby: list[Fallback],
    kinds: Collection[Condition],
    seen: set[str],
    resolve: Callable[[str], Resolved | None],
) -> Resolved | None:
    for one in tuple(standby):
        if one.on.isdisjoint(kinds) or one.model in seen:
            continue
        found = resolve(one.model)
        if found is not None and found.way not in seen:
            standby.remove(one)
            seen.add(one.model)
            return found
    return None


def _of_one(
    resolved: Resolved,
    asked: Asked,
    states: States,
    now: float,
    chance: Callable[[], float],
    unfit: Mapping[str, str],
    last: bool,
) -> tuple[Outlook, Collection[Condition]]:
    """The outlook for one model, and which fallbacks may answer if nobody can."""
    lacks = {row.upstream_key: _unable(row, asked, unfit) for row in resolved.deployments}
    rows = [row for row in resolved.deployments if not lacks[row.upstream_key]]
    serving = [row for row in resolved.deployments if row.weight > 0 or resolved.pinned]
    if not rows and asked.able is not None and all(asked.able.lack(row) for row in serving):
        error, condition = asked.able.refusal(resolved.name, serving)
        told = _told(resolved, states, now, lacks, None)
        return Outlook(resolved, told, error=error), (condition,)
    wanted = [asked.first] if asked.first is not None and asked.first in rows else rows
    found = pick(
        wanted,
        states,
        now=now,
        chance=chance,
        policy=resolved.policy,
        prompt=asked.prompt,
        last_resort=last,
        pinned=resolved.pinned,
        tokens=asked.tokens,
    )
    if isinstance(found, Choice):
        told = _told(resolved, states, now, lacks, found)
        return Outlook(resolved, told, found.deployment), ()
    told = _told(resolved, states, now, lacks, None)
    if isinstance(found, Wait):
        return Outlook(resolved, told, waits=True), asleep(found.skipped)
    return Outlook(resolved, told), found.kinds


def _unable(row: Deployment, asked: Asked, unfit: Mapping[str, str]) -> str:
    """Why it is no candidate; empty if it is one."""
    if row.api_type in unfit:
        return unfit[row.api_type]
    if asked.may is not None and not asked.may(row):
        return "it has no such endpoint"
    lack = asked.able.lack(row) if asked.able is not None else None
    return _LACKS[lack] if lack is not None else ""


_LACKS = {
    "context": "the request is too long for it",
    "tools": "its model calls no tools",
    "vision": "its model takes no pictures",
}


def _told(
    resolved: Resolved, states: States, now: float, lacks: Mapping[str, str], choice: Choice | None
) -> tuple[Candidate, ...]:
    return tuple(_candidate(row, resolved, states, now, lacks, choice) for row in resolved.deployments)


def _candidate(
    row: Deployment,
    resolved: Resolved,
    states: States,
    now: float,
    lacks: Mapping[str, str],
    choice: Choice | None,
) -> Candidate:
    state = states.known(row, now)
    stand = standing(row, state, now, pinned=resolved.pinned)
    if choice is not None and choice.deployment is row:
        return Candidate(row.provider, row.model, stand.state, True, choice.why, round(choice.cost, 6))
    seconds = 0.0 if state is None else state.first_seconds or state.whole_seconds or 0.0
    cost = round((state.load(now) + 1.0) * seconds, 6) if state is not None and seconds else None
    why = lacks[row.upstream_key] or stand.why
    if not why and choice is not None:
        why = _instead(row, cost, choice)
    return Candidate(row.provider, row.model, stand.state, False, why, cost)


def _instead(row: Deployment, cost: float | None, choice: Choice) -> str:
    """Why another was chosen although this one could have taken it."""
    if row.order > choice.deployment.order:
        return "of a higher tier"
    if choice.affinity == "hit":
        return "another holds the conversation"
    return "costs more" if cost is not None and cost > EQUAL * choice.cost else "not drawn"
