"""The books of one process: what requests may take, what they took, and what is written of it.

Laws: a request is charged once, however many attempts it makes, and settles once, however it ends: with what vendors told, else with
an estimate that is marked as one. Of a request that never reached a model nothing is left. Times come from the two clocks
that are handed in.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

from llm_proxy.errors import NotAllowed
from llm_proxy.live.access.cost import NONE, Habits, Tokens, cost, expected_cost
from llm_proxy.live.access.ledger import Ledger
from llm_proxy.live.access.meter import Meter, Need, Now, Reservation
from llm_proxy.live.access.plan import Plan, Plans, price_of
from llm_proxy.live.access.shared import Shared
from llm_proxy.live.access.values import Access, Grant, Price
from llm_proxy.wire.calls import Deployment

log = logging.getLogger("llm_proxy.audit")


def _now() -> Now:
    return Now(time.monotonic_ns(), time.time())


@dataclass(slots=True)
class Charge:
    """One request's account. ``need``: what it was estimated to take."""

    plan: Plan
    taken: Reservation
    need: Need
    #: Whether other gateways know of it.
    covered: bool = False
    #: What was told by vendors, and what had to be guessed.
    told: Tokens = NONE
    guessed: Tokens = NONE
    micro_usd: int = 0
    estimated: bool = False
    attempts: int = 0
    #: Who served last, and what that costs.
    deployment: Deployment | None = None
    price: Price | None = None

    @property
    def tokens(self) -> Tokens:
        """All that is to be paid."""
        return self.told.plus(self.guessed)


@dataclass(slots=True)
class Accounting:
    """``ledger`` None: nothing is written."""

    meter: Meter = field(default_factory=Meter)
    ledger: Ledger | None = None
    habits: Habits = field(default_factory=Habits)
    #: What other machines count too, if any do.
    shared: Shared | None = None
    now: Callable[[], Now] = _now
    _plans: Plans | None = None
    _of: Access | None = None

    def plan(self, access: Access, grant: Grant, deployment: Deployment) -> Plan:
        """What holds for that key and model."""
        if self._of is not access or self._plans is None:
            self._plans, self._of = Plans(access), access
        return self._plans.of(grant, deployment)

    def wanted(self, plan: Plan, read: int, most: int | None, *, blind: bool) -> Need:
        """What a request will take. ``most``: how many tokens it wants at most; ``blind``: nobody will know what it takes. Raises
        ``NotAllowed``."""
        if blind and plan.purses:
            names = ", ".join(purse.budget.name for purse in plan.purses)
            raise NotAllowed(f"nobody can tell what this costs, and budget {names} holds for this key")
        if blind:
            return Need()
        wrote = self.habits.usual(plan.grant.name, plan.model, most)
        return Need(read, wrote, expected_cost(plan.price, Tokens(read, wrote)) if plan.purses else 0)

    async def begin(self, plan: Plan, need: Need) -> Charge:
        """Let a request in. Raises ``GatewayError``."""
        shared, now = self.shared, self.now()
        covered = False
        if shared is None:
            taken = self.meter.reserve(plan, need, now)
        else:
            covered = await shared.cover(plan, need, now.wall)
            part = shared.gateways
            try:
                taken = self.meter.reserve(plan, need, self.now(), part, covered=covered)
            except BaseException:
                if covered:
                    shared.undo(plan, need, now.wall)
                raise
        for name, percent in taken.news:
            facts = {"budget": name, "percent": percent, "key": plan.grant.name}
            log.warning("a budget is running out", extra=facts)
        return Charge(plan, taken, need, covered)

    def note(
        self,
        charge: Charge,
        deployment: Deployment,
        told: Tokens | None,
        wrote: int,
        *,
        sent: bool,
        rival: bool = False,
    ) -> None:
        """One attempt is over. ``told``: by the vendor; else ``wrote`` tokens have come, and the request was ``sent``. ``rival``:
        it was made beside the one that serves, and only costs."""
        charge.attempts += 1
        price = price_of(charge.plan.prices, deployment)
        if not rival or charge.deployment is None:
            charge.deployment, charge.price = deployment, price
        if told is not None:
            charge.told = charge.told.plus(told) if charge.told is not NONE else told
            charge.micro_usd += cost(price, told)
        elif sent and (charge.need.input or wrote):
            guess = Tokens(charge.need.input, wrote)
            charge.guessed = charge.guessed.plus(guess)
            charge.micro_usd += cost(price, guess)
            charge.estimated = True

    def close(self, charge: Charge, row: Callable[[], dict[str, Any]]) -> None:
        """The request is over; ``row``: what else the ledger says of it, if it reached a model."""
        now, tokens = self.now(), charge.tokens
        used = Need(tokens.input, tokens.output, charge.micro_usd)
        self.meter.settle(charge.taken, used, now)
        if charge.covered and self.shared is not None:
            self.shared.settle(charge.plan, charge.need, used, charge.taken.at.wall)
        if charge.told.output:
            self.habits.note(charge.plan.grant.name, charge.plan.model, charge.told.output)
        if charge.attempts and self.ledger is not None:
            price = _price_row(charge.price) if charge.price is not None else None
            self.ledger.add(
                {
                    **row(),
                    "time": now.wall,
                    "key": charge.plan.grant.name,
                    "team": charge.plan.grant.team_name or None,
                    "input": tokens.input,
                    "output": tokens.output,
                    "cached": tokens.cached,
                    "cache_write": tokens.cache_write,
                    "reasoning": tokens.reasoning,
                    "estimated": int(charge.estimated),
                    "micro_usd": charge.micro_usd if charge.price is not None else None,
                    "price": price[0] if price else None,
                    "attempts": charge.attempts,
                },
                price,
            )


@lru_cache(maxsize=1024)
def _price_row(price: Price) -> tuple[str, str]:
    """Hash and text of a price, as the ledger keeps them."""
    text = json.dumps(asdict(price), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16], text
