"""Limits and budgets that several machines hold together, by Redis or Valkey: leases, taken in advance.

Laws: nobody waits for it longer than ``PATIENCE``; what it grants is all that is let in anywhere, so several gateways hold one
limit. A lease is as large as was needed lately, ends after a second, and what is left of it is given back. When it is away each
gateway goes on with its share of what the last ones seen have together: never all of it, unless it was alone, and never nothing;
so too for a minute after its memory was lost. Running requests and rolling budgets are shared out by that share always. Said
once when it goes, and once when it comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llm_proxy.errors import BudgetSpent, LimitReached
from llm_proxy.live.access.meter import reached, really
from llm_proxy.live.access.periods import period, written
from llm_proxy.live.access.plan import RUNNING, SHARE, Bound, BudgetAccount, Plan
from llm_proxy.live.access.rates import SECOND
from llm_proxy.live.access.reservation import Need

log = logging.getLogger(__name__)

#: The longest that a request waits for an answer, in seconds; how long a lease lasts; how often gateways say that they live, and
#: for how long that is believed.
PATIENCE, _LEASE, _BEAT, _SEEN = 0.2, 1.0, 0.5, 5.0
#: A lease is at most this part of a limit. After a loss of memory nothing is believed for so long, in seconds.
_PART, _DOUBT = 20, 60.0
_PREFIX = "llm-proxy:"

#: For each key: r (rate: microseconds each, tolerance) or m (money: limit, seconds to live); wanted, needed. All or nothing. A
#: negative amount gives back. Answers with the epoch and what was granted, or which one refused and for how many microseconds.
_SCRIPT = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
redis.call('SET', KEYS[1], ARGV[1], 'NX')
local epoch = redis.call('GET', KEYS[1])
local granted, states = {}, {}
local worst, which = 0, 0
for i = 2, #KEYS do
  local at = (i - 2) * 5 + 2
  local kind, a, b = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local want, need = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local state = tonumber(redis.call('GET', KEYS[i]) or '0')
  if kind == 'r' then
    if state < now then state = now end
    local room = math.floor((now + b - state) / a + 0.000001)
    if need * a > b and state <= now then room = need end
    if room < need then
      local wait = state + need * a - now - math.max(b, need * a)
      if wait > worst then worst, which = wait, i - 1 end
    end
    granted[i - 1] = math.max(need, math.min(room, want))
    states[i] = string.format('%.3f', math.max(now, state + granted[i - 1] * a))
  else
    if state + need > a then worst, which = 1e18, i - 1 end
    granted[i - 1] = math.max(need, math.min(a - state, want))
    states[i] = string.format('%.0f', math.max(0, state + granted[i - 1]))
  end
end
if which > 0 then return {epoch, which, string.format('%.0f', worst)} end
for i = 2, #KEYS do
  local at = (i - 2) * 5 + 2
  if ARGV[at] == 'r' then
    redis.call('SET', KEYS[i], states[i], 'PX', math.ceil((tonumber(states[i]) - now) / 1000) + 60000)
  else
    redis.call('SET', KEYS[i], states[i], 'EX', ARGV[at + 2])
  end
end
for i, value in ipairs(granted) do granted[i] = string.format('%.0f', value) end
return {epoch, 0, unpack(granted)}
"""


