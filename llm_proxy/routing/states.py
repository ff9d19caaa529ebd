"""What a process knows of upstreams while it runs: how busy, how fast, how well each is. The one mutable thing in routing.

Laws: state belongs to an upstream's key (kind, host, key, model), never to a row of the configuration: an edit that leaves the
upstream alone changes nothing here. Whatever was begun is let go exactly once, in whatever way it ends. Everything is
bounded; what is busy or in trouble is forgotten last. Time is monotonic seconds and handed in. With several worker
processes what matters is shared (``sharing``); with one, nothing of that exists.
"""

from __future__ import annotations

from itertools import count
from math import exp
from typing import Literal

from llm_proxy.routing.affinity import Prefixes, Prompt
from llm_proxy.routing.budget import RetryBudget
from llm_proxy.routing.ejection import Health
from llm_proxy.routing.hedging import FirstTokens, Hedging
from llm_proxy.routing.limits import charged
from llm_proxy.routing.outcomes import SERVED, Outcome
from llm_proxy.routing.queueing import Queue
from llm_proxy.routing.sharing import SharedStates, Slot
from llm_proxy.routing.signals import Signal
from llm_proxy.wire.calls import Deployment

#: What has happened to an upstream, for the log: it is out of the rotation, it refuses our key, it is back.
Event = Literal["ejected", "refused", "returned"]

#: How many upstreams, and how many public names, are known at most.
_MOST, _MOST_MODELS = 4096, 1024
#: After how many seconds a measurement counts for little (e-folding).
_TAU = 10.0
#: How an upstream that does not say for how long is left alone: first, and at most, in seconds.
_NAP, _LONGEST_NAP = 1.0, 30.0
#: How much an answer's tokens count among those before.
_FADE = 0.98
#: A poll older than this many seconds says nothing.
STALE = 5.0
#: An upstream that would have to load the model first counts as so many requests busier.
COLD = 2.0

_tags = count(1)


class ServerState:
    """A server and our key for it, for all models that it serves."""

    __slots__ = ("health", "key", "slot")

    def __init__(self, key: str) -> None:
        self.key = key
        self.health = Health()
        self.slot: Slot | None = None


