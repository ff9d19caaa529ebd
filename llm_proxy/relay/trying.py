"""What becomes of the attempts of one request, and whether there may be another.

Laws: ``judge`` says whether a failure may be hidden. Never after a token (of a whole answer: a byte) was on its way to the
client; never more often than the policy and the budget of retries allow; a fallback is no retry. Whoever was counted as
asked is counted as answered, once, whatever happens. What was tried is told, in the order in which it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_proxy.errors import ClientGone, GatewayError, RateLimited, RequestError
from llm_proxy.relay.attempt_words import words
from llm_proxy.relay.choosing import Choosing
from llm_proxy.relay.first_attempt import Attempt
from llm_proxy.relay.upstream import Exchange
from llm_proxy.routing.outcomes import Outcome, judge
from llm_proxy.wire.calls import NOTHING, Deployment


class Trying(Choosing):
    """Of one request, one attempt after the other."""

    def opened(self, exchange: Exchange) -> None:
        """The call is about to be made."""
        if self._current is not None:
            self._current.exchange = exchange
            exchange.started_at = self.started  # its ``total`` is that of the whole request

    def token(self) -> None:
        """The first token, or byte, is about to be sent to the client: nothing can be hidden any more."""
        attempt = self._current
        if not self.committed and attempt is not None:
            self.committed = True
            now = self._loop.time()
            attempt.seconds = now - (attempt.asked_at or attempt.began)
            if not self.usual:  # whoever may be overtaken is not
                if self.race is not None:
                    self.race.lose()
                if self.streams and self.model.policy.hedge is not None:
                    self.state.hedging.first_tokens.add(attempt.seconds)
            if (event := attempt.first_token(now)) is not None:
                self._router.note(attempt.deployment, event)

    def answered(self, usage: Mapping[str, Any] = NOTHING) -> None:
        """The upstream has given its whole answer."""
        self.committed = self.done = True
        attempt = self._current
        if attempt is not None:
            now = self._loop.time()
            if (event := attempt.served(now, usage)) is not None:
                self._router.note(attempt.deployment, event)
            if self._router.lines:
                self._router.freed(now)

    def again(self, error: GatewayError) -> None:
        """The same upstream is asked in another way, because of ``error``."""
        if self._current is not None:
            self._told = (*self._told, self._words(self._current, error))
            self._current.asked_at = self._loop.time()
            self._current.exchange = None

    def failed(self, error: GatewayError, *, spare: bool = False) -> bool:
        """The attempt has ended in ``error``; whether there may be another. ``spare``: there is one already."""
        attempt, now = self._current, self._loop.time()
        assert attempt is not None
        self._think()
        if isinstance(error, ClientGone) or self.left is not None:
            self.close()
            return False
        if attempt.exchange is None:
            attempt.left(now)
            self._router.freed(now)
            return self._unable(attempt.deployment, error)
        self._told = (*self._told, self._words(attempt, error))
        attempt.exchange = None
        outcome = judge(error)
        self._router.note(attempt.deployment, attempt.ended(now, outcome))
        self._router.freed(now)
        self._last = error
        if not isinstance(error, RateLimited):
            self._other = error
        if outcome.misnamed:
            self._router.note_misnamed(attempt.deployment, now)
        if self.committed:
            return False
        if spare and outcome.hide:
            return True
        return self._retry(attempt.deployment, outcome, now) or self._fall_back(
            () if outcome.condition is None else (outcome.condition,)
        )

    def _retry(self, deployment: Deployment, outcome: Outcome, now: float) -> bool:
        """Whether another upstream of the same model may be asked instead, or this one once more."""
        if not outcome.hide or self._retries <= 0:
            return False
        key = deployment.upstream_key
        if outcome.same:
            self._tried.add(key)
        else:
            self._candidates = [row for row in self._candidates if row.upstream_key != key]
        if not self._candidates or not self.state.budget.take(now):
            return False
        self._retries -= 1
        return True

    def _unable(self, deployment: Deployment, error: GatewayError) -> bool:
        """Nothing was sent, because the dialect of that upstream cannot express the request: others may."""
        if not isinstance(error, RequestError):
            return False
        self._last = self._last or error
        self._candidates = [row for row in self._candidates if row.api_type != deployment.api_type]
        return bool(self._candidates)

    def told(self) -> str:
        """All attempts, the one that goes on among them."""
        attempt = self._current
        if attempt is None or attempt.exchange is None or attempt.exchange.head is None:
            return ", ".join(self._told)
        newest = self._words(attempt, None)
        return ", ".join((*self._told, newest)) if self._told else newest

    def facts(self) -> dict[str, Any]:
        """What the access line says of them."""
        found: dict[str, Any] = {}
        if self.queued is not None:
            found["queued_ms"] = round(self.queued * 1000, 2)
        if self.affinity is not None:
            found["affinity"] = self.affinity
        return found

    def _words(self, attempt: Attempt, error: GatewayError | None) -> str:
        head = attempt.exchange.head if attempt.exchange is not None else None
        name = attempt.deployment.provider
        seconds = attempt.seconds
        if seconds is None:
            seconds = self._loop.time() - (attempt.asked_at or attempt.began)
        return words(name, head.status if head else None, error, seconds)

    def close(self) -> None:
        """It is over, however it ended."""
        for attempt in (self._current, self._second):
            if attempt is not None and not attempt.over:
                now = self._loop.time()
                attempt.left(now)
                self._router.freed(now)
