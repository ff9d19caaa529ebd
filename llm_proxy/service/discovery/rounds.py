"""What is known of the ports after each round of questions, and the providers that follow from it.

Laws: pure; a server that has gone is kept for three rounds, since it may only be starting again; one that is busy and does
not answer in time stays as it was; a port that holds no model server is asked ever more seldom.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from llm_proxy.service.discovery.fingerprints import AtPort

#: Rounds for which a server that has gone is kept.
KEPT = 3
#: What is no model server is asked again after 1, 2, 4 ... rounds, at most so many.
_SELDOM = 32


@dataclass(frozen=True, slots=True)
class Known:
    """A port. ``at``: what was there last; ``name``: the provider, while there is one; ``missed``: rounds since it was
    seen; ``idle``: rounds in a row in which it was no model server; ``skip``: rounds until it is asked again."""

    at: AtPort
    name: str = ""
    missed: int = 0
    idle: int = 0
    skip: int = 0


def due(known: Mapping[int, Known], ports: Iterable[int]) -> list[int]:
    """The ports that this round asks."""
    return [port for port in ports if port not in known or not known[port].skip]


def after(known: Mapping[int, Known], seen: Iterable[AtPort]) -> dict[int, Known]:
    """What is known after a round that has seen ``seen``."""
    found = {port: replace(one, skip=max(0, one.skip - 1)) for port, one in known.items()}
    for at in seen:
        found[at.port] = _after(found.get(at.port), at)
    taken = {one.name for one in found.values() if one.name}
    for port in sorted(found):
        one = found[port]
        if one.at.state == "found" and one.at.kind is not None and not one.name:
            name = one.at.kind.name
            name = f"{name}-{port}" if name in taken else name
            taken.add(name)
            found[port] = replace(one, name=name)
    return found


def _after(before: Known | None, at: AtPort) -> Known:
    was_there = before is not None and before.at.state == "found"
    if at.state == "found":
        same = before is not None and was_there and before.at.kind == at.kind
        return Known(at, before.name if same and before is not None else "")
    if before is not None and was_there:
        if at.state == "silent":
            return replace(before, missed=0)
        if at.state == "nothing" and before.missed < KEPT:
            return replace(before, missed=before.missed + 1)
    if at.state == "unused" and not at.waiting:
        idle = (before.idle if before is not None else 0) + 1
        return Known(at, idle=idle, skip=min(_SELDOM, 2 ** (idle - 1)) - 1)
    return Known(at)


def providers(known: Mapping[int, Known]) -> dict[str, Any]:
    """The rows for the servers that are known, in the form of ``models-config.json``."""
    rows: dict[str, Any] = {}
    for one in known.values():
        kind = one.at.kind
        if one.at.state == "found" and kind is not None:
            host = f"http://{one.at.address}{kind.base}"
            models: dict[str, Any] = {name: {} for name in one.at.models}
            rows[one.name] = {"defaults": {"api_type": kind.api_type, "api_host": host}, **models}
    return rows