class UpstreamState:
    """One upstream and model. ``in_flight``: requests of this process."""

    __slots__ = (
        "arrival_requests", "arrival_tokens", "asleep_since", "asleep_until", "busy", "cached_tokens", "counter", "first_at",
        "first_seconds", "first_tokens", "health", "in_flight", "key", "limited", "naps",
        "polled_at", "prompt_tokens", "server", "slot", "stamp", "tag", "tokens_per_second", "used_at", "waiting",
        "whole_at", "whole_seconds",
    )  # fmt: skip

    def __init__(self, key: str, server: ServerState) -> None:
        self.key = key
        self.server = server
        self.health = Health()
        self.slot: Slot | None = None
        self.tag = next(_tags)
        self.in_flight = 0
        self.used_at = 0.0
        #: Up to which of the things that workers tell each other this is known here.
        self.stamp = -1
        #: What it says of itself: requests that wait there, and what they are reckoned as.
        self.polled_at, self.waiting, self.busy = -STALE, 0.0, 0.0
        self.counter = 0.0
        #: The usual time to the first token of a stream, and to the end of a whole answer; 0: not known.
        self.first_seconds = self.first_at = 0.0
        self.whole_seconds = self.whole_at = 0.0
        self.first_tokens = FirstTokens()
        self.tokens_per_second = 0.0
        self.prompt_tokens = self.cached_tokens = 0.0
        self.asleep_until = self.asleep_since = 0.0
        self.limited = False
        self.naps = 0
        self.arrival_requests = self.arrival_tokens = 0.0

    @property
    def troubled(self) -> bool:
        """Whether anything would change if it served a request."""
        return bool(
            self.health.until
            or self.server.health.until
            or self.health.in_a_row
            or self.server.health.in_a_row
        )

    @property
    def others(self) -> int:
        """Requests in flight from the other worker processes."""
        return 0 if self.slot is None else self.slot.others

    def load(self, now: float) -> float:
        """Requests in flight, from all workers, and waiting there."""
        busy = self.busy if self.busy and now < self.polled_at + STALE else 0.0
        return self.in_flight + busy if self.slot is None else self.in_flight + self.slot.others + busy

    def pull(self, now: float) -> None:
        """See what the other workers know of it."""
        if self.slot is not None:
            self.slot.pull(self, now)
        if self.server.slot is not None:
            self.server.slot.pull_health(self.server.health, now)

    def push(self, now: float) -> None:
        """Tell the other workers what is known here; after ``pull``, and what has come of it."""
        if self.slot is not None:
            self.slot.push(self, now)
        if self.server.slot is not None:
            self.server.slot.push_health(self.server.health, now)

    def restarted(self) -> None:
        """Its cache is empty: what it held is forgotten."""
        self.tag = next(_tags)

    def polled(self, now: float, signal: Signal) -> None:
        """It has said how busy it is."""
        if signal.counter is not None:
            if signal.counter < self.counter:
                self.restarted()
            self.counter = signal.counter
        # To load a model takes about as long as to answer some requests.
        self.busy = signal.waiting + (COLD if signal.warm is False else 0.0)
        self.polled_at, self.waiting = now, signal.waiting

    def sleep(self, now: float, began: float, seconds: float, limited: bool) -> None:
        """Leave it alone for so many seconds; 0: for longer each time that it asks for it."""
        if not seconds:
            if began < self.asleep_since:
                return  # it was asked before it said so
            seconds = min(_LONGEST_NAP, _NAP * 2.0 ** min(self.naps, 10))
            self.naps += 1
        self.asleep_since = now
        self.asleep_until = max(self.asleep_until, now + seconds)
        self.limited = limited

    def forget_speed(self) -> None:
        """It is tried anew: how fast it was says nothing."""
        self.first_seconds = self.whole_seconds = 0.0


class Running:
    """One request at an upstream, from ``States.begin`` to its end."""

    __slots__ = ("_limits", "_over", "_tokens", "began", "first_at", "probe", "state")

    def __init__(self, state: UpstreamState, deployment: Deployment, now: float, tokens: int) -> None:
        self.state = state
        self.began = now
        self.first_at = 0.0
        self.probe = False
        self._over = False
        self._limits = deployment.limits
        self._tokens = tokens

    def first_token(self, now: float) -> Event | None:
        """A stream has begun to say something: it is well, and we know how long that took."""
        state = self.state
        if self.first_at or self._over:
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
        if self._over:
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
        if not self._over:
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
        self._over = True
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
        return self._returned(now)

    def _returned(self, now: float) -> Event | None:
        mine, servers = self.state.health, self.state.server.health
        # Both are told, whatever the first says.
        back = [mine.served(now, self.began), servers.served(now, self.began)]
        return "returned" if any(back) else None

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


class ModelState:
    """What belongs to a public name."""

    __slots__ = ("budget", "hedging", "queue")

    def __init__(self, now: float) -> None:
        self.budget = RetryBudget(now)
        self.queue = Queue()
        self.hedging = Hedging()


