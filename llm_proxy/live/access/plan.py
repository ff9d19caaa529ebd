"""What holds for one key and one model: every limit and budget, ready to be counted.

Laws: made once for a key, a model, who serves it, and a file of keys. What many share is counted under one name, whoever
asks. Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from llm_proxy.live.access import vendor_prices
from llm_proxy.live.access.cost import Habit, Habits
from llm_proxy.live.access.rates import Rate
from llm_proxy.live.access.shared_counters import name_of
from llm_proxy.live.access.values import Access, Budget, Grant, Kind, Limit, Price
from llm_proxy.wire.calls import Deployment

Level = str
Counts = int
#: Requests, those that run, tokens that are read, that are written, and both.
REQUESTS, RUNNING, READ, WRITTEN, BOTH = range(5)
_COUNTS: dict[str, Counts] = {
    "rpm": REQUESTS,
    "rpd": REQUESTS,
    "concurrent": RUNNING,
    "input_tpm": READ,
    "output_tpm": WRITTEN,
}
#: One reservation takes at most this part of a limit or a budget for what may be written.
SHARE = 4
#: How many plans are kept ready.
_READY = 8192


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit of one key, team or model; ``cell``: under which name it is counted."""

    kind: Kind
    level: Level
    owner: str
    limit: Limit
    rate: Rate
    cell: bytes
    #: What of a request it counts.
    counts: Counts
    #: How many there are of it, how many may come at once and as time (nanoseconds), how many one reservation may take for what
    #: may be written.
    size: int = field(init=False)
    burst: int = field(init=False)
    each: int = field(init=False)
    most: int = field(init=False)
    share: int = field(init=False)

    def __post_init__(self) -> None:
        set_to = object.__setattr__  # it is frozen
        set_to(self, "size", self.limit.limit)
        set_to(self, "burst", self.rate.burst)
        set_to(self, "each", self.rate.each)
        set_to(self, "most", self.rate.burst * self.rate.each)
        set_to(self, "share", max(1, self.limit.limit // SHARE))

    @property
    def told(self) -> str:
        """As a message names it."""
        return f"{self.kind} of {self.level} {self.owner}"


@dataclass(frozen=True, slots=True)
class BudgetAccount:
    """One budget, as it is counted for this key."""

    budget: Budget
    owner: str
    cell: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """``price`` None: nobody knows it; ``prices``: those of the file, by public name. Each is one of its own: compared by
    identity."""

    grant: Grant
    model: str
    bounds: tuple[Bound, ...] = ()
    purses: tuple[BudgetAccount, ...] = ()
    price: Price | None = None
    #: Who serves it, most probably.
    deployment: Deployment | None = None
    prices: Mapping[str, Price] = field(default_factory=dict, repr=False)
    #: Those of ``purses`` that the key has for itself.
    own: tuple[BudgetAccount, ...] = ()
    #: How long answers are.
    habit: Habit = field(default_factory=Habit, repr=False)


def bounds_of(level: Level, owner: str, limits: tuple[Limit, ...]) -> tuple[Bound, ...]:
    """What holds for that one."""
    return tuple(
        Bound(
            limit.kind,
            level,
            owner,
            limit,
            Rate.of(limit.kind, limit.limit, limit.burst),
            name_of("limit", limit.kind, level, owner),
            _COUNTS.get(limit.kind, BOTH),
        )
        for limit in limits
    )


def purses_of(access: Access, grant: Grant) -> tuple[BudgetAccount, ...]:
    """The budgets that pay for this key."""
    names = dict.fromkeys((*grant.terms.budgets, *grant.team.budgets))
    return tuple(purse(access.budgets[name], grant.name) for name in names)


def purse(budget: Budget, key: str) -> BudgetAccount:
    """A budget that each key has for itself is counted under the key's name."""
    owner = key if budget.each else ""
    return BudgetAccount(budget, owner, name_of("budget", budget.name, owner, budget.per, budget.zone))


def make_plan(access: Access, grant: Grant, deployment: Deployment, habits: Habits) -> Plan:
    """What holds for that key, if that deployment serves it."""
    model = deployment.name
    bounds = (
        *bounds_of("key", grant.name, grant.terms.limits),
        *(bounds_of("team", grant.team_name, grant.team.limits) if grant.team_name else ()),
        *bounds_of("model", model, access.models.get(model, ())),
    )
    purses = purses_of(access, grant)
    return Plan(
        grant,
        model,
        bounds,
        purses,
        price_of(access.prices, deployment),
        deployment,
        access.prices,
        tuple(one for one in purses if one.budget.each),
        habits.of(grant.name, model),
    )


def price_of(prices: Mapping[str, Price], deployment: Deployment) -> Price | None:
    """The file's own price counts before the vendor's."""
    return prices.get(deployment.name) or vendor_prices.price_of(deployment)


class Plans:
    """Those of one file of keys, which may outlive the deployments."""

    def __init__(self, access: Access, habits: Habits) -> None:
        self._access, self._habits = access, habits
        self._ready: OrderedDict[tuple[str, str, str, str], Plan] = OrderedDict()
        #: The same by the objects themselves, which a plan keeps alive: nobody else has their numbers meanwhile.
        self._at: dict[tuple[int, int], Plan] = {}

    def of(self, grant: Grant, deployment: Deployment) -> Plan:
        """What holds for that key and model."""
        found = self._at.get((id(grant), id(deployment)))
        if found is not None and found.grant is grant and found.deployment is deployment:
            return found
        found = self._of(grant, deployment)
        if found.grant is grant and found.deployment is deployment:
            if len(self._at) >= _READY:
                self._at.clear()
            self._at[id(grant), id(deployment)] = found
        return found

    def _of(self, grant: Grant, deployment: Deployment) -> Plan:
        which = grant.name, deployment.name, deployment.api_host, deployment.model
        found = self._ready.get(which)
        if found is None:
            found = make_plan(self._access, grant, deployment, self._habits)
            if len(self._ready) >= _READY:
                self._ready.popitem(last=False)
            self._ready[which] = found
        return found
