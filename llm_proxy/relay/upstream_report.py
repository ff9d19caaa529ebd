"""How each upstream stands now, as ``GET /status/models`` tells it.

Laws: what is told is what ``pick`` goes by; nothing is changed by looking. Times of day are Unix seconds, durations
milliseconds where their name says so; what nobody knows is null. No host and no key is named. Pure but for the state that it
reads.
"""

from __future__ import annotations

from math import inf
from typing import Any

from llm_proxy.routing.standing import seen
from llm_proxy.routing.states import States
from llm_proxy.telemetry.metrics.measured import Speed
from llm_proxy.wire.calls import Deployment

_UNKNOWN = Speed(None, None, None)


def standing_of(
    deployment: Deployment,
    states: States,
    now: float,
    wall: float,
    *,
    running: int = 0,
    speed: Speed = _UNKNOWN,
) -> dict[str, Any]:
    """The live fields of a deployment; ``now`` is monotonic, ``wall`` the same moment in Unix seconds. ``running`` requests,
    and the ``speed``, of an upstream of which routing keeps nothing: there is no choice to make."""
    found = seen(deployment, states.known(deployment, now), now)
    stand = found.standing
    if found.first_token_p50 is None:
        found = found._replace(
            first_token_p50=speed.first_token_p50,
            first_token_p95=speed.first_token_p95,
            tokens_per_second=found.tokens_per_second or speed.tokens_per_second,
        )
    return {
        "state": stand.state,
        "until": round(wall + stand.until - now, 3) if now < stand.until < inf else None,
        "reason": stand.why or None,
        "in_flight": max(found.in_flight, running),
        "waiting": found.waiting,
        "first_token_ms": {"p50": _ms(found.first_token_p50), "p95": _ms(found.first_token_p95)},
        "tokens_per_second": _rounded(found.tokens_per_second),
        "cache_hits": _rounded(found.cache_hits),
        "polled": _rounded(found.polled),
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