@dataclass(slots=True)
class _Lease:
    """What was taken in advance: how much is left, until when, and how much was asked for."""

    left: int = 0
    until: float = 0.0
    size: int = 1


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One thing to be taken: how it is called there, how it is told there, how much."""

    name: str
    words: tuple[str, str, str]
    amount: int
    most: int
    what: Bound | BudgetAccount


class Shared:
    """``url``: of the server; ``service``: the name of this machine's gateway among the others."""

    def __init__(self, url: str, service: str = "") -> None:
        from redis.asyncio import Redis  # the extra [shared]

        self._redis = Redis.from_url(
            url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, decode_responses=True, retry=None
        )
        self._service = service or secrets.token_hex(8)
        self._leases: dict[str, tuple[_Lease, _Wanted]] = {}
        self._task: asyncio.Task[None] | None = None
        #: One question at a time.
        self._turn = asyncio.Lock()
        self._epoch = ""
        self._doubt_until = 0.0
        #: How many gateways there are, as far as was seen.
        self.gateways = 1
        self.away = False

    @property
    def state(self) -> str:
        """For the status endpoint."""
        return "away" if self.away else "ok"

    @property
    def alone(self) -> bool:
        """Whether this gateway has to go by its share."""
        return self.away or time.monotonic() < self._doubt_until

    def start(self) -> None:
        """Begin to say that we live. On the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._live())

    async def close(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(Exception):
            await self._redis.aclose()

    async def cover(self, plan: Plan, need: Need, wall: float, waited: float = 0.0) -> bool:
        """Have what the request takes; True: it is had, False: go by the share. ``waited``: so many seconds the request has waited here
        before. Raises ``LimitReached`` or ``BudgetSpent``."""
        if self.alone:
            return False
        wanted = _wanted(plan, need, wall)
        if self._missing(wanted):
            if waited >= PATIENCE:
                return False
            try:
                async with (
                    asyncio.timeout(PATIENCE - waited),
                    self._turn,
                ):  # what the one before has taken may do for this one
                    had = await self._take(self._missing(wanted), wall)
            except TimeoutError as error:
                if not waited:  # who had less patience than others knows less
                    self._gone(error)
                had = False
            if not had:
                return False
        now = time.monotonic()
        for one in wanted:
            self._leases.setdefault(one.name, (_Lease(until=now + _LEASE), one))[0].left -= one.amount
        return True

    async def _take(self, missing: list[_Wanted], wall: float) -> bool:
        """Lease that. False: nobody answers. Raises as ``cover`` does."""
        if not missing or self.alone:
            return not missing
        answer = await self._ask([self._call(one) for one in missing], missing)
        if answer is None:
            return False
        refused, *rest = answer
        if refused:
            raise _refusal(missing[refused - 1].what, rest[0] / 1_000_000, wall)
        now = time.monotonic()
        for one, granted in zip(missing, rest, strict=True):
            lease, _ = self._leases.setdefault(one.name, (_Lease(), one))
            lease.left += granted
            lease.until = now + _LEASE
        return True

    def _missing(self, wanted: list[_Wanted]) -> list[_Wanted]:
        now = time.monotonic()
        return [one for one in wanted if self._left(one.name, now) < one.amount]

    def undo(self, plan: Plan, need: Need, wall: float) -> None:
        """The request was refused after all."""
        now = time.monotonic()
        for one in _wanted(plan, need, wall):
            self._leases.setdefault(one.name, (_Lease(until=now + _LEASE), one))[0].left += one.amount

    def settle(self, plan: Plan, need: Need, used: Need, wall: float) -> None:
        """The request took ``used`` instead of ``need``."""
        now = time.monotonic()
        really = {one.name: one.amount for one in _wanted(plan, used, wall, settled=True)}
        for one in _wanted(plan, need, wall):
            if not isinstance(one.what, Bound) or one.what.counts > RUNNING:
                lease, _ = self._leases.setdefault(one.name, (_Lease(until=now + _LEASE), one))
                lease.left += one.amount - really.get(one.name, 0)

    def _left(self, name: str, now: float) -> int:
        found = self._leases.get(name)
        return found[0].left if found is not None and (found[0].until > now or found[0].left < 0) else 0

    def _call(self, one: _Wanted) -> tuple[str, ...]:
        """A lease that was used up is followed by one twice as large; what is owed is asked for too."""
        lease, _ = self._leases.setdefault(one.name, (_Lease(), one))
        used_up = lease.left < one.amount and time.monotonic() < lease.until
        lease.size = min(one.most, 2 * lease.size) if used_up else one.amount
        least = one.amount - lease.left
        return (*one.words, str(max(least, lease.size)), str(least))

    async def _ask(self, calls: Sequence[tuple[str, ...]], wanted: Sequence[_Wanted]) -> list[int] | None:
        """None: it did not answer, or its memory was lost."""
        names = [_PREFIX + "epoch", *(_PREFIX + one.name for one in wanted)]
        flat = [word for call in calls for word in call]
        try:
            async with asyncio.timeout(PATIENCE):
                epoch, *rest = await self._redis.eval(
                    _SCRIPT, len(names), *names, secrets.token_hex(8), *flat
                )
        except Exception as error:  # noqa: BLE001 (whatever it is, requests go on)
            self._gone(error)
            return None
        if self._knows(str(epoch)):
            return [int(float(value)) for value in rest]
        return None

    def _knows(self, epoch: str) -> bool:
        """Whether its memory is the one that we know."""
        if self._epoch and epoch != self._epoch:
            self._doubt_until = time.monotonic() + _DOUBT
            log.warning("the shared limits were lost; each gateway goes by its share for a minute")
        known, self._epoch = self._epoch in ("", epoch), epoch
        return known

    def _gone(self, error: BaseException) -> None:
        if not self.away:
            self.away = True
            facts = {"problem": type(error).__name__, "gateways": self.gateways}
            log.warning("the shared limits are away; each gateway goes by its share", extra=facts)

    async def _live(self) -> None:
        while True:
            try:
                async with asyncio.timeout(2 * PATIENCE):
                    await self._beat()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001
                self._gone(error)
            await asyncio.sleep(_BEAT)

    async def _beat(self) -> None:
        """Say that we live, count who does, give back what was not used."""
        now = time.time()
        name = _PREFIX + "gateways"
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zadd(name, {self._service: now})
            pipe.zremrangebyscore(name, 0, now - _SEEN)
            pipe.zcard(name)
            found: list[Any] = await pipe.execute()
        self.gateways = max(1, int(found[-1]))
        if self.away:
            self.away = False
            log.info("the shared limits are back", extra={"gateways": self.gateways})
        over = [(lease, one) for lease, one in self._leases.values() if lease.until < time.monotonic()]
        back = [
            (lease, one, lease.left) for lease, one in over if lease.left > 0
        ]  # what is owed is asked for later
        for lease, one in over:
            if not lease.left:
                self._leases.pop(one.name, None)
        for lease, _, amount in back:
            lease.left -= amount
        if back:
            calls = [(*one.words, str(-amount), str(-amount)) for _, one, amount in back]
            await self._ask(calls, [one for _, one, _ in back])


def _wanted(plan: Plan, need: Need, wall: float, *, settled: bool = False) -> list[_Wanted]:
    """What a request takes of each limit and budget that is counted there."""
    found = []
    for bound in plan.bounds:
        if bound.counts == RUNNING:
            continue
        limit = bound.limit.limit
        amount = 1
        if bound.counts > RUNNING:
            if settled:
                amount = really(bound.counts, need)
            else:
                wrote = min(need.output, max(1, limit // SHARE))
                amount = min(limit, really(bound.counts, need._replace(output=wrote)))
        each = bound.rate.span / limit / 1000
        words = ("r", repr(each), repr(bound.rate.burst * each))
        found.append(_Wanted(bound.cell.hex(), words, amount, max(amount, limit // _PART), bound))
    for purse in plan.purses:
        budget = purse.budget
        if not budget.rolling:
            start, end = period(budget, wall)
            amount = need.cost if settled else min(need.cost, max(1, budget.limit // SHARE))
            name = f"{purse.cell.hex()}:{start}"
            words = ("m", str(budget.limit), str(max(60, int(end - wall) + 3600)))
            found.append(_Wanted(name, words, amount, max(amount, budget.limit // (5 * _PART)), purse))
    return found


def _refusal(what: Bound | BudgetAccount, wait: float, wall: float) -> LimitReached | BudgetSpent:
    if isinstance(what, Bound):
        return reached(what, int(wait * SECOND))
    budget = what.budget
    at = written(period(budget, wall)[1], budget.zone)
    return BudgetSpent(f"budget {budget.name} is spent; there is more at {at}", at)
