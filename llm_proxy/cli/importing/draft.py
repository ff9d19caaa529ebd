"""What becomes of a source: the configuration and the keys that are made of it, and a line of the report for each of its fields.

Laws: every leaf of the source ends in the report; what no reader has spoken of is ``not supported``. No value of the source is in the
report but names of models, fields and variables, so that no key can be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from llm_proxy.cli.importing.upstreams import Upstream, defaults_of
from llm_proxy.live.config import checks

Place = tuple[str | int, ...]
Fate = Literal["taken", "changed", "not supported"]


@dataclass(frozen=True, slots=True)
class Line:
    """``words``: what was made of it, or why nothing was; empty where it is the same here."""

    fate: Fate
    place: Place
    words: str = ""


@dataclass(slots=True)
class Draft:
    """Filled by the reader of a source. ``variables``: those that must be set before a start, and what for. ``advice``: whole sentences."""

    providers: dict[str, dict[str, Any]] = field(default_factory=dict)
    names: dict[str, dict[str, Any]] = field(default_factory=dict)
    access: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    advice: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    #: Digests of the keys that were met, by the variable that stands for each: the same key is one variable, another key another one.
    met: dict[str, bytes] = field(default_factory=dict, repr=False)
    _made: dict[str, Upstream] = field(default_factory=dict)

    def taken(self, *place: str | int) -> None:
        """The same here."""
        self.lines.append(Line("taken", place))

    def changed(self, words: str, *place: str | int) -> None:
        """Said in other words here, or done in another way."""
        self.lines.append(Line("changed", place, words))

    def lost(self, why: str, *place: str | int) -> None:
        """Nothing here does it."""
        self.lines.append(Line("not supported", place, why))

    def row(self, upstream: Upstream, public: str, fields: Mapping[str, Any]) -> str:
        """Another upstream for ``public``; the name of its provider. Rows with the same upstream share one."""
        number = 1
        while True:
            name = upstream.name if number == 1 else f"{upstream.name}-{number}"
            if name not in self.providers:
                self._made[name] = upstream
                self.providers[name] = {"defaults": defaults_of(upstream, name)}
            if self._made[name] == upstream and public not in self.providers[name]:
                self.providers[name][public] = dict(fields)
                return name
            number += 1

    @property
    def models(self) -> set[str]:
        """The public names."""
        return {name for rows in self.providers.values() for name in rows if name != "defaults"}

    def serves(self, name: str) -> bool:
        """Whether that is a model, another name for one, or a name that fits a pattern."""
        models = self.models
        if name in models or "alias" in self.names.get(name, {}):
            return True
        patterns = (re.escape(one).replace(r"\*", ".*") for one in models if "*" in one)
        return "*" not in name and any(re.fullmatch(pattern, name) for pattern in patterns)

    def said(self, name: str, **fields: Any) -> None:
        """What holds for a public name, whoever serves it."""
        self.names.setdefault(name, {}).update(fields)

    def alias(self, name: str, model: str) -> str:
        """Another name for a model; why that cannot be, if it cannot."""
        if not is_name(name) or not is_name(model) or name == "*":
            return "is no name that a model can have here"
        if name in self.models:
            return "a model has that name already, and is asked for by it"
        if not self.serves(model):
            return "nothing that was imported serves that model"
        self.names[name] = {"alias": model}
        return ""

    def config(self, comment: str) -> dict[str, Any]:
        """As ``models-config.json`` holds it."""
        names = {"$models": dict(self.names)} if self.names else {}
        providers = {
            name: {key: value for key, value in rows.items() if key != "defaults" or value}
            for name, rows in self.providers.items()
        }
        return {"$comment": comment, **names, **providers}

    def finish(self, source: Any) -> None:
        """Put down every leaf of ``source`` that nobody has spoken of, and what access.json is for."""
        spoken = {line.place for line in self.lines}
        spoken |= {place[:length] for place in spoken for length in range(1, len(place))}
        told = {line.place for line in self.lines}
        for place in leaves(source):
            if place not in spoken and not any(place[:length] in told for length in range(1, len(place))):
                self.lost("nothing here corresponds to it", *place)
        if self.access.keys() == {"prices"}:  # that file alone would close the gateway to whoever has no key
            self.access.clear()
            words = "prices stand in access.json, which is made where there are keys or budgets"
            self.lines = [
                Line("not supported", line.place, words) if "price of access.json" in line.words else line
                for line in self.lines
            ]
        elif self.access and "keys" not in self.access:
            self.advice.append(
                "With access.json every request needs a key: llm-proxy key new NAME --access access.json --write."
            )


def leaves(value: Any, place: Place = ()) -> Iterator[Place]:
    """The place of everything that holds nothing further."""
    inner: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, Mapping):
        inner = iter((str(key), member) for key, member in value.items())
    elif isinstance(value, list):
        inner = iter(enumerate(value))
    found = False
    for key, member in inner:
        found = True
        yield from leaves(member, (*place, key))
    if not found and place:
        yield place


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is one, else an empty one: sources hold anything."""
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> list[Any]:
    """The same for lists."""
    return value if isinstance(value, list) else []


def stars_fit(public: str, model: str) -> bool:
    """Whether an upstream can be asked for ``model`` where a client asks for ``public``: each star stands for the same text."""
    return "*" not in model or model.count("*") == public.count("*")


def is_name(text: Any) -> bool:
    """Whether the configuration takes it as the name of a model."""
    try:
        return isinstance(text, str) and bool(checks.name(text)) and text != "defaults" and text[0] != "$"
    except ValueError:
        return False
