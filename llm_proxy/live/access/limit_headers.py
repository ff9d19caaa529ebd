"""What is left of the limits, in the headers of the client's dialect.

Laws: pure. OpenAI's resets are Go's durations, Anthropic's are times; the limit is told as it is written; of several limits of one kind the
one with the smallest share left is told, and kinds that do not hold are not mentioned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from llm_proxy.live.access.plan import Bound
from llm_proxy.live.access.rates import SECOND

Standing = tuple[Bound, int, int]
#: Which kinds a dialect's word means.
_REQUESTS, _TOKENS = ("rpm", "rpd"), ("tpm", "tpd")
_OPENAI = (("requests", _REQUESTS), ("tokens", (*_TOKENS, "input_tpm", "output_tpm")))
_ANTHROPIC = (
    ("requests", _REQUESTS),
    ("tokens", _TOKENS),
    ("input-tokens", ("input_tpm",)),
    ("output-tokens", ("output_tpm",)),
)


def openai_headers(standing: Sequence[Standing]) -> Iterator[tuple[str, str]]:
    """``x-ratelimit-*``."""
    for word, kinds in _OPENAI:
        if (found := _tightest(standing, kinds)) is not None:
            bound, left, full = found
            yield f"x-ratelimit-limit-{word}", str(bound.limit.limit)
            yield f"x-ratelimit-remaining-{word}", str(left)
            yield f"x-ratelimit-reset-{word}", duration(full)


def anthropic_headers(standing: Sequence[Standing], wall: float) -> Iterator[tuple[str, str]]:
    """``anthropic-ratelimit-*``; ``wall``: seconds since the epoch."""
    for word, kinds in _ANTHROPIC:
        if (found := _tightest(standing, kinds)) is not None:
            bound, left, full = found
            at = datetime.fromtimestamp(int(wall), UTC) + timedelta(seconds=-(-full // SECOND))
            yield f"anthropic-ratelimit-{word}-limit", str(bound.limit.limit)
            yield f"anthropic-ratelimit-{word}-remaining", str(left)
            yield f"anthropic-ratelimit-{word}-reset", at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _tightest(standing: Sequence[Standing], kinds: tuple[str, ...]) -> Standing | None:
    tightest, least = None, 2.0
    for found in standing:
        bound = found[0]
        if bound.kind in kinds and (share := found[1] / bound.limit.limit) < least:
            tightest, least = found, share
    return tightest


def duration(nanoseconds: int) -> str:
    """As Go's time.Duration writes it: ``12ms``, ``1.5s``, ``6m0s``."""
    milliseconds = -(-nanoseconds // 1_000_000)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    tail = f"{seconds}.{rest:03d}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{tail}"
    return f"{minutes}m{tail}" if minutes else tail
