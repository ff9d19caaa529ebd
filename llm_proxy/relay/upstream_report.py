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
from llm_proxy.wire.calls import Deployment


def standing_of(deployment: Deployment, states: States, now: float, wall: float) -> dict[str, Any]:
    """The live fields of a deployment; ``now`` is monotonic, ``wall`` the same moment in Unix seconds."""
    found = seen(deployment, states.known(deployment, now), now)
    stand = found.standing
    return {
        "state": stand.state,
        "until": round(wall + stand.until - now, 3) if now < stand.until < inf else None,
        "reason": stand.why or None,
        "in_flight": found.in_flight,
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
