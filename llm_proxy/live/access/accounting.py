"""The books of one process: what requests may take, what they took, and what is written of it.

Laws: a request is charged once, however many attempts it makes, and settles once, however it ends: with what vendors told, else with
an estimate that is marked as one. Of a request that never reached a model nothing is left. Times come from the two clocks
that are handed in.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil
from time import monotonic_ns, time
from typing import NamedTuple

from llm_proxy.errors import NotAllowed
from llm_proxy.live.access.cost import NONE, Habits, Tokens, cost
from llm_proxy.live.access.ledger import Ledger
from llm_proxy.live.access.meter import Meter
from llm_proxy.live.access.plan import BudgetAccount, Plan, Plans, price_of
from llm_proxy.live.access.reservation import Need, Now, Reservation
from llm_proxy.live.access.shared import Shared
from llm_proxy.live.access.values import Access, Grant, Price
from llm_proxy.wire.calls import Deployment

log = logging.getLogger("llm_proxy.audit")


#: Makes a named tuple without the call of a Python function that its own name is.
_new = tuple.__new__


def _now() -> Now:
    return _new(Now, (monotonic_ns(), time()))


class Told(NamedTuple):
    """What a request says of itself beside what it used, for its row in the ledger (``ledger_tables.COLUMNS``)."""

    id: str
    model: str
    provider: str | None = None
    upstream_model: str | None = None
    face: str = "api"
    stream: int = 0
    status: int = 200
    code: str | None = None
    ended_by: str | None = None
    first_token_ms: float | None = None
    total_ms: float | None = None
    generation: str | None = None
    trace_id: str | None = None


class Charge:
    """One request's account. ``need``: what it was estimated to take."""

    # Slots: to read what only the class has takes ten times as long on Python 3.11.
    __slots__ = (
        *("attempts", "covered", "deployment", "estimated", "guessed", "micro_usd", "need", "plan", "price"),
        *("taken", "told"),
    )

    def __init__(self, plan: Plan, taken: Reservation, need: Need) -> None:
        self.plan = plan
        self.taken = taken
        self.need = need
        #: Whether other gateways know of it.
        self.covered = False
        #: What was told by vendors, and what had to be guessed.
        self.told = self.guessed = NONE
        self.micro_usd = self.attempts = 0
        self.estimated = False
        #: Who served last, and what that costs.
        self.deployment: Deployment | None = None
        self.price: Price | None = None

    @property
    def tokens(self) -> Tokens:
        """All that is to be paid."""
        if self.guessed is NONE:
            return self.told
        return self.guessed if self.told is NONE else self.told.plus(self.guessed)


