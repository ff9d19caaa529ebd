"""What a process knows of upstreams and of public names while it runs. The one mutable thing in routing.

Laws: state belongs to an upstream's key (kind, host, key, model), never to a row of the configuration: an edit that leaves the
upstream alone changes nothing here. Everything is bounded; what is busy or in trouble is forgotten last. Time is monotonic
seconds and handed in. With several worker processes what matters is shared (``sharing``); with one, nothing of that exists.
"""

from __future__ import annotations

from typing import TypeVar, overload

from llm_proxy.routing.affinity import Prefixes, Prompt
from llm_proxy.routing.budget import RetryBudget
from llm_proxy.routing.hedging import Hedging
from llm_proxy.routing.limits import charged
from llm_proxy.routing.queueing import Queue
from llm_proxy.routing.running import Event, Running
from llm_proxy.routing.sharing import SharedStates
from llm_proxy.routing.upstream_state import ServerState, UpstreamState
from llm_proxy.wire.calls import Deployment

__all__ = ["Event", "ModelState", "Running", "States", "UpstreamState"]

#: What is begun: ``Running``, or what somebody else remembers of a request.
R = TypeVar("R", bound=Running)

#: How many upstreams, and how many public names, are known at most.
_MOST, _MOST_MODELS = 4096, 1024


class ModelState:
    """What belongs to a public name."""

    __slots__ = ("budget", "hedging", "queue")

    def __init__(self, now: float) -> None:
        self.budget = RetryBudget(now)
        self.queue = Queue()
        self.hedging = Hedging()


class States:
    """Of one process. ``shared`` is what the worker processes of the service share, if there are several."""

    __slots__ = ("_models", "_most", "_servers", "_shared", "_stamp", "_upstreams", "forgotten", "prefixes")

    def __init__(self, shared: SharedStates | None = None, most: int = _MOST) -> None:
        self._shared = shared
        self._stamp = 0
        self._most = most
        self._upstreams: dict[str, UpstreamState] = {}
        self._servers: dict[str, ServerState] = {}
        self._models: dict[str, ModelState] = {}
        self.prefixes = Prefixes()
        #: How often upstreams were forgotten: whoever keeps a state for longer than a request looks whether it is still this one.
        self.forgotten = 0

    @property
    def shared(self) -> bool:
        """Whether other workers know of the same upstreams."""
        return self._shared is not None

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

    @overload
    def begin(
        self,
        deployment: Deployment,
        now: float,
        *,
        tokens: int = ...,
        prompt: Prompt | None = ...,
        probe: bool = ...,
    ) -> Running | None: ...

    @overload
    def begin(
        self,
        deployment: Deployment,
        now: float,
        *,
        tokens: int = ...,
        prompt: Prompt | None = ...,
        probe: bool = ...,
        kind: type[R],
    ) -> R | None: ...

    def begin(
        self,
        deployment: Deployment,
        now: float,
        *,
        tokens: int = 0,
        prompt: Prompt | None = None,
        probe: bool = False,
        kind: type[Running] = Running,
    ) -> Running | None:
        """A request goes to that upstream. None if another worker was faster and it is full: pick again.

        ``tokens``: an estimate of what it will use; ``probe``: as the choice says; ``prompt``: what it will then hold;
        ``kind``: what is begun.
        """
        state = self.of(deployment, now)
        if state.slot is not None and not state.slot.enter(state, deployment.max_concurrent, now, probe):
            state.pull(now)  # so that whoever picks again sees why
            return None
        running = kind(state, deployment, now, tokens)
        if prompt is not None:
            self.prefixes.note(prompt, state.tag)
        if state.slot is not None or deployment.limits is not None or probe:
            running.usual = False
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
        self.forgotten += 1
        for state in idle[: max(1, self._most // 4)]:
            del self._upstreams[state.key]
        held = {state.server.key for state in self._upstreams.values()}
        self._servers = {key: server for key, server in self._servers.items() if key in held}
