"""What one request takes of its limits and budgets, from its beginning to its end: values, and what they leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from llm_proxy.live.access.plan import RUNNING, Bound, BudgetAccount, Plan
from llm_proxy.live.access.shared_counters import HELD, MARK, VALUE, Numbers

if TYPE_CHECKING:
    from llm_proxy.live.access.at_once import Ready


class Need(NamedTuple):
    """What a request will take, as far as one can tell: tokens read and written, and what they cost."""

    input: int = 0
    output: int = 0
    cost: int = 0


class Now(NamedTuple):
    """``steady``: nanoseconds; ``wall``: seconds since the epoch."""

    steady: int
    wall: float


#: The part of a budget's mark that says how many of its shares were crossed.
CROSSED = 0xFF

Taken = tuple[Bound, int, Numbers]
Paid = tuple[BudgetAccount, int, Numbers]


class Reservation:
    """What was taken for one request: of each limit and budget an amount. Where the counters are this process's own: ``ready``, what was
    taken of each limit of tokens (``amounts``, see ``at_once``), and the ``cost`` that was reserved."""

    __slots__ = (
        *("_purses", "amounts", "at", "bounds", "cost", "news", "plan", "ready", "settled", "warning"),
        "weight",
    )

    def __init__(
        self, plan: Plan, at: Now, ready: Ready | None = None, amounts: Sequence[int] = (), cost: int = 0
    ) -> None:
        self.plan = plan
        self.at = at
        self.ready = ready
        self.amounts = amounts
        self.cost = cost
        #: Limits and budgets, where the counters are shared.
        self.bounds: Sequence[Taken] = ()
        self._purses: Sequence[Paid] = ()
        self.settled = False
        #: How often each of it counts here, because other gateways count too.
        self.weight = 1
        #: The budget that is fullest above one of its shares, and how full, in percent.
        self.warning: tuple[str, int] | None = None
        #: Budgets of which that is to be told, for the first time in their period.
        self.news: tuple[tuple[str, int], ...] = ()

    @property
    def purses(self) -> Sequence[Paid]:
        """Of each budget what was reserved."""
        if self.ready is None:
            return self._purses
        return [
            (account, amount, numbers)
            for (account, numbers), amount in zip(self.ready.accounts, self.paid, strict=True)
        ]

    @purses.setter
    def purses(self, purses: Sequence[Paid]) -> None:
        self._purses = purses

    @property
    def paid(self) -> list[int]:
        """Of each budget what was reserved, where the counters are this process's own."""
        return [min(self.cost, one.most) for one in self.ready.purses] if self.ready is not None else []

    @property
    def standing(self) -> list[tuple[Bound, int, int]]:
        """Of each limit what was left afterwards, and in how many nanoseconds all of it is."""
        steady, found = self.at.steady, []
        bounds = (
            self.ready.bounds
            if self.ready is not None
            else [(bound, numbers) for bound, _, numbers in self.bounds]
        )
        for bound, numbers in bounds:  # as ``left`` says it
            if bound.counts == RUNNING:
                found.append((bound, max(0, bound.size - numbers[HELD]), 0))
            elif (over := numbers[VALUE] - steady) <= 0:
                found.append((bound, bound.burst, 0))
            else:
                found.append((bound, max(0, (bound.most - over) // bound.each), over))
        return found

    def warn(self, purse: BudgetAccount, numbers: Numbers) -> None:
        """See whether the budget is above one of its shares, and whether that is new."""
        budget = purse.budget
        if not budget.limit:
            return
        full = (numbers[VALUE] + numbers[HELD]) / budget.limit
        crossed = min(CROSSED, sum(full >= share for share in budget.warn))
        before, other = numbers[MARK] & CROSSED, numbers[MARK] & ~CROSSED
        if budget.rolling and crossed < before:
            numbers[MARK] = other | crossed
            before = crossed
        if not crossed:
            return
        percent = int(full * 100 + 1e-9)
        if self.warning is None or percent > self.warning[1]:
            self.warning = budget.name, percent
        if crossed > before:
            numbers[MARK] = other | crossed
            self.news = (*self.news, (budget.name, percent))


def left(bound: Bound, numbers: Numbers, now: Now) -> tuple[int, int]:
    """What is left of a limit, and in how many nanoseconds all of it is."""
    if bound.counts == RUNNING:
        return max(0, bound.size - numbers[HELD]), 0
    over = numbers[VALUE] - now.steady
    if over <= 0:
        return bound.burst, 0
    return max(0, (bound.most - over) // bound.each), over
