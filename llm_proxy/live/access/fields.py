"""The fields of ``access.json``: their names, types and meaning. The JSON Schema comes from here.

Laws: types are strict, unknown fields are refused, and nothing that was given is ever part of an error.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, PlainValidator

from llm_proxy.live.access.values import KINDS, Kind, Limit
from llm_proxy.live.config import checks
from llm_proxy.live.config.field_types import Strict, checked

#: Above this a limit is none: 16 million tokens a second.
MOST = 1_000_000_000
_HASH = re.compile(r"sha256:[0-9a-fA-F]{64}")
_ROLLING = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
CALENDAR = ("hour", "day", "week", "month")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_YEAR = 366 * 86_400


def digests(value: Any) -> tuple[bytes, ...]:
    """What ``hash`` says, the newest first. Raises ``ValueError``."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not 1 <= len(found) <= 2:
        raise ValueError("must be a hash, or a list of two: the new one and the old one")
    for text in found:
        if not isinstance(text, str) or not _HASH.fullmatch(text):
            raise ValueError('must be "sha256:" and 64 hexadecimal digits; never write the key itself here')
    return tuple(bytes.fromhex(text[7:]) for text in found)


def expiry(value: Any) -> tuple[float, str]:
    """When a key ends, in seconds since the epoch: a date ends with its day in UTC."""
    try:
        if not isinstance(value, str):
            raise ValueError
        if _DATE.fullmatch(value):
            end = datetime.fromisoformat(value).replace(tzinfo=UTC) + timedelta(days=1)
        else:
            end = datetime.fromisoformat(value)
        if end.tzinfo is None:
            raise ValueError
        return end.timestamp(), value
    except (ValueError, OverflowError):
        text = 'must be a date such as "2027-01-31", or a time with its zone such as "2027-01-31T18:00:00Z"'
        raise ValueError(text) from None


def rolling(value: str) -> int:
    """The seconds of a window such as ``30d``; 0 if it is none."""
    found = _ROLLING.fullmatch(value)
    return int(found[1]) * _SECONDS[found[2]] if found else 0


def _per(value: Any) -> str:
    if isinstance(value, str) and (value in CALENDAR or 0 < rolling(value) <= _YEAR):
        return value
    raise ValueError(f'must be {", ".join(CALENDAR)}, or the last days or hours such as "30d" or "12h"')


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError('must be the name of a time zone such as "Europe/Warsaw"') from None
    return value


def _limit(value: Any) -> tuple[int, int]:
    """Limit and burst."""
    given = {"limit": value} if not isinstance(value, dict) else value
    if not given.keys() <= {"limit", "burst"} or "limit" not in given:
        raise ValueError('must be a number, or {"limit": ..., "burst": ...}')
    limit, burst = given["limit"], given.get("burst", given["limit"])
    for number in (limit, burst):
        if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MOST:
            raise ValueError(f"must be a whole number from 1 to {MOST}")
    if burst > limit:
        raise ValueError("burst must not be more than limit")
    return limit, burst


class LimitShape(Strict):
    """A limit, and how much of it may come at once (by default: all of it)."""

    limit: int = Field(ge=1, le=MOST)
    burst: int | None = Field(None, ge=1, le=MOST)


_Limit = Annotated[tuple[int, int], PlainValidator(checked(_limit), json_schema_input_type=int | LimitShape)]


class Limits(Strict):
    """What may be asked for in a time. A number N: N at once, then one each time's Nth part."""

    rpm: _Limit | None = Field(None, description="Requests a minute.")
    tpm: _Limit | None = Field(None, description="Tokens a minute, read and written together.")
    input_tpm: _Limit | None = Field(None, description="Tokens read a minute, cached ones too.")
    output_tpm: _Limit | None = Field(None, description="Tokens written a minute.")
    rpd: _Limit | None = Field(None, description="Requests a day.")
    tpd: _Limit | None = Field(None, description="Tokens a day.")
    concurrent: _Limit | None = Field(None, description="Requests at once.")

    def found(self) -> tuple[Limit, ...]:
        """Those that are set."""
        kinds: tuple[Kind, ...] = KINDS
        return tuple(Limit(kind, *pair) for kind in kinds if (pair := getattr(self, kind)) is not None)


