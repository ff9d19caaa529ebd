"""Reserve and settle: every limit and budget of a request in one step.

Laws: all of a request's limits and budgets let it in, or nothing of it is counted. What is reserved is settled once, whatever
became of the request. ``spent + reserved`` of a budget is never above it when a request is let in, and never below zero.
Times are handed in: nanoseconds of a steady clock for limits, seconds since the epoch for calendars.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from llm_proxy.access.cells import HELD, MARK, PERIOD, UNTIL, VALUE, Cells, Numbers, name_of
from llm_proxy.access.periods import period, slice_width, slices, window_start, written
from llm_proxy.access.plan import Bound, Plan, Purse
from llm_proxy.access.rates import SECOND
from llm_proxy.access.values import Budget
from llm_proxy.errors import BudgetSpent, LimitReached, NotAllowed, RequestTooLarge

#: One reservation takes at most this part of a limit or a budget for what may be written.
_SHARE = 4
_INPUT = frozenset({"tpm", "tpd", "input_tpm"})
_OUTPUT = frozenset({"tpm", "tpd", "output_tpm"})
_REQUESTS = frozenset({"rpm", "rpd"})


@dataclass(frozen=True, slots=True)
class Need:
    """What a request will take, as far as one can tell: tokens read and written, and what they cost."""

    input: int = 0
    output: int = 0
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Now:
    """``steady``: nanoseconds; ``wall``: seconds since the epoch."""

    steady: int
    wall: float


@dataclass(slots=True)
class Reservation:
    """What was taken for one request: of each limit and budget an amount."""

    plan: Plan
    at: Now
    bounds: list[tuple[Bound, int]] = field(default_factory=list)
    purses: list[tuple[Purse, int]] = field(default_factory=list)
    settled: bool = False
    #: Of each limit what was left afterwards, and in how many nanoseconds all of it is.
    standing: tuple[tuple[Bound, int, int], ...] = ()
    #: The budget that is fullest above one of its shares, and how full, in percent.
    warning: tuple[str, int] | None = None
    #: Budgets of which that is to be told, for the first time in their period.
    news: tuple[tuple[str, int], ...] = ()


class Meter:
    """The counters of one service, as the worker ``row`` counts them."""

    def __init__(self, cells: Cells | None = None, row: int = 0) -> None:
        self._cells = cells or Cells()
        self._row = row

    def reserve(self, plan: Plan, need: Need, now: Now) -> Reservation:
        """Let the request in. Raises ``LimitReached``, ``BudgetSpent``, ``RequestTooLarge`` or ``NotAllowed``."""
        taken = Reservation(plan, now)
        for bound in plan.bounds:
            taken.bounds.append((bound, _amount(bound, need)))
        for purse in plan.purses:
            if plan.price is None and purse.budget.unpriced == "deny":
                text = f"the model has no price, and budget {purse.budget.name} does not pay for such"
                raise NotAllowed(text)
            taken.purses.append(
                (purse, min(need.cost, max(1, purse.budget.limit // _SHARE)) if need.cost else 0)
            )
        with self._cells.alone():
            self._take(taken, now)
        return taken

    def _take(self, taken: Reservation, now: Now) -> None:
        purses = [(purse, amount, *self._purse(purse, now)) for purse, amount in taken.purses]
        for purse, amount, _, numbers in purses:
            if numbers[VALUE] + numbers[HELD] + amount > purse.budget.limit:
                raise self._spent(purse, now)
        bounds = [(bound, amount, *self._cell(bound, now)) for bound, amount in taken.bounds]
        waits = [(_wait(bound, amount, numbers, now), bound) for bound, amount, _, numbers in bounds]
        longest = max(waits, key=lambda found: found[0], default=(0, None))
        if longest[1] is not None and longest[0] > 0:
            error = _reached(longest[1], longest[0])
            error.standing = tuple((bound, *_left(bound, numbers, now)) for bound, _, _, numbers in bounds)
            raise error
        for bound, amount, place, numbers in bounds:
            if bound.kind == "concurrent":
                numbers[HELD] += amount
                self._cells.hold(place, self._row, amount)
            else:
                numbers[VALUE] = numbers[UNTIL] = bound.rate.after(numbers[VALUE], now.steady, amount)
            self._cells.put(place, numbers)
        taken.standing = tuple((bound, *_left(bound, numbers, now)) for bound, _, _, numbers in bounds)
        news: list[tuple[str, int]] = []
        for purse, amount, place, numbers in purses:
            numbers[HELD] += amount
            self._cells.hold(place, self._row, amount)
            _warn(taken, purse, numbers, news)
            self._cells.put(place, numbers)
        taken.news = tuple(news)

    def settle(self, taken: Reservation, used: Need, now: Now) -> None:
        """The request is over, and has taken ``used``."""
        if taken.settled:
            return
        taken.settled = True
        with self._cells.alone():
            for bound, amount in taken.bounds:
                really = _used(bound, used)
                if bound.kind == "concurrent":
                    place, numbers = self._cell(bound, now)
                    numbers[HELD] = max(0, numbers[HELD] - amount)
                    self._cells.hold(place, self._row, -amount)
                    self._cells.put(place, numbers)
                elif really is not None:
                    place, numbers = self._cell(bound, now)
                    empty_at = bound.rate.corrected(
                        numbers[VALUE], now.steady, amount, really, taken.at.steady
                    )
                    numbers[VALUE] = numbers[UNTIL] = empty_at
                    self._cells.put(place, numbers)
            for purse, amount in taken.purses:
                place, numbers = self._purse(purse, now)
                numbers[HELD] = max(0, numbers[HELD] - amount)
                self._cells.hold(place, self._row, -amount)
                self._spend(purse, place, numbers, used.cost, now)

    def standing(self, plan: Plan, now: Now) -> list[tuple[Bound, int, int]]:
        """Of each limit what is left, and in how many nanoseconds all of it is."""
        with self._cells.alone():
            return [(bound, *_left(bound, self._cell(bound, now)[1], now)) for bound in plan.bounds]

    def seen(self, bound: Bound, now: Now) -> tuple[int, int, int]:
        """What is left of a limit, in how many nanoseconds all of it is, what is held; for whoever looks on."""
        numbers = self._cells.peek(bound.cell)
        return *_left(bound, numbers, now), numbers[HELD]

    def seen_purse(self, purse: Purse, now: Now) -> tuple[int, int]:
        """What of a budget is spent and reserved; for whoever looks on."""
        numbers = self._cells.peek(purse.cell)
        current = purse.budget.rolling or numbers[PERIOD] >= period(purse.budget, now.wall)[0]
        return numbers[VALUE] if current else 0, numbers[HELD]

    def purse(self, purse: Purse, now: Now) -> tuple[int, int]:
        """What of the budget is spent, and what is reserved."""
        with self._cells.alone():
            _, numbers = self._purse(purse, now)
        return numbers[VALUE], numbers[HELD]

    def recall(self, purse: Purse, amount: int, at: float, now: Now) -> None:
        """What was spent before this process began."""
        with self._cells.alone():
            place, numbers = self._purse(purse, now)
            if at >= window_start(purse.budget, max(now.wall, float(numbers[PERIOD]))):
                self._spend(purse, place, numbers, amount, Now(now.steady, at))

    def recall_bound(self, bound: Bound, amount: int, ago: float, now: Now) -> None:
        """What a limit has let in ``ago`` seconds before; in the order of time."""
        with self._cells.alone():
            place, numbers = self._cell(bound, now)
            at = now.steady - int(ago * SECOND)
            numbers[VALUE] = numbers[UNTIL] = bound.rate.after(numbers[VALUE], at, amount)
            self._cells.put(place, numbers)

    def _cell(self, bound: Bound, now: Now) -> tuple[int, Numbers]:
        place = self._cells.find(bound.cell, now.steady)
        return place, self._cells.get(place)

    def _purse(self, purse: Purse, now: Now) -> tuple[int, Numbers]:
        """The budget's cell, as it is in the period of now."""
        budget = purse.budget
        place = self._cells.find(purse.cell, now.steady)
        numbers = self._cells.get(place)
        start, end = period(budget, now.wall)
        if numbers[PERIOD] < start:  # a clock that is put back begins no period anew
            if budget.rolling:
                numbers[VALUE] = self._window(purse, start, now)
            else:
                numbers[VALUE] = numbers[MARK] = 0
            numbers[PERIOD] = start
            numbers[UNTIL] = now.steady + int((end - now.wall + budget.rolling) * SECOND)
            self._cells.put(place, numbers)
        return place, numbers

    def _spend(self, purse: Purse, place: int, numbers: Numbers, amount: int, now: Now) -> None:
        budget = purse.budget
        numbers[VALUE] = max(0, numbers[VALUE] + amount)
        self._cells.put(place, numbers)
        if budget.rolling and amount:
            start, end = period(budget, now.wall)
            part = self._cells.find(_slice(purse, start), now.steady)
            found = self._cells.get(part)
            if found[PERIOD] != start:
                found[VALUE], found[PERIOD] = 0, start
            found[VALUE] += amount
            found[UNTIL] = now.steady + int((end - now.wall + budget.rolling) * SECOND)
            self._cells.put(part, found)

    def _window(self, purse: Purse, start: int, now: Now) -> int:
        """What the slices of a rolling window hold together."""
        return sum(amount for _, amount in self._slices(purse, start, now))

    def _slices(self, purse: Purse, start: int, now: Now) -> list[tuple[int, int]]:
        """When each slice began, and what was spent in it; the oldest first."""
        width = slice_width(purse.budget)
        found = []
        for number in range(slices(purse.budget) - 1, -1, -1):
            begun = start - number * width
            numbers = self._cells.get(self._cells.find(_slice(purse, begun), now.steady))
            if numbers[PERIOD] == begun:
                found.append((begun, numbers[VALUE]))
        return found

    def _spent(self, purse: Purse, now: Now) -> BudgetSpent:
        budget = purse.budget
        at = written(self._resets(purse, now), budget.zone)
        whose = f" of key {purse.owner}" if purse.owner else ""
        text = f"budget {budget.name}{whose} is spent: {_usd(budget.limit)} per {budget.per}; there is more at {at}"
        return BudgetSpent(text, at)

    def _resets(self, purse: Purse, now: Now) -> float:
        """When the period ends, or when enough has left the window that something fits."""
        budget = purse.budget
        start, end = period(budget, now.wall)
        if not budget.rolling:
            return end
        _, numbers = self._purse(purse, now)
        over = numbers[VALUE] + numbers[HELD] - budget.limit
        for begun, amount in self._slices(purse, start, now):
            over -= amount
            if amount and over < 0:
                return begun + slices(budget) * slice_width(budget)
        return now.wall + budget.rolling


