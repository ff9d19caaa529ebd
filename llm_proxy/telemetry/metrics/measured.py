"""How fast each model was at each provider, by the numbers of the metrics: for whoever has no better ones.

Laws: reads only; for any thread. Of all processes together, since the service began.
"""

from __future__ import annotations

from typing import NamedTuple

from llm_proxy.telemetry.metrics import families as f
from llm_proxy.telemetry.metrics.families import labelled
from llm_proxy.telemetry.metrics.merged import Totals


class Speed(NamedTuple):
    """Seconds to the first token of a stream, and tokens a second after it; None: not measured."""

    first_token_p50: float | None
    first_token_p95: float | None
    tokens_per_second: float | None


def speed_of(totals: Totals, model: str, provider: str) -> Speed:
    """Of the model that goes by that label."""
    first = totals[f.FIRST_TOKEN_SECONDS.number].get(labelled(f.FIRST_TOKEN_SECONDS, model, provider))
    token = totals[f.TOKEN_SECONDS.number].get(labelled(f.TOKEN_SECONDS, model, provider))
    ladder = f.FIRST_TOKEN_SECONDS.ladder
    assert ladder is not None
    found = ladder.percentiles(first.counts, (0.5, 0.95)) if first is not None else None
    middle, high = (None, None) if found is None else found
    many = sum(token.counts) if token is not None else 0.0
    rate = many / token.value if token is not None and token.value > 0 else None
    return Speed(middle, high, rate)
