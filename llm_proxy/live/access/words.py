"""``access.json`` and its edits in words, for the log, for ``check --against`` and for whoever audits.

Laws: pure; a hash is never told: ``hide`` makes of it what may be seen. Which fields there are follows from the values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal

from llm_proxy.live.access.values import Access, Budget, Limit, Models, Price, Team, Terms
from llm_proxy.wire.json_scan import shown

#: What is told of one thing: its fields, as texts; those that are not set are not there.
Told = dict[str, str]
Hide = Callable[[bytes], str]
_HASH = "hash"


def rows_of(access: Access) -> dict[str, tuple[tuple[bytes, ...], Terms]]:
    """The keys by name: their digests and terms."""
    found: dict[str, tuple[tuple[bytes, ...], Terms]] = {}
    for digest, (name, terms) in access.keys.items():
        before = found.get(name)
        found[name] = ((*before[0], digest) if before else (digest,), terms)
    return found


def _rows_named(access: Access, names: set[str]) -> dict[str, tuple[tuple[bytes, ...], Terms]]:
    """Those of ``rows_of`` that have one of these names."""
    found = {digest: row for digest, row in access.keys.items() if row[0] in names}
    return rows_of(Access(found))


def _different(old: Access, new: Access) -> set[str]:
    """The names of keys that are not the same in both; rows that an edit has left alone are the same objects (``rows``)."""
    found = {row[0] for digest, row in new.keys.items() if old.keys.get(digest) is not row}
    found.update(row[0] for digest, row in old.keys.items() if new.keys.get(digest) is not row)
    return found


def told(access: Access | None, hide: Hide) -> dict[str, Told]:
    """Everything in the file, by ``key alice``, ``team research``, ..."""
    if access is None:
        return {}
    keys = {f"key {shown(name)}": _key(*row, hide) for name, row in rows_of(access).items()}
    return keys | _others(access)


def changes(old: Access | None, new: Access | None) -> Iterator[str]:
    """What an edit did, a sentence for each thing that was added, removed or changed."""
    if old is None or new is None:
        if old is not new:
            yield (
                "access: keys are asked for now" if old is None else "access: no keys are asked for any more"
            )
        return
    names = _different(old, new)
    before, after = _rows_named(old, names), _rows_named(new, names)
    digests: dict[bytes, str] = {}

    def hide(digest: bytes) -> str:
        """Two of them differ, or not; nobody sees more of it."""
        return digests.setdefault(digest, str(len(digests)))

    yield from differences(
        {f"key {shown(name)}": _key(*row, hide) for name, row in before.items() if row != after.get(name)},
        {f"key {shown(name)}": _key(*row, hide) for name, row in after.items() if row != before.get(name)},
    )
    yield from differences(_others(old), _others(new))


def differences(old: Mapping[str, Told], new: Mapping[str, Told]) -> Iterator[str]:
    """The same of two files that were told."""
    renamed = _renamed(old, new)
    gone = set(renamed.values())
    for label in sorted(old.keys() | new.keys()):
        if label in renamed:
            before = renamed[label]
            said = [f"was {before}", *_changed(old[before], new[label])]
            yield f"{label}: {', '.join(said)}"
        elif label not in old:
            has = [f"{field} {value}" for field, value in sorted(new[label].items()) if field != _HASH]
            yield f"{label} added{': ' if has else ''}{', '.join(has)}"
        elif label not in new:
            if label not in gone:
                yield f"{label} removed"
        elif said := list(_changed(old[label], new[label])):
            yield f"{label}: {', '.join(said)}"


def _renamed(old: Mapping[str, Told], new: Mapping[str, Told]) -> dict[str, str]:
    """What has the hash of a key that is gone, and its label before."""
    gone = {hashes: label for label, told in old.items() if label not in new and (hashes := told.get(_HASH))}
    found = {label: gone.get(told.get(_HASH, "")) for label, told in new.items() if label not in old}
    return {label: before for label, before in found.items() if before}


def _changed(old: Told, new: Told) -> Iterator[str]:
    for field in sorted(old.keys() | new.keys()):
        before, after = old.get(field), new.get(field)
        if before == after:
            continue
        if field == _HASH:
            yield "hash changed"
        else:
            usual = _USUAL.get(field, "unset")
            yield f"{field} {before or usual} -> {after or usual}"


#: What holds where a field is not set.
_USUAL = {
    "active": "true",
    "expires": "never",
    "models": "all",
    "passthrough": "false",
    "priority": "default",
    "scope": "shared",
    "unpriced": "deny",
    "zone": "UTC",
}


def _several(texts: Iterable[str]) -> str:
    """Names may hold any sign but words around them."""
    return " and ".join(texts)


def _key(digests: tuple[bytes, ...], terms: Terms, hide: Hide) -> Told:
    facts = {
        _HASH: " ".join(map(hide, digests)),
        "team": shown(terms.team),
        "expires": terms.expires_text,
        "priority": terms.priority if terms.priority != "default" else "",
        "active": "" if terms.active else "false",
        "admin": terms.admin,
        "passthrough": "true" if terms.passthrough else "",
        "metadata": _several(f"{shown(name)}={shown(value)}" for name, value in terms.metadata),
    }
    return _set(facts | _common(terms.models, terms.limits, terms.budgets))


def _common(models: Models, limits: tuple[Limit, ...], budgets: tuple[str, ...]) -> Told:
    listed = "" if models is None else _several(map(shown, models)) or "none"
    return {"models": listed, "budget": _several(map(shown, budgets)), **_limits(limits)}


def _limits(limits: tuple[Limit, ...]) -> Told:
    return {
        f"limits.{one.kind}": f"{one.limit}" if one.burst == one.limit else f"{one.limit} (burst {one.burst})"
        for one in limits
    }


def _others(access: Access) -> dict[str, Told]:
    teams = {f"team {shown(name)}": _team(team) for name, team in access.teams.items()}
    models = {
        f"limits of model {shown(name)}": _set(_limits(limits)) for name, limits in access.models.items()
    }
    budgets = {f"budget {shown(name)}": _budget(budget) for name, budget in access.budgets.items()}
    prices = {f"price of {shown(name)}": _price(price) for name, price in access.prices.items()}
    return teams | models | budgets | prices


def _team(team: Team) -> Told:
    common = _common(team.models, team.limits, team.budgets)
    return _set({**common, "passthrough": "true" if team.passthrough else ""})


def _budget(budget: Budget) -> Told:
    facts = {
        "usd": _number(budget.limit / 1_000_000),
        "per": budget.per,
        "zone": budget.zone if budget.zone != "UTC" else "",
        "warn": _several(map(_number, budget.warn)),
        "scope": "each" if budget.each else "",
        "unpriced": "free" if budget.unpriced == "free" else "",
    }
    return _set(facts)


def _price(price: Price) -> Told:
    names = ("input", "output", "cache_read", "cache_write")
    return {name: _number(getattr(price, name)) for name in names if getattr(price, name) is not None}


def _number(value: float) -> str:
    """All its digits, or an edit of the last one would not be told."""
    return f"{Decimal(repr(value)):f}".removesuffix(".0")


def _set(facts: Told) -> Told:
    return {name: value for name, value in facts.items() if value}
