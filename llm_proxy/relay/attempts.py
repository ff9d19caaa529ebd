"""The attempts of one request: at the upstreams of its model, then at those of what stands in for it.

Whom to ask is ``choosing``, what becomes of it ``trying``; here is where there is more than one attempt to an answer: a second
at the same time (hedging), and one that goes on with what broke off.
"""

from __future__ import annotations

from llm_proxy.errors import GatewayError
from llm_proxy.relay.first_attempt import Attempt
from llm_proxy.relay.trying import Trying
from llm_proxy.routing.outcomes import judge
from llm_proxy.routing.pick import Choice, pick
from llm_proxy.routing.prefill import takes_prefill
from llm_proxy.wire.calls import Deployment


class Lost(GatewayError):
    """What an attempt ends in when another was faster."""

    code = "lost"

    def __init__(self, message: str = "another upstream was faster") -> None:
        super().__init__(message)


class Attempts(Trying):
    """All of one request."""

    def next_part(self, error: GatewayError) -> Deployment | None:
        """Who goes on with an answer that broke off in ``error``; it counts as asked. None if nobody may."""
        broken, now = self._current, self._loop.time()
        if broken is None or not judge(error).hide:
            return None
        found = pick(
            [row for row in self._candidates if takes_prefill(row)],
            self._router.states,
            now=now,
            chance=self._router.chance,
            policy=self.model.policy,
            tried={broken.deployment.upstream_key},
            pinned=self.model.pinned,
            wait=0.0,
        )
        if not isinstance(found, Choice) or not self.state.budget.take(now):
            return None
        return found.deployment if self._begin(found) else None

    # -- two at a time

    def hedge_after(self) -> float | None:
        """How long the first attempt has before another upstream is asked too, in seconds; None: none is."""
        policy, attempt = self.model.policy.hedge, self._current
        if policy is None or not self.streams or self._told or attempt is None:
            return None
        # An answer that is read to its end without a client would be paid for twice.
        return None if attempt.deployment.on_client_gone == "drain" else self.state.hedging.after(policy)

    def second(self) -> Attempt | None:
        """An attempt at another upstream of the same tier, which counts as asked; None if there is none, or not now."""
        policy, first = self.model.policy.hedge, self._current
        if policy is None or first is None or self.committed or self.left is not None:
            return None
        now, tier, key = self._loop.time(), first.deployment.order, first.deployment.upstream_key
        wish = self._think()
        others = [row for row in self._candidates if row.order == tier and row.upstream_key != key]
        found = pick(
            others,
            self._router.states,
            now=now,
            chance=self._router.chance,
            policy=self.model.policy,
            wait=0.0,
        )
        if not isinstance(found, Choice) or not self.state.hedging.take(policy):
            return None
        self._second = self._router.states.begin(
            found.deployment, now, tokens=wish.tokens, prompt=wish.prompt, probe=found.probe, kind=Attempt
        )
        return self._second

    def overtaken_by(self, second: Attempt) -> None:
        """The second has a token first; the other is given up."""
        first = self._current
        if first is not None and first is not second:
            self._given_up(first, Lost())
        self.goes_on_with(second)
        self.race = None
        self.token()

    def goes_on_with(self, second: Attempt) -> None:
        """It is the only one now."""
        self._current, self._second = second, None

    def second_failed(self, second: Attempt, error: GatewayError) -> None:
        """The second has failed, or was slower; the first goes on."""
        if self._second is second:
            self._second = None
            self._given_up(second, error)

    def _given_up(self, attempt: Attempt, error: GatewayError) -> None:
        now = self._loop.time()
        if attempt.exchange is not None:
            self._told = (*self._told, self._words(attempt, error))
        attempt.exchange = None
        if error.phase:
            self._router.note(attempt.deployment, attempt.ended(now, judge(error)))
        attempt.left(now)
        self._router.freed(now)
