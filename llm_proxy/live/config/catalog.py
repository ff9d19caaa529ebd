"""Which deployments a name means: names, aliases, ``provider/model`` and patterns, in this order.

Laws: pure and immutable, but for a bounded memory of names that only patterns serve. What an exact key has, in use or not, no
pattern serves. Among patterns the longest fixed part wins; of several that are equally long an alias, else the upstreams that
list the name, else all. Whether an upstream can answer just now is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from llm_proxy.live.config.patterns import Pattern, filled, is_pattern, may_be_asked
from llm_proxy.live.config.public_names import Names
from llm_proxy.wire.calls import NOTHING, Deployment
from llm_proxy.wire.policies import DEFAULT_POLICY, ModelPolicy

#: What upstreams list themselves: names by the identity of the upstream (``Deployment.identity``).
Listed = Mapping[str, frozenset[str]]

#: Names of clients' choice that are remembered.
_MOST = 1000
#: The provider's pattern that takes every name, and lists those of its upstream.
EVERYTHING = "*"
_NONE: frozenset[str] = frozenset()
_LATEST = ":latest"


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a name means. ``asked``: as the client spells it; ``name``: the public name behind an alias, the same for any
    other; ``deployments``: those in use, also of weight 0. ``pinned``: the client has chosen the provider itself.
    ``plain``: there is one upstream, and nothing is configured that needs to be thought about."""

    asked: str
    name: str
    deployments: tuple[Deployment, ...]
    policy: ModelPolicy = DEFAULT_POLICY
    pinned: bool = False
    plain: bool = False

    @property
    def way(self) -> str:
        """By which fallbacks are told apart: a provider's own upstream is another way than the model as a whole."""
        return self.asked if self.pinned else self.name


class Catalog:
    """See the module. ``Catalog.of`` makes one, ``with_listed`` another for newer lists of the upstreams."""

    __slots__ = ("_exact", "_found", "_names", "_own", "_patterns", "_public", "listed", "names")

    def __init__(
        self,
        exact: Mapping[str, tuple[Deployment, ...]],
        own: Mapping[str, Mapping[str, Deployment]],
        names: Names,
        listed: Listed,
    ) -> None:
        #: By public name and by provider, the rows in use; exact keys that are out of use have none.
        self._exact, self._own, self._names = exact, own, names
        self.listed = listed
        self._patterns = _by_length(own, names)
        self._public: dict[str, Resolved] = {
            name: _resolved(name, name, rows, names.policy(name)) for name, rows in exact.items() if rows
        }
        self._found: dict[str, Resolved] = {}
        for alias in names.aliases:
            target = self._target(alias)
            if alias not in self._public and target is not None:
                self._public[alias] = target
        #: What lists show: public names, aliases, and what upstreams list themselves, with their deployments.
        self.names: Mapping[str, tuple[Deployment, ...]] = MappingProxyType(dict(self._shown()))

    @classmethod
    def of(
        cls, deployments: Iterable[Deployment], names: Names | None = None, listed: Listed = NOTHING
    ) -> Catalog:
        """The catalog of all rows of a configuration."""
        exact: dict[str, list[Deployment]] = {}
        own: dict[str, dict[str, Deployment]] = {}
        for row in deployments:
            if not is_pattern(row.name):
                rows = exact.setdefault(row.name, [])
                if row.active:
                    rows.append(row)
            own.setdefault(row.provider, {})[row.name] = row
        return cls({name: tuple(rows) for name, rows in exact.items()}, own, names or Names(), listed)

    def pattern_of(self, name: str) -> str | None:
        """The key with a ``*`` in it that ``name`` is found by, where no exact one has it."""
        for aliases, patterns in self._patterns:
            for pattern in (*aliases, *(pattern for pattern, _ in patterns)):
                if pattern.fits(name):
                    return pattern.text
        return None

    def with_listed(self, listed: Listed) -> Catalog:
        """The same for what upstreams list now."""
        return Catalog(self._exact, self._own, self._names, listed)

    def resolve(self, name: str) -> Resolved | None:
        """What ``name`` means; None if nobody serves it."""
        found = self._public.get(name)
        return found if found is not None else self._remembered(name)

    def asked_for_lists(self) -> Iterator[Deployment]:
        """The rows in use whose upstreams are to be asked what they list."""
        for rows in self._own.values():
            row = rows.get(EVERYTHING)
            if row is not None and row.active:
                yield row

    def _remembered(self, name: str) -> Resolved | None:
        if name in self._found:
            return self._found[name]
        made = self._find(name, frozenset())
        if made is not None:  # what is unknown is not worth the room
            if len(self._found) >= _MOST:
                self._found.pop(next(iter(self._found)), None)
            self._found[name] = made
        return made

    def _find(self, name: str, seen: frozenset[str]) -> Resolved | None:
        """``name`` by all the ways there are; ``seen``: aliases on the way to it."""
        found = self._public.get(name)
        if found is not None:
            return found
        if name in self._names.aliases and not is_pattern(name) and name not in seen:
            return self._behind(name, self._names.aliases[name], seen)
        if name in self._exact:  # all of it is out of use
            return None
        return self._pinned(name) or self._by_pattern(name, seen)

    def _target(self, alias: str) -> Resolved | None:
        """What an exact alias stands for."""
        return None if is_pattern(alias) else self._find(alias, frozenset())

    def _behind(self, asked: str, target: str, seen: frozenset[str]) -> Resolved | None:
        found = self._find(target, seen | {asked})
        return replace(found, asked=asked) if found is not None else None

    def _pinned(self, name: str) -> Resolved | None:
        """``provider/model``."""
        provider, slash, model = name.partition("/")
        rows = self._own.get(provider) if slash else None
        if not rows or not model:
            return None
        row = rows.get(model) if not is_pattern(model) else None
        if row is None and may_be_asked(model):
            row = next((made for _, made in _fitting(rows.values(), model)), None)
        if row is None or not row.active:
            return None
        policy = replace(self._names.policy(row.name), fallbacks=(), hedge=None)
        return _resolved(name, row.name, (row,), policy, pinned=True)

    def _by_pattern(self, name: str, seen: frozenset[str]) -> Resolved | None:
        if not may_be_asked(name):
            return None
        for aliases, patterns in self._patterns:
            for pattern in aliases:
                if pattern.text not in seen and pattern.fits(name):
                    return self._behind(name, self._names.aliases[pattern.text], seen | {pattern.text})
            rows = [
                _made(row, name, found)
                for pattern, group in patterns
                if (found := pattern.stands_for(name)) is not None
                for row in group
            ]
            if rows:
                listing = [row for row in rows if _lists(row, name, self.listed.get(row.identity, _NONE))]
                return _resolved(name, name, tuple(listing or rows), self._names.policy(name))
        return None

    def _shown(self) -> Iterator[tuple[str, tuple[Deployment, ...]]]:
        for name, public in self._public.items():
            yield name, public.deployments
        asked = {row.identity for row in self.asked_for_lists()}
        for identity in asked & self.listed.keys():
            for name in self.listed[identity]:
                if name not in self._public and (found := self._find(name, frozenset())) is not None:
                    yield name, found.deployments