class States:
    """Of one process. ``shared`` is what the worker processes of the service share, if there are several."""

    __slots__ = ("_models", "_most", "_servers", "_shared", "_stamp", "_upstreams", "prefixes")

    def __init__(self, shared: SharedStates | None = None, most: int = _MOST) -> None:
        self._shared = shared
        self._stamp = 0
        self._most = most
        self._upstreams: dict[str, UpstreamState] = {}
        self._servers: dict[str, ServerState] = {}
        self._models: dict[str, ModelState] = {}
        self.prefixes = Prefixes()

    def __len__(self) -> int:
        return len(self._upstreams)

    def look(self) -> None:
        """See whether other workers have told something: ``seen`` takes it up."""
        if self._shared is not None:
            self._stamp = self._shared.stamp

    def of(self, deployment: Deployment, now: float) -> UpstreamState:
        """The state of a deployment's upstream; a new one if nothing is known of it."""
        self.look()
        return self.seen(deployment, now)

    def seen(self, deployment: Deployment, now: float) -> UpstreamState:
        """The same, as it was at the last ``look``."""
        found = self._upstreams.get(deployment.upstream_key)
        if found is None:
            found = self._new(deployment, now)
        if found.stamp != self._stamp and found.slot is not None:
            found.stamp = self._stamp
            found.pull(now)
        return found

    def known(self, deployment: Deployment, now: float) -> UpstreamState | None:
        """The same, for whoever only looks: None if nothing is known."""
        return self.of(deployment, now) if deployment.upstream_key in self._upstreams else None

    def model(self, name: str, now: float) -> ModelState:
        """What belongs to a public name. The name most recently asked for is the last to be forgotten."""
        found = self._models.pop(name, None) or ModelState(now)
        self._models[name] = found
        if len(self._models) > _MOST_MODELS:
            for old in list(self._models)[: _MOST_MODELS // 4]:
                if not len(self._models[old].queue):
                    del self._models[old]
        return found

    def begin(
        self,
        deployment: Deployment,
        now: float,
        *,
        tokens: int = 0,
        prompt: Prompt | None = None,
        probe: bool = False,
    ) -> Running | None:
        """A request goes to that upstream. None if another worker was faster and it is full: pick again.

        ``tokens``: an estimate of what it will use; ``probe``: as the choice says; ``prompt``: what it will then hold.
        """
        state = self.of(deployment, now)
        if state.slot is not None and not state.slot.enter(state, deployment.max_concurrent, now, probe):
            state.pull(now)  # so that whoever picks again sees why
            return None
        state.in_flight += 1
        state.used_at = now
        running = Running(state, deployment, now, tokens)
        limits = deployment.limits
        if limits is not None:
            if state.slot is not None:
                state.pull(now)
            if limits.rpm:
                state.arrival_requests = charged(state.arrival_requests, now, limits.rpm, 1.0)
            if limits.tpm:
                state.arrival_tokens = charged(state.arrival_tokens, now, limits.tpm, tokens)
        if probe:
            running.probe = True
            for health in (state.health, state.server.health):
                if health.until:
                    health.probe_at = now
        if prompt is not None:
            self.prefixes.note(prompt, state.tag)
        if state.slot is not None and (probe or limits is not None):
            state.push(now)
        return running

    def _new(self, deployment: Deployment, now: float) -> UpstreamState:
        if len(self._upstreams) >= self._most:
            self._forget()
        server = self._servers.get(deployment.server_key)
        if server is None:
            server = self._servers[deployment.server_key] = ServerState(deployment.server_key)
        state = UpstreamState(deployment.upstream_key, server)
        if self._shared is not None:
            state.slot = self._shared.slot(state.key, now)
            server.slot = server.slot or self._shared.slot(server.key, now)
        self._upstreams[state.key] = state
        self.prefixes.make_room(len(self._upstreams))
        return state

    def _forget(self) -> None:
        """A quarter of those that are idle and not in trouble, the longest unused first; all that are idle, if need be."""
        idle = [state for state in self._upstreams.values() if not state.in_flight]
        idle.sort(key=lambda s: (bool(s.health.until or s.asleep_until > s.used_at), s.used_at))
        for state in idle[: max(1, self._most // 4)]:
            del self._upstreams[state.key]
        held = {state.server.key for state in self._upstreams.values()}
        self._servers = {key: server for key, server in self._servers.items() if key in held}


def _newness(seconds: float) -> float:
    """How much a measurement counts, so long after the one before."""
    return 1.0 - exp(-max(seconds, 0.05) / _TAU)
