"""One request at an upstream, from ``States.begin`` to its end, and what is learned of the upstream by it.

Laws: whatever was begun is let go exactly once, in whatever way it ends; what comes later changes nothing. What began before an
upstream was ejected, fell asleep or refused our key says nothing new of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp
from typing import Any, Literal

from llm_proxy.routing.limits import charged
from llm_proxy.routing.outcomes import SERVED, Outcome
from llm_proxy.routing.upstream_state import UpstreamState
from llm_proxy.wire.calls import Deployment

#: What has happened to an upstream, for the log: it is out of the rotation, it refuses our key, it is back.
Event = Literal["ejected", "refused", "returned"]

#: After how many seconds a measurement counts for little (e-folding).
_TAU = 10.0
#: How much an answer's tokens count among those before.
_FADE = 0.98


class Running:
    """One request at an upstream, from ``States.begin`` to its end."""

    __slots__ = ("_limits", "_tokens", "began", "first_at", "over", "probe", "state")

    def __init__(self, state: UpstreamState, deployment: Deployment, now: float, tokens: int) -> None:
        self.state = state
        self.began = now
        self.first_at = 0.0
        self.probe = False
        #: Whether it has ended.
        self.over = False
        self._limits = deployment.limits
        self._tokens = tokens

    def first_token(self, now: float) -> Event | None:
        """A stream has begun to say something: it is well, and we know how long that took."""
        state = self.state
        if self.first_at or self.over:
            return None
        self.first_at = now
        seconds = now - self.began
        state.first_tokens.add(seconds)
        old = state.first_seconds
        state.first_seconds = old + (seconds - old) * _newness(now - state.first_at) if old else seconds
        state.first_at = now
        if not (self.probe or state.health.until or state.server.health.until):
            return None
        if state.slot is not None:
            state.pull(now)
        event = self._returned(now)
        if state.slot is not None:
            state.push(now)
        return event

    def served(self, now: float, usage: Mapping[str, Any]) -> Event | None:
        """It was answered; ``usage`` as its upstream tells it, which may be anything."""
        if self.over:
            return None
        prompt, output = usage.get("prompt_tokens"), usage.get("completion_tokens")
        details = usage.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if type(details) is dict else None
        prompt = prompt if type(prompt) is int and prompt > 0 else 0
        output = output if type(output) is int and output > 0 else 0
        cached = cached if type(cached) is int and cached >= 0 else None
        if self.state.slot is None and self._limits is None:
            self._let_go(now)
            return self._served(now, prompt, cached, output)
        return self.ended(now, SERVED, prompt_tokens=prompt, cached_tokens=cached, output_tokens=output)

    def ended(
        self,
        now: float,
        outcome: Outcome = SERVED,
        *,
        prompt_tokens: int = 0,
        cached_tokens: int | None = None,
        output_tokens: int = 0,
    ) -> Event | None:
        """It is over: served, or with what ``judge`` has said of its error. Later calls change nothing. ``cached_tokens`` is None
        where the upstream does not tell."""
        if self.over:
            return None
        self._let_go(now)
        state = self.state
        quiet = outcome is SERVED and not (self.probe or state.troubled or self._limits is not None)
        if state.slot is None or quiet:
            return self._learn(now, outcome, prompt_tokens, cached_tokens, output_tokens)
        state.pull(now)
        event = self._learn(now, outcome, prompt_tokens, cached_tokens, output_tokens)
        state.push(now)
        return event

    def left(self, now: float) -> None:
        """It is over, and nobody is to blame: the client left, or another upstream was faster."""
        if not self.over:
            self._let_go(now)

    def _learn(
        self, now: float, outcome: Outcome, prompt: int, cached: int | None, output: int
    ) -> Event | None:
        state = self.state
        limits = self._limits
        if limits is not None and limits.tpm and (used := prompt + output):
            state.arrival_tokens = charged(state.arrival_tokens, now, limits.tpm, used - self._tokens)
        if outcome is SERVED:
            return self._served(now, prompt, cached, output)
        if outcome.refused:
            servers = state.server.health
            # Whoever was asked before it was known says nothing new.
            if servers.until and self.began < servers.since:
                return None
            servers.refuse(now)
            return "refused"
        if outcome.sleep is not None:
            state.sleep(now, self.began, outcome.sleep, outcome.limited)
        if outcome.failure:
            return self._failed(now, outcome)
        return self._returned(now) if outcome.answered else None

    def _let_go(self, now: float) -> None:
        self.over = True
        state = self.state
        state.in_flight -= 1
        state.used_at = now
        if state.slot is not None:
            state.slot.count(state, now)
        if self.probe:
            if state.slot is not None:
                state.pull(now)
            state.health.probe_at = state.server.health.probe_at = 0.0
            if state.slot is not None:
                state.push(now)

    def _served(self, now: float, prompt: int, cached: int | None, output: int) -> Event | None:
        state = self.state
        state.naps = 0
        if self.first_at:
            if output > 1 and now > self.first_at:
                speed, old = output / (now - self.first_at), state.tokens_per_second
                state.tokens_per_second = old + (speed - old) * 0.1 if old else speed
        else:
            seconds, old = now - self.began, state.whole_seconds
            state.whole_seconds = old + (seconds - old) * _newness(now - state.whole_at) if old else seconds
            state.whole_at = now
        if prompt and cached is not None:
            state.prompt_tokens = state.prompt_tokens * _FADE + prompt
            state.cached_tokens = state.cached_tokens * _FADE + min(cached, prompt)
        back = state.health.served(now, self.began)  # both are told, whatever the first says
        return "returned" if state.server.health.served(now, self.began) or back else None

    def _returned(self, now: float) -> Event | None:
        mine, servers = self.state.health, self.state.server.health
        # Both are told, whatever the first says.
        back = mine.served(now, self.began)
        return "returned" if servers.served(now, self.began) or back else None

    def _failed(self, now: float, outcome: Outcome) -> Event | None:
        state = self.state
        reason = "it cannot be reached" if outcome.server else "it fails"
        out = state.health.failed(now, self.began, reason)
        if outcome.server:
            out = state.server.health.failed(now, self.began, reason) or out
        if out:
            state.forget_speed()
            if outcome.server:  # whoever comes back there holds nothing
                state.restarted()
        return "ejected" if out else None


def _newness(seconds: float) -> float:
    """How much a measurement counts, so long after the one before."""
    return 1.0 - exp(max(seconds, 0.05) / -_TAU)
