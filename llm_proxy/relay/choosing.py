"""Which upstream a request is asked of next: now, after a pause, from the queue, or of another model.

Laws: ``pick`` decides whom to ask; here is what its answers lead to. A newcomer goes behind whoever waits. An upstream is
waited for only where it is asked again. All waiting ends at once when the client leaves, and with the request's own
``total``. What a client is told if there is nobody: what the last attempt failed of, else why nobody could be asked.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection
from math import inf
from typing import Protocol

from llm_proxy.errors import ClientGone, GatewayError, NoUpstream, RateLimited
from llm_proxy.live.config.catalog import Resolved
from llm_proxy.relay.first_attempt import Attempt, FirstAttempt, Wish
from llm_proxy.relay.refusals import nobody, queue_full, queue_timeout
from llm_proxy.relay.router import Line
from llm_proxy.relay.view import log, tell_why
from llm_proxy.relay.waiting import Waiting
from llm_proxy.routing.able import Able, Needs
from llm_proxy.routing.pick import Choice, Nobody, Wait, pick
from llm_proxy.routing.queueing import Ticket
from llm_proxy.routing.standing import asleep
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.policies import Condition, Fallback

#: Seconds before an upstream is asked a second time: up to the first, doubled each time, up to the last.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_UNAVAILABLE: tuple[Condition, ...] = ("unavailable",)

Found = Choice | Wait | Nobody | NoUpstream


class Rival(Protocol):
    """A second attempt at the same time."""

    def lose(self) -> None:
        """The first has a token."""


class Choosing(FirstAttempt):
    """Of one request."""

    race: Rival | None = None
    _second: Attempt | None = None
    _total = inf
    #: What the last attempt failed of, and the last that failed of anything but a rate limit.
    _last: GatewayError | None = None
    _other: GatewayError | None = None
    _standby: tuple[Fallback, ...] = ()
    #: Who was asked and who serves, if it is another.
    fallback = ""
    _needs: Needs | None = None
    #: What was asked for, whoever serves it.
    _asked: Resolved
    #: What it wants; None as long as nobody had to know.
    _wish: Wish | None = None
    _seen: set[str]

    @property
    def waiting(self) -> Waiting:
        """Its waits, one at a time."""
        if self._waiting is None:
            self._waiting = Waiting(self._loop)
            self._waiting.left = self.left
        return self._waiting

    def _think(self) -> Wish:
        """What the request wants: from now on it is known."""
        wish = self._wish
        if wish is None:
            self.usual = False
            model, first = self.model, self._current
            self._asked = model
            prompt = self._prompt or self._asker.prompt(model, self._body)
            wish = self._wish = self._asker.wish(self._body, self._able, self._favourite, prompt)
            self._seen = set()
            if first is not None:
                self._total = _or_inf(first.deployment.timeouts.total)
            self._enter(model, counted=first is not None)
            if self.streams and model.policy.hedge is not None:
                self.state.hedging.request()
        return wish

    def _enter(self, resolved: Resolved, *, counted: bool = False) -> None:
        """That model's upstreams are asked from now on. ``counted``: the request was counted there."""
        wish = self._think()
        able, router, now = wish.able, self._router, self._loop.time()
        self.model = resolved
        view = router.view(resolved)
        self.state = router.states.model(resolved.name, now)
        if not counted:
            self.state.budget.request(now)
            router.asked(resolved.name, view.polled, now)
        self._seen.add(resolved.way)
        #: Never changed where it lies: it may be everybody's.
        self._candidates = view.rows if able is None else [row for row in view.rows if able(row)]
        room = inf if wish.room is None else wish.room(resolved)
        self._unweighed = self.size > room or not room
        #: Those that have failed here, by their keys: they may be asked again when all have.
        self._tried: set[str] = set()
        self._retries = view.retries
        self._pauses = 0
        self._rested = False
        if resolved.policy.fallbacks:
            self._standby = (*resolved.policy.fallbacks, *self._standby)

    async def next(self) -> Deployment:
        """The upstream that is to be asked now; it counts as asked. Raises ``GatewayError`` if there is none."""
        self._think()
        while True:
            self.waiting.check()
            while self._unweighed:
                await self._weigh()
            found: Found = self._pick()
            if isinstance(found, Wait) and (kinds := asleep(found.skipped)) and self._fall_back(kinds):
                continue  # nobody waits for one that sleeps where another model may answer now
            if isinstance(found, Wait) or (isinstance(found, Choice) and self._others_wait()):
                found = await self._queue()
            if isinstance(found, Choice):
                if found.again and not self._rested:
                    await self._rest()  # what was right then need not be now
                elif self._begin(found):
                    return found.deployment
            elif isinstance(found, Nobody):
                if not self._fall_back(found.kinds):
                    raise self.verdict(nobody(self.model.name, found, self._loop.time()))
            elif not self._fall_back(_UNAVAILABLE):
                raise self.verdict(found)

    async def _weigh(self) -> None:
        """Leave out whoever is known not to be able to take this request. If nobody is left, another model is asked, or
        ``RequestError`` is raised."""
        self._unweighed = False
        wish, pinned = self._think(), self.model.pinned
        about, needs = wish.about, wish.needs
        if about is None or needs is None:
            return
        rows = [row for row in self._candidates if row.weight > 0 or pinned]
        if not rows:
            return
        if self._needs is None:
            self._needs = await needs()
        able = Able(self._needs, about)
        kept = [row for row in rows if able(row)]
        if not kept:
            error, condition = able.refusal(self.model.name, rows)
            if not self._fall_back((condition,)):
                raise self.verdict(error)
        else:
            self._candidates = kept

    def _pick(self, wait: float | None = None) -> Choice | Wait | Nobody:
        wish, model = self._think(), self.model
        first = wish.first
        return pick(
            [first]
            if first is not None and not self._told and first in self._candidates
            else self._candidates,
            self._router.states,
            now=self._loop.time(),
            chance=self._router.chance,
            policy=model.policy,
            tried=self._tried,
            prompt=wish.prompt,
            last_resort=self._is_last(),
            pinned=model.pinned,
            tokens=wish.tokens,
            wait=wait,
        )

    def _is_last(self) -> bool:
        """Whether no other model may answer if this one cannot."""
        return not any("unavailable" in one.on and one.model not in self._seen for one in self._standby)

    def _others_wait(self) -> bool:
        line = self._router.waiting(self.model.name)
        return line is not None and line.first(self._loop.time()) is not None

    async def _rest(self) -> None:
        """Leave an upstream that has failed alone for a moment."""
        longest = min(_FIRST_PAUSE * 2.0**self._pauses, _LONGEST_PAUSE)
        self._pauses += 1
        self._rested = True
        when = self._loop.time() + longest * self._router.chance()
        if when >= self.started + self._total and self._last is not None:
            raise self.verdict(self._last)
        while not self._loop.time() >= when:
            await self.waiting.until(when)

    async def _queue(self) -> Choice | Nobody | NoUpstream:
        """Wait until somebody can be asked; the error if too many wait, or if it takes too long."""
        name, policy, now = self.model.name, self.model.policy.queue, self._loop.time()
        if policy is None:  # ``pick`` lets nobody wait then
            return NoUpstream(f"every upstream of '{name}' is busy", retry_after="1")
        line, wish = self._router.line(name, now), self._think()
        ticket = line.join(self.waiting, wish.key, wish.priority, now, policy)
        if ticket is None:
            return queue_full(name, len(line.queue), line.queue.retry_after(now))
        found: Choice | Nobody | None = None
        try:
            found = await self._turn(line, ticket)
        finally:
            then = self._loop.time()
            self.queued = (self.queued or 0.0) + then - now
            line.leave(ticket, then, served=isinstance(found, Choice))
            self._router.left(name)
        return found or queue_timeout(name, policy.wait, line.queue.retry_after(then))

    async def _turn(self, line: Line, ticket: Ticket) -> Choice | Nobody | None:
        """What there is for ``ticket`` when it is its turn; None if that takes too long."""
        until = min(ticket.until, self.started + self._total)
        while (now := self._loop.time()) < until:
            look = until
            if line.first(now) is ticket:
                found = self._pick(until - now)
                if not isinstance(found, Wait):
                    return found
                line.nothing_for(ticket, now)
                look = min(until, found.until)
            if not await self._woken(look):
                line.look(self._loop.time())
        return None

    async def _woken(self, until: float) -> bool:
        """Sleep until then, or until somebody wakes us; a client that has heard nothing for long hears something."""
        while True:
            # Before it sleeps: it may be woken when its time is over, and before it goes on.
            before = self.waiting.wakes
            if await self.waiting.until(min(until, self.silent_until)):
                return True
            if self._loop.time() >= until or not self.streams:
                return False
            self.silent_until = await self._asker.tell_waiting()
            if self.waiting.wakes != before:
                return True

    def _begin(self, choice: Choice) -> bool:
        """It is asked; false if it has no room any more."""
        deployment, now, wish = choice.deployment, self._loop.time(), self._think()
        attempt = self._router.states.begin(
            deployment, now, tokens=wish.tokens, prompt=wish.prompt, probe=choice.probe, kind=Attempt
        )
        if attempt is None:
            return False
        if self._current is None:
            self.affinity = choice.affinity
            self._total = _or_inf(deployment.timeouts.total)
        self._current = attempt
        self._rested = False
        if log.isEnabledFor(logging.DEBUG):
            tell_why(deployment, choice.why, self._candidates, self._router.states, now)
        return True

    def _fall_back(self, kinds: Collection[Condition]) -> bool:
        """Go on with another model that may answer for one of these reasons; false if there is none."""
        for at, one in enumerate(self._standby):
            if one.on.isdisjoint(kinds) or one.model in self._seen:
                continue
            found = self._asker.another_model(one.model)
            if found is None or found.way in self._seen:
                continue
            self._standby = (*self._standby[:at], *self._standby[at + 1 :])
            self._seen.add(one.model)
            self._enter(found)
            self.fallback = f"{self._asked.asked}->{found.asked}"
            return True
        return False

    def verdict(self, error: GatewayError) -> GatewayError:
        """What the client is told in the end: what the last attempt failed of, and that it asks too much only if every
        upstream said so; ``error`` if nobody was asked."""
        if self._last is None or isinstance(error, ClientGone) or error is self.waiting.left:
            return error  # nobody was asked, or the request was ended from outside
        found = self._other or self._last
        if isinstance(found, RateLimited):
            found.retry_after = self._soonest() or found.retry_after
        return found

    def _soonest(self) -> str:
        """When the first of those that asked for fewer requests may be asked again, in whole seconds."""
        now = self._loop.time()
        states = [self._router.states.known(row, now) for row in self.model.deployments]
        waits = [
            state.asleep_until - now for state in states if state is not None and state.asleep_until > now
        ]
        return str(math.ceil(min(waits))) if waits else ""


def _or_inf(seconds: float | None) -> float:
    return inf if seconds is None else seconds
