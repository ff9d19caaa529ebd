"""Reserve and settle: every limit and budget of a request in one step.

Laws: all of a request's limits and budgets let it in, or nothing of it is counted. What is reserved is settled once, whatever
became of the request. ``spent + reserved`` of a budget is never above it when a request is let in, and never below zero.
Times are handed in: nanoseconds of a steady clock for limits, seconds since the epoch for calendars.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from math import inf

from llm_proxy.errors import BudgetSpent, LimitReached, NotAllowed, RequestTooLarge
from llm_proxy.live.access import at_once
from llm_proxy.live.access.at_once import Ready
from llm_proxy.live.access.periods import period, slice_width, slices, window_start, written
from llm_proxy.live.access.plan import (
    READ,
    REQUESTS,
    RUNNING,
    SHARE,
    WRITTEN,
    Bound,
    BudgetAccount,
    Counts,
    Plan,
)
from llm_proxy.live.access.rates import SECOND
from llm_proxy.live.access.reservation import CROSSED, Need, Now, Paid, Reservation, left
from llm_proxy.live.access.shared_counters import (
    HELD,
    MARK,
    PERIOD,
    UNTIL,
    VALUE,
    LocalCounters,
    Numbers,
    SharedCounters,
    name_of,
)
from llm_proxy.live.access.values import Budget

#: Of so many budgets the period is remembered.
_PERIODS = 10_000
#: A clock that is put back by less, in seconds, is being set right; what was spent in the period before is remembered for so long.
_STEP, _REMEMBERED = 60, 7 * 86_400
#: When a budget was counted for the first time is kept beside its warnings, in so many nanoseconds.
_BORN = 1_000_000
#: Of so many plans it is remembered where their counters are.
_READY = 8192


class Meter:
    """The counters of one service, as the worker ``row`` counts them."""

    def __init__(self, cells: SharedCounters | None = None, row: int = 0) -> None:
        self._cells = cells or LocalCounters()
        self._row = row
        self.workers = self._cells.rows
        #: By name, a budget and the period that it was in last: when it began and ends.
        self._periods: dict[str, tuple[Budget, int, int]] = {}
        #: Where the counters of a plan are.
        self._ready: OrderedDict[Plan, Ready] = OrderedDict()

    def take(self, plan: Plan, need: Need, now: Now) -> Reservation:
        """``reserve``, for whoever counts alone."""
        ready = self._ready.get(plan)
        if ready is not None and ready.age == self._cells.age and ready.since <= now[1] < ready.until:
            taken = at_once.take(ready, plan, need, now)
            if taken is not None:
                return taken
        return self.reserve(plan, need, now)

    def reserve(
        self, plan: Plan, need: Need, now: Now, part: int = 1, *, covered: bool = False
    ) -> Reservation:
        """Let the request in. ``part``: of how many gateways this one has its share; ``covered``: all of them together have let it
        in already, and here it is only counted. Raises ``LimitReached``, ``BudgetSpent``, ``RequestTooLarge`` or
        ``NotAllowed``."""
        cells, steady = self._cells, now.steady
        if cells.age >= 0 and part == 1 and not covered:
            ready = self._ready.get(plan)
            if ready is None or ready.age != cells.age or not ready.since <= now.wall < ready.until:
                ready = self._counted(plan, now)
            at_once_taken = at_once.take(ready, plan, need, now)
            if at_once_taken is not None:
                return at_once_taken
        taken = Reservation(plan, now)
        taken.weight = part
        with cells.alone():
            purses = [
                self._paid(purse, plan, need, now, 1 if covered and not purse.budget.rolling else part)
                for purse in plan.purses
            ]
            bounds, longest, tightest = [], 0, None
            for bound in plan.bounds:
                amount = 1 if bound.counts <= RUNNING else _tokens(bound, need)
                amount *= part
                numbers = cells.numbers(bound.cell, steady)
                if not covered or bound.counts == RUNNING:
                    wait = _wait(bound, amount, numbers, steady)
                    if wait > longest:
                        longest, tightest = wait, bound
                bounds.append((bound, amount, numbers))
            if tightest is not None:
                error = reached(tightest, longest)
                error.standing = tuple((bound, *left(bound, numbers, now)) for bound, _, numbers in bounds)
                raise error
            for bound, amount, numbers in bounds:
                if bound.counts == RUNNING:
                    numbers[HELD] += amount
                    cells.hold(bound.cell, self._row, amount)
                else:
                    numbers[VALUE] = numbers[UNTIL] = max(numbers[VALUE], steady) + amount * bound.rate.each
                cells.write(bound.cell, numbers)
            for purse, amount, numbers in purses:
                numbers[HELD] += amount
                cells.hold(purse.cell, self._row, amount)
                if purse.budget.warn:
                    taken.warn(purse, numbers)
                cells.write(purse.cell, numbers)
        taken.bounds, taken.purses = bounds, purses
        return taken

    def _counted(self, plan: Plan, now: Now) -> Ready:
        """Where the counters of the plan are, in the periods of now."""
        ready = self._look_for(plan, now)
        while ready.age != self._cells.age:  # some were let go while others were looked for
            ready = self._look_for(plan, now)
        if len(self._ready) >= _READY:
            self._ready.popitem(last=False)
        self._ready[plan] = ready
        return ready

    def _look_for(self, plan: Plan, now: Now) -> Ready:
        cells = self._cells
        age = cells.age
        bounds = [(bound, cells.numbers(bound.cell, now.steady)) for bound in plan.bounds]
        accounts, since, until = [], -inf, inf
        for purse in plan.purses:
            numbers = self._purse(purse, now)
            start, end = self._period(purse.budget, now.wall)
            # A clock that is put back by more than a step is looked at anew (``_purse``).
            since, until = max(since, start, numbers[PERIOD] - _STEP), min(until, end)
            part = self._part(purse, start, end, now) if purse.budget.rolling else None
            accounts.append((purse, numbers, part))
        return at_once.ready(plan, bounds, accounts, since, until, age)

    def _paid(self, purse: BudgetAccount, plan: Plan, need: Need, now: Now, weight: int) -> Paid:
        """What that budget reserves. Raises ``BudgetSpent`` or ``NotAllowed``."""
        budget, amount = purse.budget, need.cost
        if plan.price is None and budget.unpriced == "deny":
            text = f"the model has no price, and budget {budget.name} does not pay for such"
            raise NotAllowed(text)
        if amount > budget.limit // SHARE:
            amount = max(1, budget.limit // SHARE)
        numbers = self._purse(purse, now)
        if (numbers[VALUE] + numbers[HELD] + amount) * weight > budget.limit:
            raise self._spent(purse, now)
        return purse, amount, numbers

    def settle(self, taken: Reservation, used: Need, now: Now) -> None:
        """The request is over, and has taken ``used``."""
        if taken.settled:
            return
        taken.settled = True
        cells, ready = self._cells, taken.ready
        if ready is not None:
            if ready.age != cells.age or not ready.since <= now[1] < ready.until:
                ready = self._counted(taken.plan, now)
            at_once.settle(ready, taken, used, now)
            return
        steady = now.steady
        with cells.alone():
            for bound, amount, _ in taken.bounds:
                counts = bound.counts
                if counts == REQUESTS:
                    continue
                numbers = cells.numbers(bound.cell, steady)
                if counts == RUNNING:
                    numbers[HELD] = max(0, numbers[HELD] - amount)
                    cells.hold(bound.cell, self._row, -amount)
                else:
                    amount_used = really(counts, used) * taken.weight
                    numbers[VALUE] = numbers[UNTIL] = bound.rate.corrected(
                        numbers[VALUE], steady, amount, amount_used, taken.at.steady
                    )
                cells.write(bound.cell, numbers)
            for purse, amount, _ in taken.purses:
                numbers = self._purse(purse, now)
                numbers[HELD] = max(0, numbers[HELD] - amount)
                cells.hold(purse.cell, self._row, -amount)
                self._spend(purse, numbers, used.cost, now)

    def standing(self, plan: Plan, now: Now) -> list[tuple[Bound, int, int]]:
        """Of each limit what is left, and in how many nanoseconds all of it is."""
        with self._cells.alone():
            return [
                (bound, *left(bound, self._cells.numbers(bound.cell, now.steady), now))
                for bound in plan.bounds
            ]

    def seen(self, bound: Bound, now: Now) -> tuple[int, int, int]:
        """What is left of a limit, in how many nanoseconds all of it is, what is held; for whoever looks on."""
        numbers = self._cells.peek(bound.cell)
        return *left(bound, numbers, now), numbers[HELD]

    def seen_purse(self, purse: BudgetAccount, now: Now) -> tuple[int, int]:
        """What of a budget is spent and reserved; for whoever looks on."""
        numbers = self._cells.peek(purse.cell)
        current = numbers[PERIOD] >= window_start(purse.budget, now.wall)
        return numbers[VALUE] if current else 0, numbers[HELD]

    def purse(self, purse: BudgetAccount, now: Now) -> tuple[int, int]:
        """What of the budget is spent, and what is reserved."""
        with self._cells.alone():
            numbers = self._purse(purse, now)
        return numbers[VALUE], numbers[HELD]

    def is_new(self, purse: BudgetAccount, since: int) -> bool:
        """Whether nothing was counted for that budget before ``since`` (nanoseconds of the steady clock)."""
        numbers = self._cells.peek(purse.cell)
        return not any(numbers) or numbers[MARK] >> 8 >= since // _BORN

    def recall(self, purse: BudgetAccount, amount: int, at: float, now: Now) -> None:
        """What was spent before this process began."""
        with self._cells.alone():
            numbers = self._purse(purse, now)
            if at >= window_start(purse.budget, max(now.wall, float(numbers[PERIOD]))):
                self._spend(purse, numbers, amount, Now(now.steady, at))

    def recall_bound(self, bound: Bound, empty_at: int, now: Now) -> None:
        """What a limit has let in before this process began: when it is empty, if nothing more comes."""
        with self._cells.alone():
            numbers = self._cells.numbers(bound.cell, now.steady)
            numbers[VALUE] = numbers[UNTIL] = max(numbers[VALUE], empty_at)
            self._cells.write(bound.cell, numbers)

    def add_to_bound(self, bound: Bound, amount: int, ago: int, now: Now) -> None:
        """What another process has let in of a limit, so many nanoseconds ago."""
        with self._cells.alone():
            numbers = self._cells.numbers(bound.cell, now.steady)
            numbers[VALUE] = numbers[UNTIL] = bound.rate.after(numbers[VALUE], now.steady - ago, amount)
            self._cells.write(bound.cell, numbers)

    def _purse(self, purse: BudgetAccount, now: Now) -> Numbers:
        """The budget's cell, as it is in the period of now."""
        budget = purse.budget
        numbers = self._cells.numbers(purse.cell, now.steady)
        start, end = self._period(budget, now.wall)
        if now.wall < numbers[PERIOD] - _STEP:
            self._put_back(purse, numbers, start, now)
        if numbers[PERIOD] < start:  # a clock that is put back begins no period anew
            if not numbers[PERIOD]:
                numbers[MARK] = now.steady // _BORN << 8
            if budget.rolling:
                numbers[VALUE] = self._window(purse, start, now)
            else:
                self._remember(purse, numbers, now)
                numbers[VALUE], numbers[MARK] = 0, numbers[MARK] & ~CROSSED
            numbers[PERIOD] = start
            numbers[UNTIL] = now.steady + int((end - now.wall + budget.rolling) * SECOND)
            self._cells.write(purse.cell, numbers)
            self._cells.turned()
        return numbers

    def _period(self, budget: Budget, wall: float) -> tuple[int, int]:
        """When the budget's period of then begins and ends."""
        known, start, end = self._periods.get(budget.name, (None, 0, 0))
        if known is not budget or not start <= wall < end:
            if len(self._periods) > _PERIODS:
                self._periods.clear()
            start, end = period(budget, wall)
            self._periods[budget.name] = budget, start, end
        return start, end

    def _remember(self, purse: BudgetAccount, numbers: Numbers, now: Now) -> None:
        """Keep what was spent in the period that is over, for a clock that has jumped ahead."""
        if numbers[PERIOD]:
            name = _slice(purse.cell, -1)
            before = self._cells.numbers(name, now.steady)
            before[VALUE], before[PERIOD] = numbers[VALUE], numbers[PERIOD]
            before[UNTIL] = now.steady + _REMEMBERED * SECOND
            self._cells.write(name, before)

    def _put_back(self, purse: BudgetAccount, numbers: Numbers, start: int, now: Now) -> None:
        """The clock was put back into an earlier period: what had been spent in that counts again, with what was spent meanwhile."""
        if purse.budget.rolling:
            width, ahead = slice_width(purse.budget), 0
            for number in range(min(slices(purse.budget), (numbers[PERIOD] - start) // width)):
                begun = numbers[PERIOD] - number * width
                part = self._cells.numbers(_slice(purse.cell, begun), now.steady)
                ahead += part[VALUE] if part[PERIOD] == begun else 0
            numbers[VALUE] = self._window(purse, start, now) + ahead
        else:
            before = self._cells.numbers(_slice(purse.cell, -1), now.steady)
            if before[PERIOD] != start:
                return  # nothing is known of it: what is counted stays, and so does its period
            numbers[VALUE] += before[VALUE]
        numbers[PERIOD] = start
        self._cells.write(purse.cell, numbers)
        self._cells.turned()

    def _spend(self, purse: BudgetAccount, numbers: Numbers, amount: int, now: Now) -> None:
        budget = purse.budget
        numbers[VALUE] = max(0, numbers[VALUE] + amount)
        self._cells.write(purse.cell, numbers)
        if budget.rolling and amount:
            start, end = self._period(budget, now.wall)
            found = self._part(purse, start, end, now)
            found[VALUE] += amount
            self._cells.write(_slice(purse.cell, start), found)

    def _part(self, purse: BudgetAccount, start: int, end: int, now: Now) -> Numbers:
        """The slice of a rolling window that begins then; to be written by whoever changes it."""
        found = self._cells.numbers(_slice(purse.cell, start), now.steady)
        if found[PERIOD] != start:
            found[VALUE], found[PERIOD] = 0, start
        found[UNTIL] = now.steady + int((end - now.wall + purse.budget.rolling) * SECOND)
        return found

    def _window(self, purse: BudgetAccount, start: int, now: Now) -> int:
        """What the slices of a rolling window hold together."""
        return sum(amount for _, amount in self._slices(purse, start, now))

    def _slices(self, purse: BudgetAccount, start: int, now: Now) -> list[tuple[int, int]]:
        """When each slice began, and what was spent in it; the oldest first."""
        width = slice_width(purse.budget)
        found = []
        for number in range(slices(purse.budget) - 1, -1, -1):
            begun = start - number * width
            numbers = self._cells.numbers(_slice(purse.cell, begun), now.steady)
            if numbers[PERIOD] == begun:
                found.append((begun, numbers[VALUE]))
        return found

    def _spent(self, purse: BudgetAccount, now: Now) -> BudgetSpent:
        budget = purse.budget
        at = written(self._resets(purse, now), budget.zone)
        whose = f" of key {purse.owner}" if purse.owner else ""
        text = f"budget {budget.name}{whose} is spent: {_usd(budget.limit)} per {budget.per}; there is more at {at}"
        return BudgetSpent(text, at)

    def _resets(self, purse: BudgetAccount, now: Now) -> float:
        """When the period ends, or when enough has left the window that something fits."""
        budget = purse.budget
        start, end = period(budget, now.wall)
        if not budget.rolling:
            return end
        numbers = self._purse(purse, now)
        over = numbers[VALUE] + numbers[HELD] - budget.limit
        for begun, amount in self._slices(purse, start, now):
            over -= amount
            if amount and over < 0:
                return begun + slices(budget) * slice_width(budget)
        return now.wall + budget.rolling


@lru_cache(maxsize=4096)
def _slice(cell: bytes, start: int) -> bytes:
    """The name of one slice of a rolling window."""
    return name_of("slice", cell.hex(), str(start))


def _usd(micro: int) -> str:
    """As people write it: cents, or as many digits as there are."""
    dollars, rest = divmod(micro, 1_000_000)
    digits = f"{rest:06d}".rstrip("0")
    return f"${dollars:,}.{digits:<02s}"


def _tokens(bound: Bound, need: Need) -> int:
    """What a request takes of a limit of tokens. Raises ``RequestTooLarge``."""
    limit, counts = bound.limit.limit, bound.counts
    read = need.input if counts != WRITTEN else 0
    if read > limit:
        text = f"the request is about {read:,} tokens, and {bound.told} is {limit:,}: it can never be served"
        raise RequestTooLarge(text, status=400)
    wrote = min(need.output, max(1, limit // SHARE)) if counts != READ else 0
    return min(limit, read + wrote)


def really(counts: Counts, used: Need) -> int:
    """What it took of a limit of tokens."""
    return (used.input if counts != WRITTEN else 0) + (used.output if counts != READ else 0)


def _wait(bound: Bound, amount: int, numbers: Numbers, steady: int) -> int:
    if bound.counts == RUNNING:
        held = numbers[HELD]
        return SECOND if held and held + amount > bound.limit.limit else 0  # a share is never nothing
    return bound.rate.wait(numbers[VALUE], steady, amount)


def reached(bound: Bound, wait: int) -> LimitReached:
    """The refusal; ``wait``: nanoseconds."""
    seconds = wait / SECOND
    if bound.counts == RUNNING:
        error = LimitReached(f"{bound.told} is {bound.limit.limit}, and so many requests are running", 1.0)
        error.running = True
        return error
    text = f"{bound.told} is reached ({bound.limit.limit:,}); there is room in {seconds:.3g} s"
    return LimitReached(text, seconds)
