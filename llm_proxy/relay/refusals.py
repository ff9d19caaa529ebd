"""What a client is told when no upstream of a model could be asked.

Laws: the reason of each is named, by the provider's name and never by its address; ``Retry-After`` is when the first of them
may be asked again, or when the queue will have been served. Pure.
"""

from __future__ import annotations

import math

from llm_proxy.errors import GatewayError, NoUpstream, RateLimited, and_more
from llm_proxy.routing.pick import Nobody
from llm_proxy.routing.standing import Skipped

#: How many upstreams are named.
_MOST = 10


def nobody(model: str, found: Nobody, now: float) -> GatewayError:
    """Nobody could be asked for ``model``; a 429 only if every upstream has asked for fewer requests."""
    skipped = found.skipped
    until = [one.until for one in skipped if now < one.until < math.inf]
    wait = str(max(1, math.ceil(min(until) - now))) if until else "5"
    why = "; ".join(_reason(one, now) for one in skipped[:_MOST])
    if len(skipped) > _MOST:
        why += f"; {and_more(len(skipped) - _MOST)}"
    kept = [one for one in skipped if one.state != "out"]
    if kept and all(one.limited for one in kept):
        return RateLimited(f"every upstream of '{model}' asks for fewer requests: {why}", retry_after=wait)
    return NoUpstream(f"no upstream of '{model}' can be asked now: {why}", retry_after=wait)


def _reason(one: Skipped, now: float) -> str:
    for_so_long = f" for {math.ceil(one.until - now)} s" if now < one.until < math.inf else ""
    why = f" ({one.why})" if one.why else ""
    return f"{one.provider} is {one.state}{for_so_long}{why}"


def queue_full(model: str, waiting: int, retry_after: str) -> NoUpstream:
    """So many wait already."""
    wait = "1 request waits" if waiting == 1 else f"{waiting} requests wait"
    text = f"every upstream of '{model}' is busy, and {wait} already"
    return NoUpstream(text, code="queue_full", retry_after=retry_after)


def queue_timeout(model: str, seconds: float, retry_after: str) -> NoUpstream:
    """It has waited for so long."""
    text = f"no upstream of '{model}' had room within {seconds:g} s"
    return NoUpstream(text, code="queue_timeout", retry_after=retry_after)