def _lists(row: Deployment, name: str, listed: frozenset[str]) -> bool:
    """Whether its upstream lists the model: Ollama calls the model behind a name without a tag ``latest``."""
    return name in listed or (row.api_type == "ollama" and name + _LATEST in listed)


def _resolved(
    asked: str, name: str, rows: tuple[Deployment, ...], policy: ModelPolicy, *, pinned: bool = False
) -> Resolved:
    return Resolved(asked, name, rows, policy, pinned, _is_plain(rows, policy, pinned))


def _is_plain(rows: tuple[Deployment, ...], policy: ModelPolicy, pinned: bool) -> bool:
    if len(rows) != 1:
        return False
    (row,) = rows
    bound = row.limits is not None or row.max_concurrent is not None
    thought = policy.fallbacks or policy.hedge or policy.retries or policy.on_break != "cut"
    return not bound and not thought and (pinned or row.weight > 0)


_Group = tuple[Pattern, tuple[Deployment, ...]]


def _by_length(
    own: Mapping[str, Mapping[str, Deployment]], names: Names
) -> tuple[tuple[tuple[Pattern, ...], tuple[_Group, ...]], ...]:
    """The patterns, those with the longest fixed part first: aliases, and those of providers with their rows in use."""
    rows: dict[str, list[Deployment]] = {}
    for found in own.values():
        for key, row in found.items():
            if is_pattern(key) and row.active:
                rows.setdefault(key, []).append(row)
    served = [(Pattern(key), tuple(group)) for key, group in rows.items()]
    lengths = {pattern.fixed for pattern, _ in served} | {alias.fixed for alias in names.alias_patterns}
    return tuple(
        (
            tuple(alias for alias in names.alias_patterns if alias.fixed == length),
            tuple(group for group in served if group[0].fixed == length),
        )
        for length in sorted(lengths, reverse=True)
    )


def _fitting(rows: Iterable[Deployment], name: str) -> list[tuple[int, Deployment]]:
    """The rows of one provider in use whose patterns ``name`` fits, made for it, the longest fixed part first."""
    found = []
    for row in rows:
        if is_pattern(row.name) and row.active:
            pattern = Pattern(row.name)
            stars = pattern.stands_for(name)
            if stars is not None:
                found.append((pattern.fixed, _made(row, name, stars)))
    return sorted(found, key=lambda pair: -pair[0])


def _made(row: Deployment, name: str, found: tuple[str, ...]) -> Deployment:
    """The row of a pattern for one name."""
    return replace(row, name=name, model=filled(row.model, found))