def _slice(purse: Purse, start: int) -> bytes:
    return name_of("slice", purse.cell.hex(), str(start))


def _usd(micro: int) -> str:
    return f"${micro / 1_000_000:,.2f}" if micro % 10_000 == 0 else f"${micro / 1_000_000:g}"


def _amount(bound: Bound, need: Need) -> int:
    """What a request takes of that limit. Raises ``RequestTooLarge``."""
    kind, limit = bound.kind, bound.limit.limit
    if kind in _REQUESTS or kind == "concurrent":
        return 1
    read = need.input if kind in _INPUT else 0
    if read > limit:
        text = f"the request is about {read:,} tokens, and {bound.told} is {limit:,}: it can never be served"
        raise RequestTooLarge(text, status=400)
    wrote = min(need.output, max(1, limit // _SHARE)) if kind in _OUTPUT else 0
    return min(limit, read + wrote)


def _used(bound: Bound, used: Need) -> int | None:
    """What it really took; None where nothing is to be corrected."""
    kind = bound.kind
    if kind in _REQUESTS or kind == "concurrent":
        return None
    return (used.input if kind in _INPUT else 0) + (used.output if kind in _OUTPUT else 0)


def _wait(bound: Bound, amount: int, numbers: Numbers, now: Now) -> int:
    if bound.kind == "concurrent":
        return SECOND if numbers[HELD] + amount > bound.limit.limit else 0
    return bound.rate.wait(numbers[VALUE], now.steady, amount)


def _left(bound: Bound, numbers: Numbers, now: Now) -> tuple[int, int]:
    if bound.kind == "concurrent":
        return max(0, bound.limit.limit - numbers[HELD]), 0
    return bound.rate.left(numbers[VALUE], now.steady), max(0, numbers[VALUE] - now.steady)


def _reached(bound: Bound, wait: int) -> LimitReached:
    seconds = wait / SECOND
    if bound.kind == "concurrent":
        error = LimitReached(f"{bound.told} is {bound.limit.limit}, and so many requests are running", 1.0)
        error.running = True
        return error
    text = f"{bound.told} is reached ({bound.limit.limit:,}); there is room in {seconds:.3g} s"
    return LimitReached(text, seconds)


def _warn(taken: Reservation, purse: Purse, numbers: Numbers, news: list[tuple[str, int]]) -> None:
    """Whether the budget is above one of its shares, and whether that is new."""
    budget: Budget = purse.budget
    if not budget.warn or not budget.limit:
        return
    full = (numbers[VALUE] + numbers[HELD]) / budget.limit
    crossed = sum(full >= share for share in budget.warn)
    if budget.rolling and crossed < numbers[MARK]:
        numbers[MARK] = crossed
    if not crossed:
        return
    percent = int(full * 100 + 1e-9)
    if taken.warning is None or percent > taken.warning[1]:
        taken.warning = budget.name, percent
    if crossed > numbers[MARK]:
        numbers[MARK] = crossed
        news.append((budget.name, percent))
