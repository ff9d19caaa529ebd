"""Where the time goes, in percentiles, for machines without Prometheus: part of ``/status``.

Laws: pure; made of the same numbers as the page, of all models and all processes together, since the service began.
"""

from __future__ import annotations

from collections.abc import Mapping

from llm_proxy.telemetry.metrics import families as f
from llm_proxy.telemetry.metrics.families import Family
from llm_proxy.telemetry.metrics.merged import Totals

#: What is told, by its name in ``/status``, without the unit, which is milliseconds.
INSIDE: Mapping[str, Family] = {
    "loop_lag": f.LOOP_LAG,
    "queue": f.QUEUE_SECONDS,
    "connect": f.CONNECT_SECONDS,
    "first_token": f.FIRST_TOKEN_SECONDS,
    "between_tokens": f.TOKEN_SECONDS,
    "own": f.OVERHEAD_SECONDS,
    "request": f.REQUEST_SECONDS,
}
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}


def inside(totals: Totals) -> dict[str, dict[str, float | int | None]]:
    """For each of ``INSIDE`` how often it was measured, and its percentiles in milliseconds, None if never."""
    return {name: _told(family, totals) for name, family in INSIDE.items()}


def _told(family: Family, totals: Totals) -> dict[str, float | int | None]:
    assert family.ladder is not None
    counts = [0.0] * (len(family.ladder.fine) + 1)
    for total in totals[family.number].values():
        counts = [a + b for a, b in zip(counts, total.counts, strict=True)]
    found = family.ladder.percentiles(counts, SHARES.values())
    values = [None] * len(SHARES) if found is None else [round(seconds * 1000, 3) for seconds in found]
    return {"count": int(sum(counts)), **dict(zip(SHARES, values, strict=True))}
