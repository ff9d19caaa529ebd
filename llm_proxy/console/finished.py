"""Requests that have ended, as the console shows them: from the fields of the access line, or from a row of the usage database.

Laws: the figures are those of the access line, under its names, and the status is the one that ``/metrics`` counts; what is not
known is null. Bounded: a text is cut, what is neither a text nor a number is left out, and of the answer's head only names of
ours are kept. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

Request = dict[str, Any]

#: In the order in which they are told.
FIELDS = (
    *("source", "request_id", "at", "model", "provider", "upstream_model", "face", "endpoint", "method"),
    *("path", "stream", "status", "code", "phase", "kind", "ended_by", "detail", "client", "user_agent"),
    *("key", "team", "queued_ms", "first_byte_ms", "itl_ms", "own_ms", "client_ms", "total_ms", "attempts"),
    *("tries", "fallback", "affinity", "prompt_tokens", "completion_tokens", "cached_tokens"),
    *("reasoning_tokens", "estimated", "tokens_per_second", "micro_usd", "dropped", "prompt", "language"),
    *("generation", "trace_id"),
)
#: Texts are cut there.
_LONGEST = 300
#: Fields of an answer's head that are ours to show.
_HEADS = re.compile(
    r"x-(llm|prompt|dropped|config|request|trace|token|ratelimit|should)[a-z0-9-]*|anthropic-ratelimit-[a-z-]+"
    r"|content-type|content-length|retry-after(-ms)?",
    re.IGNORECASE,
)
#: ``gpu-1:503:12ms``, of a provider's name that may hold colons itself.
_TRY = re.compile(r"\s*(.*):([^:]*):([0-9.]+)ms\s*")


class Ended(NamedTuple):
    """A request as its handler leaves it: when (Unix seconds), with which status, its access line (as JSON, or its fields), the
    fields of its answer's head, and what its upstream has counted."""

    at: float
    status: int
    said: str | Mapping[str, Any]
    headers: Mapping[str, str]
    usage: Mapping[str, Any]

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of its access line."""
        if type(self.said) is str:
            found: dict[str, Any] = json.loads(self.said)
            return found
        return self.said  # type: ignore[return-value]  # it is no text


def kept(ended: Ended, face_of: Callable[[str], str]) -> Request:
    """What is shown of it; with ``headers``."""
    fields = ended.fields
    found: Request = dict.fromkeys(FIELDS)
    for name, value in fields.items():
        if name in found:
            found[name] = _small(value)
    headers = {name: value[:_LONGEST] for name, value in ended.headers.items() if _is_ours(name)}
    found.update(
        source="memory",
        dropped=found["dropped"] or [],
        at=round(ended.at, 3),
        status=ended.status,
        face=face_of(fields["endpoint"]),
        cached_tokens=_detail(ended.usage, "prompt_tokens_details", "cached_tokens"),
        reasoning_tokens=_detail(ended.usage, "completion_tokens_details", "reasoning_tokens"),
        fallback=headers.get("X-Llm-Fallback"),
        tries=tries_in(headers.get("X-Llm-Attempts")),
        tokens_per_second=speed_of(fields),
        headers=headers,
    )
    return found


@lru_cache(maxsize=256)  # every request that ends has the same few
def _is_ours(name: str) -> bool:
    return _HEADS.fullmatch(name) is not None


def _small(value: Any) -> Any:
    if isinstance(value, str):
        return value[:_LONGEST]
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, list):
        return [str(one)[:_LONGEST] for one in value[:50]]
    return None


def count_in(value: Any) -> int:
    """What an upstream says of a number of tokens; 0 if that is none."""
    return value if type(value) is int and 0 < value < 1 << 40 else 0


def are_counts(values: tuple[Any, ...]) -> bool:
    """Whether each of them is a number of tokens, as ``count_in`` takes them; there is one at least."""
    return set(map(type, values)) == {int} and min(values) > 0 and max(values) < 1 << 40


def _detail(usage: Mapping[str, Any], group: str, name: str) -> int | None:
    details = usage.get(group)
    value = details.get(name) if isinstance(details, Mapping) else None
    return value if type(value) is int else None


def speed_of(fields: Mapping[str, Any]) -> float | None:
    """Tokens a second of a stream, after its first token."""
    apart, wrote = fields.get("itl_ms"), count_in(fields.get("completion_tokens"))
    if not fields.get("stream") or not isinstance(apart, int | float) or apart <= 0:
        return None
    events = count_in(fields.get("events"))
    if events < 2:
        return None
    seconds = apart * (events - 1) / 1000
    tokens = wrote if wrote > 1 else events
    return round((tokens - 1) / seconds, 2)


def tries_in(text: str | None) -> list[dict[str, Any]]:
    """The attempts of ``X-LLM-Attempts``."""
    found = [match for one in (text or "").split(",") if (match := _TRY.fullmatch(one))]
    return [{"provider": one[1], "outcome": one[2], "ms": float(one[3])} for one in found]


#: By which of its names the usage database calls a field.
_COLUMNS = {
    "id": "request_id",
    "time": "at",
    "input": "prompt_tokens",
    "output": "completion_tokens",
    "cached": "cached_tokens",
    "reasoning": "reasoning_tokens",
    "first_token_ms": "first_byte_ms",
}


def of_ledger(row: Mapping[str, Any]) -> Request:
    """A row of the usage database."""
    found: Request = dict.fromkeys(FIELDS)
    for name, value in row.items():
        name = _COLUMNS.get(name, name)
        if name in found:
            found[name] = value
    found.update(source="usage", tries=[], dropped=[])
    found["stream"] = bool(row.get("stream"))
    found["estimated"] = bool(row.get("estimated")) or None
    return found


def matches(request: Request, wanted: Mapping[str, str]) -> bool:
    """Whether it is one of those that are asked for: ``model``, ``provider``, ``key``, and ``status`` (``ok``, ``error``,
    ``cancelled`` or a number)."""
    for name in ("model", "provider", "key"):
        if name in wanted and (request[name] or "") != wanted[name]:
            return False
    status = request["status"] or 0
    match wanted.get("status"):
        case None:
            return True
        case "ok":
            return bool(status < 400)
        case "error":
            return bool(status >= 400 and status != 499)
        case "cancelled":
            return bool(status == 499)
        case number:
            return str(status) == number


def newest(several: Iterable[Iterable[Request]], most: int) -> list[Request]:
    """The newest of what several processes remember, newest first."""
    found = [request for requests in several for request in requests]
    found.sort(key=lambda request: (request["at"], request["request_id"] or ""), reverse=True)
    return found[:most]
