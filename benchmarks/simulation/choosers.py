"""Who chooses the server: the functions of production, and three that others use.

Laws: all may try three times, and none may repeat what has begun to answer. ``Ours`` is the loop of the relay in virtual time:
``usual``, ``pick``, ``States.begin``, ``judge``, the budget of retries and the queue are the very functions that production uses.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol

from benchmarks.simulation.load import Request
from benchmarks.simulation.servers import Server
from llm_proxy.errors import GatewayError
from llm_proxy.routing.affinity import Prompt
from llm_proxy.routing.drawing import Able
from llm_proxy.routing.outcomes import SERVED, judge
from llm_proxy.routing.pick import Choice, Wait, pick
from llm_proxy.routing.pool import Pool, kept, pool_of, usual
from llm_proxy.routing.signals import Signal
from llm_proxy.routing.states import Running, States
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.policies import ModelPolicy

RETRIES = 2
#: With more servers the usual choice is made at once, as production always does. With fewer ``pick`` makes it, which comes to the
#: same but for the chances that it is given: so the figures of ROUTING.md, made before, stay what they are.
_FEW = 64


class Ask:
    """One request on its way: what was tried, and what is being tried."""

    __slots__ = ("began", "left", "request", "running", "tried", "waiting_since")

    def __init__(self, request: Request, now: float) -> None:
        self.request = request
        self.began = now
        self.left = RETRIES
        self.tried: set[int] = set()
        self.running: Running | None = None
        self.waiting_since: float | None = None


class Chooser(Protocol):
    """``choose`` gives a server's number, or when to ask again, or None: nobody."""

    name: str

    def choose(self, ask: Ask, now: float) -> int | float | None: ...

    def first_token(self, ask: Ask, number: int, now: float) -> None: ...

    def served(self, ask: Ask, number: int, now: float, cached: int) -> None: ...

    def failed(self, ask: Ask, number: int, now: float, error: GatewayError) -> bool:
        """Whether it may try again."""

    def polled(self, servers: Sequence[Server], now: float) -> None: ...


class Simple:
    """``round robin``, ``random`` or ``least connections``: no memory of failures, but another server for each retry."""

    def __init__(self, name: str, count: int, seed: int) -> None:
        self.name = name
        self._flying = [0] * count
        self._next = 0
        self._chance = random.Random(seed)

    def choose(self, ask: Ask, now: float) -> int | float | None:
        able = [number for number in range(len(self._flying)) if number not in ask.tried]
        if not able:
            return None
        match self.name:
            case "round robin":
                while self._next % len(self._flying) not in able:
                    self._next += 1
                found = self._next % len(self._flying)
                self._next += 1
            case "random":
                found = self._chance.choice(able)
            case _:
                least = min(self._flying[number] for number in able)
                found = self._chance.choice([number for number in able if self._flying[number] == least])
        self._flying[found] += 1
        return found

    def first_token(self, ask: Ask, number: int, now: float) -> None:
        pass

    def served(self, ask: Ask, number: int, now: float, cached: int) -> None:
        self._flying[number] -= 1

    def failed(self, ask: Ask, number: int, now: float, error: GatewayError) -> bool:
        self._flying[number] -= 1
        ask.tried.add(number)
        ask.left -= 1
        return ask.left >= 0 and judge(error).hide

    def polled(self, servers: Sequence[Server], now: float) -> None:
        pass


class Ours:
    """The functions of production."""

    def __init__(self, name: str, count: int, seed: int, policy: ModelPolicy, polls: bool = True) -> None:
        self.name = name
        self._rows = tuple(
            Deployment(f"s{number}", "m", "vllm", f"http://s{number}.test/v1", "m") for number in range(count)
        )
        self._numbers = {row.provider: number for number, row in enumerate(self._rows)}
        self._states = States()
        self._policy = policy
        self._polls = polls
        self._chance = random.Random(seed).random
        self._pool: Pool | None = None

    def choose(self, ask: Ask, now: float) -> int | float | None:
        model = self._states.model("m", now)
        if ask.left == RETRIES and not ask.tried and ask.waiting_since is None:
            model.budget.request(now)
        prompt = ask.request.prompt if self._policy.affinity != "off" and ask.request.prompt.blocks else None
        if (
            len(self._rows) > _FEW
            and not ask.tried
            and ask.waiting_since is None
            and (number := self._at_once(ask, prompt, now)) is not None
        ):
            return number
        waited = 0.0 if ask.waiting_since is None else now - ask.waiting_since
        found = pick(
            self._rows,
            self._states,
            now=now,
            chance=self._chance,
            policy=self._policy,
            tried={self._rows[number].upstream_key for number in ask.tried},
            prompt=prompt,
            last_resort=True,
            wait=(self._policy.queue.wait if self._policy.queue else 0.0) - waited,
        )
        if isinstance(found, Wait):
            ask.waiting_since = now if ask.waiting_since is None else ask.waiting_since
            return max(found.until, now + 1e-3)
        if not isinstance(found, Choice):
            return None
        ask.running = self._states.begin(found.deployment, now, prompt=prompt, probe=found.probe)
        return self._numbers[found.deployment.provider]

    def _at_once(self, ask: Ask, prompt: Prompt | None, now: float) -> int | None:
        """The usual choice, as ``relay.first_attempt`` makes it."""
        if self._pool is None:
            self._pool = pool_of(self._rows, self._states, now, self._policy)
        assert self._pool is not None
        found: Able | Choice | None
        if prompt is None:
            found = usual(self._pool, now, self._chance)
        else:
            found = kept(self._pool, self._states, now, self._chance, self._policy, prompt)
        if found is None:
            return None
        ask.running = Running(found[1], found[0], now)
        if prompt is not None:
            self._states.prefixes.note(prompt, found[1].tag)
        return self._numbers[found[0].provider]

    def first_token(self, ask: Ask, number: int, now: float) -> None:
        assert ask.running is not None
        ask.running.first_token(now)

    def served(self, ask: Ask, number: int, now: float, cached: int) -> None:
        assert ask.running is not None
        request = ask.request
        ask.running.ended(
            now, SERVED, prompt_tokens=request.context, cached_tokens=cached, output_tokens=request.answer
        )

    def failed(self, ask: Ask, number: int, now: float, error: GatewayError) -> bool:
        assert ask.running is not None
        outcome = judge(error)
        ask.running.ended(now, outcome)
        ask.tried.add(number)
        ask.left -= 1
        return ask.left >= 0 and outcome.hide and self._states.model("m", now).budget.take(now)

    def polled(self, servers: Sequence[Server], now: float) -> None:
        if self._polls:
            for row, server in zip(self._rows, servers, strict=True):
                self._states.of(row, now).polled(now, Signal(float(len(server.waiting))))
