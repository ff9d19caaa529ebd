"""When a second upstream is asked for the same stream, because the first takes unusually long to begin.

Laws: off unless the model's policy says otherwise; not before twenty requests are known; then at most the policy's share of the
requests, but one is always allowed. The time is a number of seconds, or what nineteen of twenty requests need at most.
"""

from __future__ import annotations

from llm_proxy.wire.policies import Hedge

KNOWN = 20
#: How many first tokens are remembered, and after how many new ones they are looked at again.
_RING, _LOOK = 200, 10
#: Requests and hedges are counted over about so many requests.
_SPAN = 1000.0


class FirstTokens:
    """The times to the first token lately, in seconds."""

    __slots__ = ("_next", "_ring", "_sorted", "_stale", "count")

    def __init__(self) -> None:
        self._ring: list[float] = []
        self._next = 0
        self._sorted: list[float] = []
        self._stale = 0
        self.count = 0

    def add(self, seconds: float) -> None:
        """One more."""
        if len(self._ring) < _RING:
            self._ring.append(seconds)
        else:
            self._ring[self._next] = seconds
            self._next = (self._next + 1) % _RING
        self.count += 1
        self._stale += 1

    def quantile(self, share: float) -> float | None:
        """What ``share`` of them took at most; None if nothing is known."""
        if self._stale >= _LOOK or len(self._sorted) < min(len(self._ring), _LOOK):
            self._sorted, self._stale = sorted(self._ring), 0
        known = self._sorted
        return known[min(len(known) - 1, int(share * len(known)))] if known else None


class Hedging:
    """Of one public name."""

    __slots__ = ("first_tokens", "hedges", "requests")

    def __init__(self) -> None:
        self.first_tokens = FirstTokens()
        self.requests = 0.0
        self.hedges = 0.0

    def request(self) -> None:
        """A stream was asked for."""
        if self.requests >= _SPAN:
            self.requests, self.hedges = self.requests / 2, self.hedges / 2
        self.requests += 1.0

    def after(self, policy: Hedge) -> float | None:
        """How long the first upstream has before another is asked; None: none is."""
        if self.first_tokens.count < KNOWN:
            return None
        return self.first_tokens.quantile(0.95) if policy.after == "p95" else policy.after

    def take(self, policy: Hedge) -> bool:
        """One hedge, if the share allows it."""
        if self.first_tokens.count < KNOWN or self.hedges + 1.0 > max(1.0, policy.max_share * self.requests):
            return False
        self.hedges += 1.0
        return True
