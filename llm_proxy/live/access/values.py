"""What ``access.json`` says, as frozen values.

Laws: what many keys have in common (``Terms``) is one object for all of them, so that a hundred thousand keys are a hundred
thousand short rows. Money is whole micro-dollars; USD per million tokens, in which prices are told, is micro-dollars a token.
Pure; how a request is judged by them stands in the modules beside it.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from typing import Literal, NamedTuple, cast

from llm_proxy.live.access.patterns import matcher
from llm_proxy.wire.json_members import Layout

Kind = Literal["rpm", "tpm", "input_tpm", "output_tpm", "rpd", "tpd", "concurrent"]
#: In the order in which they are told.
KINDS: tuple[Kind, ...] = ("rpm", "tpm", "input_tpm", "output_tpm", "rpd", "tpd", "concurrent")
Admin = Literal["", "read", "write"]
Priority = Literal["interactive", "default", "bulk"]


@dataclass(frozen=True, slots=True)
class Limit:
    """``limit`` in its time (a minute, a day; of ``concurrent``: at once), of which ``burst`` may come together."""

    kind: Kind
    limit: int
    burst: int


def written(limits: tuple[Limit, ...]) -> str:
    """In a text, which takes a third of the memory that they do: every one of a hundred thousand keys may have its own."""
    return ",".join(f"{one.kind} {one.limit} {one.burst}" for one in limits)


def limits_in(text: str) -> tuple[Limit, ...]:
    """What was ``written``."""
    words = (one.split() for one in text.split(",") if one)
    return tuple(Limit(cast("Kind", kind), int(limit), int(burst)) for kind, limit, burst in words)


Models = tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a key may; ``models`` None: all; ``limits_text``: its limits, ``written``."""

    team: str = ""
    models: Models = None
    limits_text: str = ""
    budgets: tuple[str, ...] = ()
    #: Seconds since the epoch from which on it is none any more, and how the file says it.
    expires: float = inf
    expires_text: str = ""
    priority: Priority = "default"
    active: bool = True
    admin: Admin = ""
    passthrough: bool = False
    metadata: tuple[tuple[str, str], ...] = ()

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Made anew each time."""
        return limits_in(self.limits_text)


@dataclass(frozen=True, slots=True)
class Team:
    """What all keys of a team may at most."""

    models: Models = None
    limits: tuple[Limit, ...] = ()
    budgets: tuple[str, ...] = ()
    passthrough: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """``limit`` micro-dollars in each ``per``: a calendar's hour, day, week or month in ``zone``, or the last so many
    seconds (``rolling``). ``each``: of each key."""

    name: str
    limit: int
    per: str
    rolling: int = 0
    zone: str = "UTC"
    warn: tuple[float, ...] = ()
    each: bool = False
    unpriced: Literal["deny", "free"] = "deny"


class Price(NamedTuple):
    """Micro-dollars a token; what is read from a cache or written to one costs as much as any other, unless it is said."""

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What the holder of a key may: the key's terms, and its team's."""

    name: str
    terms: Terms
    team: Team
    #: Whether a name fits the key and its team; None: all do.
    fits: Callable[[str], bool] | None = field(repr=False, compare=False)

    @property
    def team_name(self) -> str:
        """Empty: none."""
        return self.terms.team

    @property
    def priority(self) -> Priority:
        """How soon its requests are served where some have to wait."""
        return self.terms.priority

    @property
    def may_pass(self) -> bool:
        """Whether it may send requests on as they are."""
        return self.terms.passthrough or self.team.passthrough

    def allows(self, *names: str) -> bool:
        """Whether a model of any of these names is for it."""
        return self.fits is None or any(map(self.fits, names))


@dataclass(frozen=True, slots=True)
class Kept:
    """What the next load needs of the file: where its keys stand; by the number of a row, how many digests stand before it, and the names of
    those that are comments."""

    layout: Layout
    counts: array[int] = field(repr=False)
    comments: Mapping[int, str] = field(repr=False)


_NOBODY = Team()
#: ``Grant`` by digest that are kept ready.
_READY = 4096


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Access:
    """The whole file. ``keys``: by digest, the key's name and its terms, in the order of the file."""

    keys: Mapping[bytes, tuple[str, Terms]] = field(repr=False)
    teams: Mapping[str, Team] = field(default_factory=dict)
    #: Limits of models, by public name.
    models: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict)
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)
    #: None where nothing is to be loaded after it.
    kept: Kept | None = field(default=None, repr=False, compare=False)
    #: The newest grants that were asked for.
    _ready: OrderedDict[bytes, Grant] = field(default_factory=OrderedDict, repr=False, compare=False)

    def grant(self, digest: bytes) -> Grant | None:
        """Of the key with that digest, be it valid or not."""
        found = self._ready.get(digest)
        if found is None and (row := self.keys.get(digest)) is not None:
            found = self.grant_of(*row)
            if len(self._ready) >= _READY:
                self._ready.popitem(
                    last=False
                )  # not all of them, or many keys in turn would make each of them anew
            self._ready[digest] = found
        return found

    def grant_of(self, name: str, terms: Terms) -> Grant:
        """Of the key of that name, for whoever looks through all of them."""
        team = self.teams.get(terms.team, _NOBODY)
        return Grant(name, terms, team, _both(terms.models, team.models))


@lru_cache(maxsize=1024)
def _both(mine: Models, ours: Models) -> Callable[[str], bool] | None:
    """What fits both lists."""
    lists = [matcher(found) for found in (mine, ours) if found is not None]
    if not lists:
        return None
    if len(lists) == 1:
        return lists[0]
    return lambda name: lists[0](name) and lists[1](name)
