"""A model server in virtual time: prefill by tokens, decode by load, a prefix cache, and what can be wrong with it.

The figures are of the size that Splitwise gives for a model of 70B on one machine of eight A100: 8,000 prompt tokens a second, one
after the other; a step of decoding takes 28 ms and 0.6 ms more for each request beside it. Requests for which there is no slot
wait at the server. The cache forgets the longest unused conversation.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.simulation.load import Request, shared_tokens
from llm_proxy.errors import GatewayError, RateLimited, UpstreamError, UpstreamUnreachable

PREFILL, STEP, BESIDE = 8000.0, 0.028, 0.0006
SLOTS, CACHE = 32, 150_000


@dataclass(frozen=True, slots=True)
class Fault:
    """``kind``: ``slow`` (by ``much``), ``fail`` (500 at once), ``gone`` (refused), ``hang`` (no answer), ``limit``
    (429 above ``much`` requests a minute). ``every``: it comes and goes, so many seconds each."""

    kind: str
    begin: float
    end: float
    much: float = 1.0
    every: float = 0.0

    def holds(self, now: float) -> bool:
        """Whether the server has it at that time."""
        if not self.begin <= now < self.end:
            return False
        return not self.every or int((now - self.begin) / self.every) % 2 == 0


def _nothing() -> None:
    pass


@dataclass(slots=True, eq=False)
class Flight:
    """A request at a server."""

    request: Request
    begun: float
    cached: int = 0
    first: bool = False
    over: bool = False
    #: Begins it, when it has waited for a slot.
    begin: Callable[[], None] = _nothing


@dataclass(slots=True, eq=False)
class Server:
    """``speed`` 1 is the figures above."""

    number: int
    speed: float = 1.0
    faults: tuple[Fault, ...] = ()
    running: int = 0
    waiting: deque[Flight] = field(default_factory=deque)
    _prefill_free: float = 0.0
    _cache: OrderedDict[tuple[str, int], int] = field(default_factory=OrderedDict)
    _cached: int = 0
    _allowance: float = 0.0

    def refusal(self, now: float) -> GatewayError | None:
        """What it answers at once instead of an answer."""
        for fault in self.faults:
            if not fault.holds(now):
                continue
            match fault.kind:
                case "fail":
                    return UpstreamError("it fails", kind="5xx")
                case "gone":
                    self._cache.clear()
                    self._cached = 0
                    return UpstreamUnreachable("refused", kind="refused")
                case "limit":
                    each = 60.0 / fault.much
                    self._allowance = max(self._allowance, now - 60.0)
                    if self._allowance + each > now:
                        error = RateLimited("slow down")
                        error.wait = self._allowance + each - now
                        return error
                    self._allowance += each
        return None

    def hangs(self, now: float) -> bool:
        """Whether what comes now is never answered."""
        return any(fault.kind == "hang" and fault.holds(now) for fault in self.faults)

    def has_slot(self) -> bool:
        """Whether it can begin at once."""
        return self.running < SLOTS

    def start(self, flight: Flight, now: float) -> tuple[float, float]:
        """Take a slot; when its first token comes, and when it ends."""
        self.running += 1
        request = flight.request
        flight.cached = self._known(request)
        slow = self.speed
        for fault in self.faults:
            if fault.kind == "slow" and fault.holds(now):
                slow /= fault.much
        begin = max(now, self._prefill_free)
        first = begin + (request.context - flight.cached) / (PREFILL * slow) + STEP / slow
        self._prefill_free = first
        self._remember(request)
        return first, first + request.answer * (STEP + BESIDE * self.running) / slow

    def end(self) -> Flight | None:
        """A slot is free; who takes it."""
        self.running -= 1
        while self.waiting:
            flight = self.waiting.popleft()
            if not flight.over:
                return flight
        return None

    def _known(self, request: Request) -> int:
        known = self._cache.get(("c", request.conversation), 0)
        shared = self._cache.get(("s", request.system), 0)
        return min(request.context - 1, max(known, min(shared, shared_tokens(request))))

    def _remember(self, request: Request) -> None:
        for key, tokens in (
            (("s", request.system), shared_tokens(request)),
            (("c", request.conversation), request.context + request.answer),
        ):
            before = self._cache.pop(key, 0)
            self._cache[key] = max(tokens, before)
            self._cached += self._cache[key] - before
        while self._cached > CACHE:
            _, tokens = self._cache.popitem(last=False)
            self._cached -= tokens