Name = Annotated[str, AfterValidator(checked(lambda value: checks.name(value, limit=128)))]
Pattern = Annotated[str, AfterValidator(checked(checks.name))]
Usd = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class Key(Strict):
    """One key."""

    hash: Annotated[
        tuple[bytes, ...], PlainValidator(checked(digests), json_schema_input_type=str | list[str])
    ] = Field(
        repr=False,
        description="SHA-256 of the key, as `llm-proxy key new` prints it; two, the newest first, while a key is replaced.",
        examples=["sha256:5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"],
    )
    team: Name | None = Field(None, description="A name below `teams`, whose rules hold too.")
    models: list[Pattern] | None = Field(
        None,
        description="Names of models, with * for any characters; [] is none. Default: all that the team may have.",
        examples=[["llama3.2", "gpt-*"]],
    )
    limits: Limits | None = Field(None, description="What this key may ask for in a time.")
    budgets: list[Name] | None = Field(None, description="Names below `budgets`, all of which hold.")
    expires: (
        Annotated[tuple[float, str], PlainValidator(checked(expiry), json_schema_input_type=str)] | None
    ) = Field(
        None,
        description="A date, to whose end (UTC) the key is valid, or a time with its zone.",
        examples=["2027-01-31", "2027-01-31T18:00:00+01:00"],
    )
    priority: Literal["interactive", "default", "bulk"] | None = Field(
        None, description="Who is served first where requests wait. Default default."
    )
    active: bool | None = Field(None, description="false switches the key off. Default true.")
    admin: Literal["read", "write"] | None = Field(
        None, description="Opens /status, /usage, /keys, /metrics and the console; write is for the console."
    )
    passthrough: bool | None = Field(None, description="Whether the key may use /passthrough. Default false.")
    metadata: dict[Name, str] | None = Field(None, description="For people; it means nothing here.")


class TeamFields(Strict):
    """What all keys of a team may at most, together."""

    models: list[Pattern] | None = Field(None, description="As of a key; both must allow a model.")
    limits: Limits | None = Field(None, description="For all keys of the team together.")
    budgets: list[Name] | None = Field(None, description="Names below `budgets`.")
    passthrough: bool | None = Field(None, description="Whether its keys may use /passthrough.")


class ModelFields(Strict):
    """One public model."""

    limits: Limits | None = Field(None, description="For all who use the model together.")


class BudgetFields(Strict):
    """Money for a time."""

    usd: Usd = Field(description="So many US dollars.")
    per: Annotated[str, PlainValidator(checked(_per), json_schema_input_type=str)] = Field(
        description="hour, day, week or month of the calendar, or the last days or hours.",
        examples=["month", "30d"],
    )
    zone: Annotated[str, AfterValidator(checked(_zone))] | None = Field(
        None, description="Time zone of the calendar. Default UTC.", examples=["Europe/Warsaw"]
    )
    warn: list[Annotated[float, Field(gt=0, le=1)]] | None = Field(
        None, description="Shares from which on answers and the log say so.", examples=[[0.8]]
    )
    scope: Literal["shared", "each"] | None = Field(
        None, description="One budget for all that name it (default), or one for each key."
    )
    unpriced: Literal["deny", "free"] | None = Field(
        None, description="What becomes of requests to a model without a price. Default deny."
    )


class PriceFields(Strict):
    """US dollars for a million tokens."""

    input: Usd = Field(description="Read.")
    output: Usd = Field(description="Written.")
    cache_read: Usd | None = Field(None, description="Read from the vendor's cache. Default: as input.")
    cache_write: Usd | None = Field(None, description="Written to it. Default: as input.")


#: The sections of the file, and what stands in each.
SECTIONS: dict[str, type[Strict]] = {
    "keys": Key,
    "teams": TeamFields,
    "models": ModelFields,
    "budgets": BudgetFields,
    "prices": PriceFields,
}
