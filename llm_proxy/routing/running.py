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
#: However soon after the one before, it counts as after so many seconds.
_DENSE = 0.05
#: The first measurement holds making a connection, loading a model and cold caches: it is doubted as one of so many seconds ago.
DOUBTFUL = 600.0
#: How much an answer's tokens count among those before.
_FADE = 0.98


class Running:
    """One request at an upstream, from ``States.begin`` to its end: it counts there as soon as it is made. Whoever needs to
    remember more of it begins a subclass. ``usual``: when it ends nobody else is to be told, because its upstream has no limits and
    is known to this process alone, and it does not try whether that is well again."""

    usual = True
    first_at = 0.0
    probe = False
    #: Whether it has ended.
    over = False
    #: An estimate of what it will use.
    _tokens = 0

    def __init__(self, state: UpstreamState, deployment: Deployment, now: float, tokens: int = 0) -> None:
        self.state = state
        self.deployment = deployment
        self.began = now
        if tokens:
            self._tokens = tokens
        state.in_flight += 1

    def first_token(self, now: float) -> Event | None:
        """A stream has begun to say something: it is well, and we know how long that took."""
        state = self.state
        if self.first_at or self.over:
            return None
        self.first_at = now
        seconds = now - self.began
        state.first_tokens.add(seconds)
        old = state.first_seconds
        if old:
            seconds += (old - seconds) * exp(min(state.first_at - now, -_DENSE) / _TAU)
        state.first_seconds = seconds
        state.first_at = now if old else now - DOUBTFUL
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
        if self.usual:  # as below; what is not needed is not read
            self.over = True
            state = self.state
            state.in_flight -= 1
            state.used_at = now
            state.naps = 0
            if not self.first_at:
                self._measure_whole(now)
            elif type(output := usage.get("completion_tokens")) is int:
                state.speeds.append((output, now - self.first_at))
            if "prompt_tokens_details" in usage and (cached := _cached(usage)) is not None:
                _note_hits(state, _count(usage, "prompt_tokens"), cached)
            mine, servers = state.health, state.server.health
            if mine.until or servers.until or now >= mine.turns or now >= servers.turns:
                return self._returned(now)
            mine.in_a_row = servers.in_a_row = 0
            mine.newest += 1
            servers.newest += 1
            return None
        return self.ended(
            now,
            SERVED,
            prompt_tokens=_count(usage, "prompt_tokens"),
            cached_tokens=_cached(usage),
            output_tokens=_count(usage, "completion_tokens"),
        )

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
        quiet = outcome is SERVED and not (self.probe or state.troubled or self.deployment.limits is not None)
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
        limits = self.deployment.limits
        if limits is not None and limits.tpm and (used := prompt + output):
            state.arrival_tokens = charged(state.arrival_tokens, now, limits.tpm, used - self._tokens)
        if outcome is SERVED:
            state.naps = 0
            if not self.first_at:
                self._measure_whole(now)
            else:
                state.speeds.append((output, now - self.first_at))
            if cached is not None:
                _note_hits(state, prompt, cached)
            return self._returned(now)
        if outcome.refused:
            servers = state.server.health
            # Whoever was asked before it was known, or for want of others while it is out, says nothing new.
            if servers.until and (self.began < servers.since or (servers.refused and now < servers.until)):
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

    def _measure_whole(self, now: float) -> None:
        """How long an answer took that came at once."""
        state = self.state
        seconds, old = now - self.began, state.whole_seconds
        if old:
            seconds += (old - seconds) * exp(min(state.whole_at - now, -_DENSE) / _TAU)
        state.whole_seconds = seconds
        state.whole_at = now if old else now - DOUBTFUL

    def _returned(self, now: float) -> Event | None:
        state = self.state
        # Both are told, whatever the first says.
        back = state.health.served(now, self.began)
        return "returned" if state.server.health.served(now, self.began) or back else None

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


def _count(usage: Mapping[str, Any], name: str) -> int:
    """A number of tokens, as an upstream tells it; 0 if it is none."""
    value = usage.get(name)
    return value if type(value) is int and value > 0 else 0


def _cached(usage: Mapping[str, Any]) -> int | None:
    """How many tokens of the prompt lay in its cache; None if it does not say."""
    details = usage.get("prompt_tokens_details")
    if type(details) is not dict:
        return None
    value = details.get("cached_tokens")
    return value if type(value) is int and value >= 0 else None


def _note_hits(state: UpstreamState, prompt: int, cached: int) -> None:
    if prompt:
        state.prompt_tokens = state.prompt_tokens * _FADE + prompt
        state.cached_tokens = state.cached_tokens * _FADE + min(cached, prompt)
