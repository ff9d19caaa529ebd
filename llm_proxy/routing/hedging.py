"""When a second upstream is asked for the same stream, because the first takes unusually long to begin.

Laws: off unless the model's policy says otherwise; not before twenty requests are known; then at most the policy's share of the
requests, but one is always allowed. The time is a number of seconds, or what nineteen of twenty requests need at most.
"""

from __future__ import annotations

from collections import deque

from llm_proxy.wire.policies import Hedge

KNOWN = 20
#: How many first tokens are remembered, and after how many requests they are looked at again.
_RING, _LOOK = 200, 10
#: Requests and hedges are counted over about so many requests.
_SPAN = 1000.0


class FirstTokens:
    """The times to the first token lately, in seconds. ``add``: one more, which every stream does; they are put in order when
    somebody asks."""

    __slots__ = ("_ring", "add")

    def __init__(self) -> None:
        self._ring: deque[float] = deque(maxlen=_RING)
        self.add = self._ring.append

    @property
    def count(self) -> int:
        """How many are known."""
        return len(self._ring)

    def quantile(self, share: float) -> float | None:
        """What ``share`` of them took at most; None if nothing is known."""
        known = sorted(self._ring)
        return known[min(len(known) - 1, int(share * len(known)))] if known else None


class Hedging:
    """Of one public name."""

    __slots__ = ("_looks", "_p95", "first_tokens", "hedges", "requests")

    def __init__(self) -> None:
        self.first_tokens = FirstTokens()
        self.requests = 0.0
        self.hedges = 0.0
        #: What nineteen of twenty need at most, as it was when somebody looked, and after how many requests that is done again.
        self._p95: float | None = None
        self._looks = 0

    def request(self) -> None:
        """A stream was asked for."""
        if self.requests >= _SPAN:
            self.requests, self.hedges = self.requests / 2, self.hedges / 2
        self.requests += 1.0

    def after(self, policy: Hedge) -> float | None:
        """How long the first upstream has before another is asked; None: none is."""
        if self.first_tokens.count < KNOWN:
            return None
        if policy.after != "p95":
            return policy.after
        if not self._looks:
            self._p95, self._looks = self.first_tokens.quantile(0.95), _LOOK
        self._looks -= 1
        return self._p95

    def take(self, policy: Hedge) -> bool:
        """One hedge, if the share allows it."""
        if self.first_tokens.count < KNOWN or self.hedges + 1.0 > max(1.0, policy.max_share * self.requests):
            return False
        self.hedges += 1.0
        return True
