"""The bounds of histograms, and the finer ones between them by which percentiles are told.

Laws: pure. Every bound that is told is one of the fine ones too, so the buckets that Prometheus sees are sums of fine
ones, exactly, and one search serves both. Where no finer bound is needed nothing is paid for it: the search is logarithmic.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

#: How far apart two fine bounds may be: a percentile is then at most a tenth off.
_STEP = 1.19
#: How far the fine bounds go on below the first and above the last one that is told.
_BELOW, _ABOVE = 64.0, 4.0


@dataclass(frozen=True, slots=True)
class Ladder:
    """``bounds`` are told. ``fine``: all, for the search; ``bucket``: for each fine bucket, and the one above all of them,
    the number of the one that is told."""

    bounds: tuple[float, ...]
    fine: tuple[float, ...]
    bucket: tuple[int, ...]
    #: Where in the running sum over the fine buckets each told one ends.
    ends: tuple[int, ...]

    @classmethod
    def of(cls, *bounds: float) -> Ladder:
        """With fine bounds between and around ``bounds``, which ascend."""
        around = (bounds[0] / _BELOW, *bounds, bounds[-1] * _ABOVE)
        fine = [around[0]]
        for low, high in pairwise(around):
            parts = max(1, round(math.log(high / low) / math.log(_STEP)))
            fine += [low * (high / low) ** (part / parts) for part in range(1, parts)]
            fine.append(high)
        told = tuple(bisect_left(bounds, bound) for bound in (*fine, math.inf))
        return cls(bounds, tuple(fine), told, tuple(fine.index(bound) for bound in bounds))

    def told(self, counts: Sequence[float]) -> list[float]:
        """The cumulative counts at each of ``bounds``, and of all; ``counts``: those of the fine buckets."""
        sums = list(accumulate(counts))
        return [*(sums[end] for end in self.ends), sums[-1]]

    def percentiles(self, counts: Sequence[float], shares: Iterable[float]) -> list[float] | None:
        """The values below which those ``shares`` (0 to 1) lie; None if nothing was counted."""
        sums = list(accumulate(counts))
        if not sums or sums[-1] <= 0:
            return None
        return [self._value_at(sums, share * sums[-1]) for share in shares]

    def _value_at(self, sums: Sequence[float], rank: float) -> float:
        """Between two bounds it is taken to grow evenly by ratio."""
        at = min(bisect_left(sums, max(rank, 1e-9)), len(self.fine))
        if at == len(self.fine):
            return self.fine[-1]
        if at == 0:
            return self.fine[0]
        low, high, before = self.fine[at - 1], self.fine[at], sums[at - 1]
        return low * math.pow(high / low, (rank - before) / (sums[at] - before))


#: As the GenAI conventions have them; answers of models that think run longer.
REQUEST = Ladder.of(*(round(0.01 * 2**step, 2) for step in range(16)))
#: The same, with the longer ones that Envoy AI Gateway adds.
FIRST_TOKEN = Ladder.of(
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0),
)
TOKEN = Ladder.of(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
TOKENS = Ladder.of(*(4.0**step for step in range(14)))
#: The gateway's own time, and what the loop is late: tenths of a millisecond count.
OWN = Ladder.of(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
LAG = Ladder.of(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
WAIT = Ladder.of(0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
