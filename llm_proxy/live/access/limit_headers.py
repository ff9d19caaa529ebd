"""What is left of the limits, in the headers of the client's dialect.

Laws: pure. OpenAI's resets are Go's durations, Anthropic's are times; the limit is told as it is written; of several limits of one kind the
one with the smallest share left is told, and kinds that do not hold are not mentioned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from llm_proxy.live.access.at_once import Ready
from llm_proxy.live.access.plan import Bound
from llm_proxy.live.access.rates import SECOND
from llm_proxy.live.access.reservation import Reservation
from llm_proxy.live.access.shared_counters import VALUE, Numbers

Standing = tuple[Bound, int, int]
#: Names as Tornado spells them, and values.
Headers = dict[str, str]
#: Which word of a dialect each kind is told by, as the place of its three names.
_OPENAI = {"rpm": 0, "rpd": 0, **dict.fromkeys(("tpm", "tpd", "input_tpm", "output_tpm"), 1)}
_OPENAI_NAMES = [
    (f"X-Ratelimit-Limit-{what}", f"X-Ratelimit-Remaining-{what}", f"X-Ratelimit-Reset-{what}")
    for what in ("Requests", "Tokens")
]
_ANTHROPIC = {"rpm": 0, "rpd": 0, "tpm": 1, "tpd": 1, "input_tpm": 2, "output_tpm": 3}
_ANTHROPIC_NAMES = [
    tuple(f"Anthropic-Ratelimit-{what}-{word}" for word in ("Limit", "Remaining", "Reset"))
    for what in ("Requests", "Tokens", "Input-Tokens", "Output-Tokens")
]


#: A limit that is the only one told at its place: its counter, what one takes and how much there may be (nanoseconds), the names of
#: what changes, and what is told whenever all of it is left.
_Alone = tuple[Numbers, int, int, str, str, str]


def openai_told(taken: Reservation) -> Headers:
    """``x-ratelimit-*`` of a request that was let in."""
    ready = taken.ready
    if ready is None:
        return openai_headers(taken.standing)
    known: tuple[tuple[_Alone, ...], Headers] | None
    try:
        known = ready.memo[openai_told]
    except KeyError:
        known = ready.memo[openai_told] = _alone(ready)
    if known is None:
        return openai_headers(taken.standing)
    alone, same = known
    steady, found = taken.at[0], same.copy()
    for numbers, each, most, remaining, reset, burst in alone:
        over = numbers[VALUE] - steady
        if over <= 0:
            found[remaining], found[reset] = burst, "0s"
        else:
            found[remaining] = str((most - over) // each if over < most else 0)
            # Rounded up; to write it takes longer than to find it again.
            found[reset] = _written((over + 999_999) // 1_000_000)
    return found


def _alone(ready: Ready) -> tuple[tuple[_Alone, ...], Headers] | None:
    """Where no place has more than one limit: each of them, and what is told of them whenever it is."""
    found: dict[int, _Alone] = {}
    same: Headers = {}
    for bound, numbers in ready.bounds:
        place = _OPENAI.get(bound.kind)
        if place in found:
            return None
        if place is not None:
            limit, remaining, reset = _OPENAI_NAMES[place]
            same[limit] = str(bound.size)
            found[place] = numbers, bound.each, bound.most, remaining, reset, str(bound.burst)
    return tuple(found.values()), same


def openai_headers(standing: Sequence[Standing]) -> Headers:
    """``x-ratelimit-*``."""
    found: Headers = {}
    for place, tightest in _tightest(standing, _OPENAI).items():
        limit, remaining, reset = _OPENAI_NAMES[place]
        found[limit] = str(tightest[0].size)
        found[remaining] = str(tightest[1])
        found[reset] = duration(tightest[2])
    return found


def anthropic_headers(standing: Sequence[Standing], wall: float) -> Headers:
    """``anthropic-ratelimit-*``; ``wall``: seconds since the epoch."""
    found: Headers = {}
    for place, tightest in _tightest(standing, _ANTHROPIC).items():
        limit, remaining, reset = _ANTHROPIC_NAMES[place]
        at = datetime.fromtimestamp(int(wall), UTC) + timedelta(seconds=-(-tightest[2] // SECOND))
        found[limit] = str(tightest[0].size)
        found[remaining] = str(tightest[1])
        found[reset] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return found


def _tightest(standing: Sequence[Standing], places: Mapping[str, int]) -> dict[int, Standing]:
    """By place the limit of which the smallest share is left."""
    found: dict[int, Standing] = {}
    for one in standing:
        place = places.get(one[0].kind)
        if place is not None:
            other = found.get(place)
            if other is None or one[1] * other[0].size < other[1] * one[0].size:
                found[place] = one
    return found


def duration(nanoseconds: int) -> str:
    """As Go's time.Duration writes it: ``12ms``, ``1.5s``, ``6m0s``."""
    return _written(-(-nanoseconds // 1_000_000))


@lru_cache(maxsize=4096)
def _written(milliseconds: int) -> str:
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    tail = f"{seconds}.{rest:03d}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{tail}"
    return f"{minutes}m{tail}" if minutes else tail
