"""The attempts of one request: at the upstreams of its model, then at those of what stands in for it.

Laws: ``pick`` decides whom to ask, ``judge`` whether a failure may be hidden; here it is carried out. Never after a token (of a
whole answer: a byte) was on its way to the client; never more often than the policy and the budget of retries allow; an
upstream is waited for only where it is asked again. Whoever was counted as asked is counted as answered, once, whatever
happens. What was tried is told, in the order in which it was.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from llm_proxy.errors import ClientGone, GatewayError, NoUpstream, RateLimited, RequestError
from llm_proxy.live.config.catalog import Resolved
from llm_proxy.relay.attempt_words import words
from llm_proxy.relay.refusals import nobody, queue_full, queue_timeout
from llm_proxy.relay.router import Line, Router
from llm_proxy.relay.upstream import Exchange
from llm_proxy.relay.waiting import Waiting
from llm_proxy.routing.able import Able, Needs
from llm_proxy.routing.affinity import Prompt
from llm_proxy.routing.outcomes import SERVED, Outcome, judge
from llm_proxy.routing.pick import Choice, Nobody, Wait, pick
from llm_proxy.routing.prefill import takes_prefill
from llm_proxy.routing.queueing import Priority, Ticket
from llm_proxy.routing.standing import standing
from llm_proxy.routing.states import Running
from llm_proxy.wire.calls import NOTHING, Deployment
from llm_proxy.wire.policies import Condition, Fallback
from providers.common.about import About

log = logging.getLogger(__name__)

#: Retries where a model has several upstreams and nobody has said how many.
_RETRIES = 2
#: Seconds before an upstream is asked a second time: up to the first, doubled each time, up to the last.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
#: What an attempt ends in when another was faster.
_OVERTAKEN = GatewayError("another upstream was faster", code="lost")
_UNAVAILABLE: tuple[Condition, ...] = ("unavailable",)

Found = Choice | Wait | Nobody | NoUpstream


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
    bounded: Callable[[Resolved], bool] | None = None
    needs: Callable[[], Awaitable[Needs]] | None = None


class Attempt:
    """One of them."""

    __slots__ = ("began", "deployment", "exchange", "running", "seconds")

    def __init__(self, deployment: Deployment, running: Running, began: float) -> None:
        self.deployment = deployment
        self.running = running
        self.began = began
        self.exchange: Exchange | None = None
        #: How long its first byte took.
        self.seconds: float | None = None


class Rival(Protocol):
    """A second attempt at the same time."""

    def lose(self) -> None:
        """The first has a token."""


class Attempts:
    """All of one request. ``started``: when it came (loop time): its ``total`` runs from there."""

    def __init__(
        self, router: Router, resolved: Resolved, resolve: Callable[[str], Resolved | None], wish: Wish
    ) -> None:
        self._router = router
        self._resolve = resolve
        self._wish = wish
        self._loop = asyncio.get_running_loop()
        self.asked = resolved.asked
        self.started = self._loop.time()
        self.waiting = Waiting(self._loop)
        #: Whether a token is on its way to the client.
        self.committed = False
        #: Seconds in the queue, and whether the first choice was where the prompt's beginning lies in a cache.
        self.queued: float | None = None
        self.affinity: str | None = None
        #: When a client that has heard nothing should hear something, and what tells it; gives the next such time.
        self.silent_until = inf
        self.break_silence: Callable[[], Awaitable[float]] | None = None
        self.race: Rival | None = None
        self._streams = False
        self._second: Attempt | None = None
        self._total = inf
        self._told: list[str] = []
        self._current: Attempt | None = None
        #: What the last attempt failed of, and the last that failed of anything but a rate limit.
        self._last: GatewayError | None = None
        self._other: GatewayError | None = None
        self._standby: list[Fallback] = []
        self._fallen = False
        self._needs: Needs | None = None
        self._seen: set[str] = set()
        self._enter(resolved)

    def _enter(self, resolved: Resolved) -> None:
        """That model's upstreams are asked from now on."""
        policy, able, rows = resolved.policy, self._wish.able, resolved.deployments
        self.model = resolved
        self.state = self._router.states.model(resolved.name, self._loop.time())
        self.state.budget.request(self._loop.time())
        self._router.asked(resolved.name, [row for row in rows if row.weight > 0], self._loop.time())
        self._seen.add(resolved.way)
        self._candidates = [row for row in rows if able(row)] if able is not None else list(rows)
        bounded = self._wish.bounded
        self._unweighed = bounded is not None and bounded(resolved)
        #: Those that have failed here, by their keys: they may be asked again when all have.
        self._tried: set[str] = set()
        self._retries = policy.retries if policy.retries is not None else _RETRIES * (len(rows) > 1)
        self._pauses = 0
        self._rested = False
        self._standby = [*policy.fallbacks, *self._standby]

    @property
    def fallback(self) -> str:
        """Who was asked and who serves, if it is another."""
        return f"{self.asked}->{self.model.asked}" if self._fallen else ""

    @property
    def upstream(self) -> Deployment | None:
        """Whom the newest attempt is at."""
        return self._current.deployment if self._current is not None else None

    # -- whom to ask

    async def next(self) -> Deployment:
        """The upstream that is to be asked now; it counts as asked. Raises ``GatewayError`` if there is none."""
        while True:
            self.waiting.check()
            while self._unweighed:
                await self._weigh()
            found: Found = self._pick()
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
        about, needs, pinned = self._wish.about, self._wish.needs, self.model.pinned
        rows = [row for row in self._candidates if row.weight > 0 or pinned]
        if about is None or needs is None or not rows:
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
        first, model = self._wish.first, self.model
        return pick(
            [first]
            if first is not None and not self._told and first in self._candidates
            else self._candidates,
            self._router.states,
            now=self._loop.time(),
            chance=self._router.chance,
            policy=model.policy,
            tried=self._tried,
            prompt=self._wish.prompt,
            last_resort=self._is_last(),
            pinned=model.pinned,
            tokens=self._wish.tokens,
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
        line = self._router.line(name, now)
        ticket = line.join(self.waiting, self._wish.key, self._wish.priority, now, policy)
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
            if await self.waiting.until(min(until, self.silent_until)):
                return True
            if self._loop.time() >= until or self.break_silence is None:
                return False
            self.silent_until = await self.break_silence()

    def _begin(self, choice: Choice) -> bool:
        """It is asked; false if it has no room any more."""
        deployment, now = choice.deployment, self._loop.time()
        running = self._router.states.begin(
            deployment, now, tokens=self._wish.tokens, prompt=self._wish.prompt, probe=choice.probe
        )
        if running is None:
            return False
        if self._current is None:
            self.affinity = choice.affinity
            total = deployment.timeouts.total
            self._total = inf if total is None else total
        self._current = Attempt(deployment, running, now)
        self._rested = False
        if log.isEnabledFor(logging.DEBUG):
            self._tell_why(choice, now)
        return True

    def _tell_why(self, choice: Choice, now: float) -> None:
        """For whoever looks at the log: why this one, and why not the others."""
        stand = [standing(row, self._router.states.known(row, now), now) for row in self._candidates]
        skipped = [f"{one.provider}: {one.state} ({one.why})" for one in stand if one.state != "ok"]
        fields = {"provider": choice.deployment.provider, "why": choice.why, "skipped": skipped}
        log.debug("upstream chosen", extra=fields)

    def _fall_back(self, kinds: Collection[Condition]) -> bool:
        """Go on with another model that may answer for one of these reasons; false if there is none."""
        for at, one in enumerate(self._standby):
            if one.on.isdisjoint(kinds) or one.model in self._seen:
                continue
            found = self._resolve(one.model)
            if found is None or found.way in self._seen:
                continue
            del self._standby[at]
            self._seen.add(one.model)
            self._fallen = True
            self._enter(found)
            return True
        return False

    # -- what becomes of it

    def opened(self, exchange: Exchange) -> None:
        """The call is about to be made."""
        if self._current is not None:
            self._current.exchange = exchange
            exchange.started_at = self.started  # its ``total`` is that of the whole request

    def token(self) -> None:
        """The first token, or byte, is about to be sent to the client: nothing can be hidden any more."""
        if not self.committed and self._current is not None:
            self.committed = True
            now = self._loop.time()
            if self.race is not None:
                self.race.lose()
            if self._streams and self.model.policy.hedge is not None:
                self.state.hedging.first_tokens.add(now - self._current.began)
            self._current.seconds = now - self._current.began
            self._router.note(self._current.deployment, self._current.running.first_token(now))

    def answered(self, usage: Mapping[str, Any] = NOTHING) -> None:
        """The upstream has given its whole answer."""
        self.committed = True
        if self._current is not None:
            now = self._loop.time()
            if self._current.seconds is None:
                self._current.seconds = now - self._current.began
            event = self._current.running.ended(now, SERVED, **_counts(usage))
            self._router.note(self._current.deployment, event)
            self._router.freed(now)

    def again(self, error: GatewayError) -> None:
        """The same upstream is asked in another way, because of ``error``."""
        if self._current is not None:
            self._told.append(self._words(self._current, error))
            self._current.began = self._loop.time()
            self._current.exchange = None

    def failed(self, error: GatewayError, *, spare: bool = False) -> bool:
        """The attempt has ended in ``error``; whether there may be another. ``spare``: there is one already."""
        attempt, now = self._current, self._loop.time()
        assert attempt is not None
        if isinstance(error, ClientGone) or self.waiting.left is not None:
            self.close()
            return False
        if attempt.exchange is None:
            attempt.running.left(now)
            self._router.freed(now)
            return self._unable(attempt.deployment, error)
        self._told.append(self._words(attempt, error))
        attempt.exchange = None
        outcome = judge(error)
        self._router.note(attempt.deployment, attempt.running.ended(now, outcome))
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

    def streams(self) -> None:
        """The answer is to be a stream."""
        self._streams = True
        if self.model.policy.hedge is not None:
            self.state.hedging.request()

    def hedge_after(self) -> float | None:
        """How long the first attempt has before another upstream is asked too, in seconds; None: none is."""
        policy, attempt = self.model.policy.hedge, self._current
        if policy is None or not self._streams or self._told or attempt is None:
            return None
        # An answer that is read to its end without a client would be paid for twice.
        return None if attempt.deployment.on_client_gone == "drain" else self.state.hedging.after(policy)

    def second(self) -> Attempt | None:
        """An attempt at another upstream of the same tier, which counts as asked; None if there is none, or not now."""
        policy, first = self.model.policy.hedge, self._current
        if policy is None or first is None or self.committed or self.waiting.left is not None:
            return None
        now, tier, key = self._loop.time(), first.deployment.order, first.deployment.upstream_key
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
        running = self._router.states.begin(
            found.deployment, now, tokens=self._wish.tokens, prompt=self._wish.prompt, probe=found.probe
        )
        if running is not None:
            self._second = Attempt(found.deployment, running, now)
        return self._second

    def overtaken_by(self, second: Attempt) -> None:
        """The second has a token first; the other is given up."""
        first = self._current
        if first is not None and first is not second:
            self._given_up(first, _OVERTAKEN)
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
            self._told.append(self._words(attempt, error))
        attempt.exchange = None
        if error.phase:
            self._router.note(attempt.deployment, attempt.running.ended(now, judge(error)))
        attempt.running.left(now)
        self._router.freed(now)

    def verdict(self, error: GatewayError) -> GatewayError:
        """What the client is told in the end: what the last attempt failed of, and that it asks too much only if every
        upstream said so; ``error`` if nobody was asked."""
        if self._last is None or isinstance(error, ClientGone):
            return error
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

    def told(self) -> str:
        """All attempts, the one that goes on among them."""
        attempt = self._current
        if attempt is None or attempt.exchange is None or attempt.exchange.head is None:
            return ", ".join(self._told)
        return ", ".join([*self._told, self._words(attempt, None)])

    def facts(self) -> dict[str, Any]:
        """What the access line says of them."""
        queued = None if self.queued is None else round(self.queued * 1000, 2)
        return {"queued_ms": queued, "affinity": self.affinity}

    def _words(self, attempt: Attempt, error: GatewayError | None) -> str:
        head = attempt.exchange.head if attempt.exchange is not None else None
        name = attempt.deployment.provider
        seconds = self._loop.time() - attempt.began if attempt.seconds is None else attempt.seconds
        return words(name, head.status if head else None, error, seconds)

    def leave(self, reason: GatewayError) -> None:
        """Nobody waits for the outcome any more."""
        self.waiting.leave(reason)

    def close(self) -> None:
        """It is over, however it ended."""
        now = self._loop.time()
        for attempt in (self._current, self._second):
            if attempt is not None:
                attempt.running.left(now)
                self._router.freed(now)


def _counts(usage: Mapping[str, Any]) -> dict[str, int]:
    """What an answer's usage says, as far as it says it in whole numbers."""
    details = usage.get("prompt_tokens_details")
    found = {
        "prompt_tokens": usage.get("prompt_tokens"),
        "output_tokens": usage.get("completion_tokens"),
        "cached_tokens": details.get("cached_tokens") if isinstance(details, dict) else None,
    }
    return {name: value for name, value in found.items() if type(value) is int and value > 0}
