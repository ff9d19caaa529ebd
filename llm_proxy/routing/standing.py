"""How an upstream stands, in words for errors, ``/status/models`` and ``/explain``.

Laws: it decides as ``pick`` does, from the same state; nothing is changed. ``out`` is what the configuration says; ``ejected``,
``asleep`` and ``full`` pass by themselves. Times are monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from llm_proxy.routing.limits import allowed_at
from llm_proxy.routing.upstream_state import STALE, UpstreamState
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.policies import Condition

State = Literal["ok", "ejected", "asleep", "full", "out"]


class Skipped(NamedTuple):
    """Why a deployment was left out. ``until``: when that ends by itself; 0: not known. ``limited``: its server, or the
    vendor's grant, allows no more at the moment. ``refused``: it does not take our key."""

    provider: str
    model: str
    state: State
    why: str
    until: float
    limited: bool = False
    refused: bool = False


def standing(
    deployment: Deployment,
    state: UpstreamState | None,
    now: float,
    *,
    pinned: bool = False,
    tokens: int = 0,
    ejected_too: bool = False,
) -> Skipped:
    """``state`` is None if nothing is known of it; ``ejected_too``: that it is ejected does not matter. ``ok`` means: it can
    take a request now."""
    where = deployment.provider, deployment.model
    if not deployment.active:
        return Skipped(*where, "out", "inactive", 0.0)
    if deployment.weight <= 0 and not pinned:
        return Skipped(*where, "out", "weight 0", 0.0)
    if state is None:
        return Skipped(*where, "ok", "", 0.0)
    for health in () if ejected_too else (state.server.health, state.health):
        if health.until and not health.may_probe(now):
            why = "it is being tried" if now >= health.until else health.reason
            return Skipped(*where, "ejected", why, health.until, refused=health.refused)
    if state.asleep_until > now:
        why = "it asks for fewer requests" if state.limited else "it asks to be left alone"
        return Skipped(*where, "asleep", why, state.asleep_until, limited=state.limited)
    limits = deployment.limits
    if limits is not None:
        at = now
        if limits.rpm:
            at = allowed_at(state.arrival_requests, now, limits.rpm, 1.0)
        if limits.tpm:
            at = max(at, allowed_at(state.arrival_tokens, now, limits.tpm, tokens))
        if at > now:
            return Skipped(*where, "asleep", "its limits are used up", at, limited=True)
    most = deployment.max_concurrent
    if most is not None and state.in_flight + state.others >= most:
        return Skipped(*where, "full", f"{most} in flight", 0.0)
    return Skipped(*where, "ok", "", 0.0)


def asleep(skipped: Iterable[Skipped]) -> tuple[Condition, ...]:
    """If all that could answer sleep, and none is only busy: for which condition of ``fallbacks`` that stands. Nobody waits for
    them where another model may answer at once."""
    kept = [one for one in skipped if one.state != "out"]
    if not kept or any(one.state == "full" for one in kept):
        return ()
    return ("rate_limit",) if all(one.limited for one in kept) else ("unavailable",)


class Seen(NamedTuple):
    """A row of ``/status/models``. Shares are between 0 and 1; what is not known is None. ``polled``: seconds ago."""

    standing: Skipped
    in_flight: int
    waiting: int | None
    first_token_p50: float | None
    first_token_p95: float | None
    tokens_per_second: float | None
    cache_hits: float | None
    polled: float | None


def seen(deployment: Deployment, state: UpstreamState | None, now: float) -> Seen:
    """How a deployment stands, and what was measured at its upstream."""
    found = standing(deployment, state, now)
    if state is None:
        return Seen(found, 0, None, None, None, None, None, None)
    fresh = now - state.polled_at < STALE
    hits = state.cached_tokens / state.prompt_tokens if state.prompt_tokens else None
    return Seen(
        found,
        state.in_flight + state.others,
        int(state.waiting) if fresh else None,
        state.first_tokens.quantile(0.5),
        state.first_tokens.quantile(0.95),
        state.tokens_per_second or None,
        hits,
        now - state.polled_at if state.polled_at > 0 else None,
    )
