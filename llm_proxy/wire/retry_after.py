"""How long an upstream asks us to leave it alone: ``Retry-After`` and what vendors say in its place.

Laws: the first that makes sense counts, in the order of ``wait_in``; what does not parse is as if it were not there. The
answer is bounded: SDKs sleep as long as they are told, and who asks for more than an hour of patience asks for less. A
time of day is read by the upstream's own clock where it shows one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

LONGEST = 3600.0

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
#: A duration as Go writes it (``1m2.5s``), of OpenAI, Groq and others.
_PART = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,18})?)(ms|us|µs|ns|d|h|m|s)")
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
#: A greater number is a date: seconds since 1970, or milliseconds.
_DATES, _MILLISECONDS = 30 * 86400.0, 1e11
#: Longer values say nothing that we understand.
_MAX_TEXT = 100
#: ``x-ratelimit-reset-tokens`` (OpenAI, Groq, Azure), ``x-ratelimit-reset-requests-day`` (Cerebras),
#: ``anthropic-ratelimit-input-tokens-reset``; each has a twin that tells what is left.
_RESETS = re.compile(r"x-ratelimit-reset-[a-z-]{1,40}|anthropic-ratelimit-[a-z-]{1,40}-reset")


def wait_in(headers: Mapping[str, str], delay: str = "") -> float | None:
    """Seconds, or None if nothing is said. ``headers`` have lower-case names; ``delay``: of a ``RetryInfo`` in the body."""
    now = _date(headers.get("date", "")) or datetime.now(UTC)
    found = _number(headers.get("retry-after", "").strip())
    if found is None:
        found = _first(
            _seconds(headers.get("retry-after", ""), now),
            _number(headers.get("retry-after-ms", "").strip(), 1e-3),
        )
    if found is not None:
        return _bounded(found)
    for name in ("x-ratelimit-reset", "ratelimit-reset"):
        found = _seconds(headers.get(name, ""), now)
        if found is not None:
            return found
    return _first(_resets(headers, now), _seconds(delay, now))


def delay_in(details: Any) -> str:
    """The ``retryDelay`` of a ``google.rpc.RetryInfo`` among an error's ``details``; empty if there is none."""
    for detail in details[:20] if isinstance(details, list) else ():
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith("google.rpc.RetryInfo"):
            found = detail.get("retryDelay")
            return found if isinstance(found, str) else ""
    return ""


def _resets(headers: Mapping[str, str], now: datetime) -> float | None:
    """When the limit that is used up begins anew; the first of all of them, if none says that it is the one."""
    known = [
        (_seconds(headers[name], now), _left(headers, name)) for name in headers if _RESETS.fullmatch(name)
    ]
    waits = [(wait, left) for wait, left in known if wait is not None]
    used_up = [wait for wait, left in waits if left == 0.0]
    return max(used_up) if used_up else min((wait for wait, _ in waits), default=None)


def _left(headers: Mapping[str, str], name: str) -> float | None:
    """What its twin says is left of the limit whose reset is told by header ``name``."""
    twin = (
        name.replace("-reset-", "-remaining-")
        if "-reset-" in name
        else name.removesuffix("reset") + "remaining"
    )
    value = headers.get(twin, "")
    return float(value) if _NUMBER.fullmatch(value) else None


def _first(*found: float | None) -> float | None:
    return next((wait for wait in found if wait is not None), None)


def _number(text: str, unit: float = 1.0) -> float | None:
    """A number of ``unit`` seconds."""
    if not _NUMBER.fullmatch(text):
        return None
    # Longer ones are beyond the bound anyway, and perhaps beyond what a float can hold.
    return float(text) * unit if len(text) < 20 else LONGEST


def _seconds(text: str, now: datetime) -> float | None:
    """A number of seconds or since 1970, a duration of Go, an HTTP date or one of RFC 3339."""
    text = text.strip()
    value = _number(text)
    if value is not None:
        if value >= _MILLISECONDS:
            value /= 1000.0
        return _bounded(value - now.timestamp() if value >= _DATES else value)
    if not text or len(text) > _MAX_TEXT:
        return None
    parts = list(_durations(text))
    if parts:
        return _bounded(sum(parts))
    then = _date(text)
    return None if then is None else _bounded((then - now).total_seconds())


def _durations(text: str) -> Iterator[float]:
    """The parts of a duration; none, if anything else stands there too."""
    if _PART.sub("", text):
        return
    for number, unit in _PART.findall(text):
        yield float(number) * _UNITS[unit]


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), LONGEST)


def _date(text: str) -> datetime | None:
    """An HTTP date (RFC 9110, 5.6.7) or one of RFC 3339; one without a zone is in GMT, as all should be."""
    if not text:
        return None
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            found = read(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None