@dataclass(slots=True)
class Accounting:
    """``ledger`` None: nothing is written."""

    meter: Meter = field(default_factory=Meter)
    ledger: Ledger | None = None
    habits: Habits = field(default_factory=Habits)
    #: What other machines count too, if any do.
    shared: Shared | None = None
    now: Callable[[], Now] = _now
    #: Of budgets that each key has for itself: the one of which most is used, as far as this process has seen.
    fullest: dict[str, BudgetAccount] = field(default_factory=dict)
    _plans: Plans | None = None
    _of: Access | None = None

    def plan(self, access: Access, grant: Grant, deployment: Deployment) -> Plan:
        """What holds for that key and model."""
        plans = self._plans
        if self._of is not access or plans is None:
            plans, self._of = Plans(access, self.habits), access
            self._plans = plans
        return plans.of(grant, deployment)

    def wanted(self, plan: Plan, read: int, most: int | None, *, blind: bool) -> Need:
        """What a request will take. ``most``: how many tokens it wants at most; ``blind``: nobody will know what it takes. Raises
        ``NotAllowed``."""
        if blind and plan.purses:
            names = ", ".join(purse.budget.name for purse in plan.purses)
            raise NotAllowed(f"nobody can tell what this costs, and budget {names} holds for this key")
        if blind:
            return Need()
        wrote = plan.habit.expected
        if most is not None and most < wrote:
            wrote = most
        price = plan.price
        if price is None or not plan.purses:
            return Need(read, wrote)
        return _new(Need, (read, wrote, ceil(read * price[0] + wrote * price[1])))

    async def begin(self, plan: Plan, need: Need, waited: float = 0.0) -> Charge:
        """Let a request in that has waited for other machines so many seconds before. Raises ``GatewayError``."""
        shared = self.shared
        if shared is None:
            return self.begin_here(plan, need)
        now = self.now()
        covered = await shared.cover(plan, need, now.wall, waited)
        part = shared.gateways
        try:
            taken = self.meter.reserve(plan, need, self.now(), part, covered=covered)
        except BaseException:
            if covered:
                shared.undo(plan, need, now.wall)
            raise
        return self._begun(plan, need, taken, covered=covered)

    def begin_here(self, plan: Plan, need: Need) -> Charge:
        """The same where no other machine has to be asked."""
        taken = self.meter.take(plan, need, self.now())
        return Charge(plan, taken, need) if not taken.news else self._begun(plan, need, taken)

    def _begun(self, plan: Plan, need: Need, taken: Reservation, *, covered: bool = False) -> Charge:
        for name, percent in taken.news:
            facts = {"budget": name, "percent": percent, "key": plan.grant.name}
            log.warning("a budget is running out", extra=facts)
        charge = Charge(plan, taken, need)
        charge.covered = covered
        return charge

    def note(
        self,
        charge: Charge,
        deployment: Deployment,
        told: Tokens | None,
        wrote: int,
        *,
        sent: bool,
        lost: bool = False,
    ) -> None:
        """One attempt is over. ``told``: by the vendor; else ``wrote`` tokens have come, and the request was ``sent``. ``lost``: it
        was made beside another one, and in vain."""
        charge.attempts += 1
        plan = charge.plan
        price = plan.price if deployment is plan.deployment else price_of(plan.prices, deployment)
        if not lost or charge.deployment is None:
            charge.deployment, charge.price = deployment, price
        if told is not None:
            before = charge.told
            charge.told = before.plus(told) if before is not NONE else told
            if price is not None:
                read, wrote, cached, written, _ = told
                if cached or written:
                    charge.micro_usd += cost(price, told)
                else:  # as ``cost`` says it
                    charge.micro_usd += round(read * price[0] + wrote * price[1])
        elif sent and (charge.need.input or wrote):
            guess = Tokens(charge.need.input, wrote)
            charge.guessed = charge.guessed.plus(guess)
            charge.micro_usd += cost(price, guess)
            charge.estimated = True

    def _compare(self, own: Sequence[BudgetAccount], now: Now) -> None:
        for mine in own:
            known = self.fullest.get(mine.budget.name)
            if known is mine:
                continue
            if (
                known is None
                or known.budget != mine.budget
                or self.meter.seen_purse(mine, now)[0] > self.meter.seen_purse(known, now)[0]
            ):
                self.fullest[mine.budget.name] = mine

    def close(self, charge: Charge, told: Callable[[], Told]) -> None:
        """The request is over; ``told``: what else the ledger says of it, if it reached a model."""
        now, plan = self.now(), charge.plan
        tokens = charge.told if charge.guessed is NONE else charge.tokens
        micro_usd: int | None = charge.micro_usd
        used = _new(Need, (tokens[0], tokens[1], micro_usd))
        self.meter.settle(charge.taken, used, now)
        if plan.own:
            self._compare(plan.own, now)
        if charge.covered and self.shared is not None:
            self.shared.settle(plan, charge.need, used, charge.taken.at.wall)
        if wrote := charge.told[1]:
            plan.habit.note(wrote)
        ledger = self.ledger
        if ledger is None or not charge.attempts:
            return
        price = named = None
        if charge.price is None:
            micro_usd = None
        else:
            price = _price_row(charge.price)
            named = price[0]
        said = told()
        # As ``ledger_tables.COLUMNS`` has them, a part of ``said`` before, between and after what is known here.
        row = (
            *(said[0], now[1], plan.grant.name, plan.grant.terms.team or None, *said[1:9], *tokens),
            *(1 if charge.estimated else 0, micro_usd, named, *said[9:11], charge.attempts, *said[11:]),
        )
        ledger.add(row, price)


@lru_cache(maxsize=1024)
def _price_row(price: Price) -> tuple[str, str]:
    """Hash and text of a price, as the ledger keeps them. Prices of a file are the same object as long as it holds."""
    text = json.dumps(price._asdict(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16], text
