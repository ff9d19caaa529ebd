"""The first attempt of a request at one of several upstreams: made at once, if all is as usual.

Laws: what only a second attempt needs, or a request that must wait, is made when it comes to that (``choosing``): nearly all
requests are answered at the first attempt, and pay for nothing else. Whom it goes to is said by ``routing.pool``.
"""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from llm_proxy.errors import GatewayError
from llm_proxy.live.config.catalog import Resolved
from llm_proxy.relay.router import Router
from llm_proxy.relay.upstream import Exchange
from llm_proxy.relay.view import tell_why
from llm_proxy.relay.waiting import Waiting
from llm_proxy.routing.able import Needs
from llm_proxy.routing.affinity import Prompt
from llm_proxy.routing.pool import kept, usual
from llm_proxy.routing.queueing import Priority
from llm_proxy.routing.running import Running
from llm_proxy.routing.states import ModelState
from llm_proxy.wire.calls import NOTHING, Deployment
from providers.common.about import About


@dataclass(frozen=True, slots=True)
class Wish:
    """What one request wants of an upstream. ``able``: which may take it at all; ``first``: whom it would rather have;
    ``tokens``: an estimate of what it will use; ``priority`` and ``key``: its place in the queue."""

    able: Callable[[Deployment], bool] | None = None
    first: Deployment | None = None
    prompt: Prompt | None = None
    tokens: int = 0
    priority: Priority = "default"
    key: str = ""
    #: What is known of an upstream's model, and what the request needs of it, which is only found out if it matters.
    about: Callable[[Deployment], About] | None = None
    room: Callable[[Resolved], float] | None = None
    needs: Callable[[], Awaitable[Needs]] | None = None


class Asker(Protocol):
    """Whose request it is: it is asked what the request wants, as far as that matters."""

    def prompt(self, resolved: Resolved, body: Mapping[str, Any]) -> Prompt | None:
        """What is to be kept together with earlier requests."""

    def room(self, resolved: Resolved) -> float:
        """Up to how many bytes any of the upstreams can take just any request, as far as is known."""

    def wish(
        self,
        body: Mapping[str, Any],
        able: Callable[[Deployment], bool] | None,
        first: Deployment | None,
        prompt: Prompt | None,
    ) -> Wish:
        """All that it wants."""

    def another_model(self, name: str) -> Resolved | None:
        """What may answer instead, by its name."""

    async def tell_waiting(self) -> float:
        """Let a client that waits hear something; when to do so again (loop time)."""


class Attempt(Running):
    """One of them. What belongs to its upstream ends but once, what is told of it begins anew when that is asked in another
    way (``asked_at``)."""

    exchange: Exchange | None = None
    #: When what is told of it began, if not with the attempt.
    asked_at: float | None = None
    #: How long its first byte took.
    seconds: float | None = None


class FirstAttempt:
    """Of one request, ``body`` as its client wrote it. ``started``: when it came (loop time): its ``total`` runs from there;
    ``able`` and ``favourite``: which upstreams may take it, and who should rather than others. Instances have of what stands
    here what they need. ``usual``: nothing is to be told but whom it is at, and the same as where there is one upstream."""

    usual = True
    #: The model whose upstreams are asked now, and what belongs to it.
    model: Resolved
    state: ModelState
    #: Whether a token is on its way to the client, and whether the whole answer came.
    committed = done = False
    #: Seconds in the queue, and whether the first choice was where the prompt's beginning lies in a cache.
    queued: float | None = None
    affinity: str | None = None
    #: Whether the answer is to be a stream.
    streams = False
    #: Of its body, in bytes.
    size = 0
    #: When a client that has heard nothing should hear something.
    silent_until = inf
    #: Why nobody waits for the outcome any more.
    left: GatewayError | None = None
    #: What was tried before the current attempt.
    _told: tuple[str, ...] = ()
    _current: Attempt | None = None
    _prompt: Prompt | None = None
    _waiting: Waiting | None = None
    #: Whether not everybody may take it, or somebody should rather than others.
    _choosy = False
    _able: Callable[[Deployment], bool] | None = None
    _favourite: Deployment | None = None

    def __init__(
        self,
        router: Router,
        resolved: Resolved,
        asker: Asker,
        body: Mapping[str, Any] = NOTHING,
        able: Callable[[Deployment], bool] | None = None,
        favourite: Deployment | None = None,
    ) -> None:
        self._router = router
        self._asker = asker
        self._body = body
        if able is not None or favourite is not None:
            self._choosy, self._able, self._favourite = True, able, favourite
        self.model = resolved
        self._loop = loop = get_running_loop()
        self.started = loop.time()

    def first(self) -> Deployment | None:
        """The upstream that is to be asked first; it counts as asked. None if that must be thought about (``next``)."""
        router, model, now = self._router, self.model, self.started
        states = router.states
        view = router.views.get(model.asked)
        if view is None or view.resolved is not model:
            view = router.view(model)
        if now >= view.due or view.forgotten != states.forgotten:
            view.look(states, router.asked, now, self._asker.room)
        pool = view.pool
        if pool is None or self._choosy or router.lines or self.size > view.room:
            return None
        prompt = self._asker.prompt(model, self._body)
        if prompt is None:
            found = usual(pool, now, router.chance)
            if found is None:
                return None
            deployment, upstream = found
            if view.tells:
                tell_why(deployment, "by weight and cost", view.rows, states, now)
        else:
            self._prompt = prompt
            choice = kept(pool, states, now, router.chance, model.policy, prompt)
            if choice is None:
                return None
            deployment, upstream, self.affinity, self.usual = choice[0], choice[1], choice.affinity, False
            states.prefixes.note(prompt, upstream.tag)
            if view.tells:
                tell_why(deployment, choice.why, view.rows, states, now)
        view.state.budget.request(now)
        self._current = Attempt(upstream, deployment, now)
        return deployment

    @property
    def upstream(self) -> Deployment | None:
        """Whom the newest attempt is at."""
        return self._current.deployment if self._current is not None else None

    def leave(self, reason: GatewayError) -> None:
        """Nobody waits for the outcome any more."""
        self.left = self.left or reason
        if self._waiting is not None:
            self._waiting.leave(self.left)
