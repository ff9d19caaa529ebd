"""Which deployments a name means, beside a reference that is slow and obvious."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from llm_proxy.live.config.catalog import Catalog, Listed
from llm_proxy.live.config.loader import ConfigError
from llm_proxy.live.config.patterns import Pattern, filled
from llm_proxy.wire.calls import NOTHING, Deployment
from tests.support.config_kit import load

HOST = {"api_type": "openai", "api_host": "http://a.example/v1"}


def catalog(document: dict[str, Any], listed: Listed = NOTHING) -> Catalog:
    """Of providers that need no host of their own."""
    full = {
        name: value if name.startswith("$") else {"defaults": {**HOST}, **value}
        for name, value in document.items()
    }
    config = load(full)
    return Catalog.of(config.deployments, config.names, listed)


def means(found: Catalog, name: str) -> list[tuple[str, str]]:
    """The providers and the upstream's names."""
    resolved = found.resolve(name)
    return [] if resolved is None else [(row.provider, row.model) for row in resolved.deployments]


def identity(provider: str) -> str:
    return Deployment(provider, "", HOST["api_type"], HOST["api_host"], "").identity


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        ("*", "a", ("a",)),
        ("*", "", ("",)),
        ("gpt-*", "gpt-4o", ("4o",)),
        ("gpt-*", "gpt-", ("",)),
        ("gpt-*", "gpt", None),
        ("gpt-*", "xgpt-4", None),
        ("*-mini", "gpt-4o-mini", ("gpt-4o",)),
        ("a*a", "a", None),
        ("a*a", "aa", ("",)),
        ("*a*", "banana", ("b", "nana")),
        ("a*b*c", "abcbc", ("", "cb")),
        ("**", "xy", ("", "xy")),
        ("a.c*", "abc", None),
        ("x*yx*y", "xyxy", ("", "")),
        ("x*yx*yx*y", "xyxyxy", ("", "", "")),
    ],
)
def test_patterns(pattern: str, name: str, found: tuple[str, ...] | None) -> None:
    """A ``*`` is any characters, none too; the earlier ones take as few as they can; nothing else is special."""
    assert Pattern(pattern).stands_for(name) == found
    if found is not None:
        assert filled(pattern, found) == name


def test_patterns_like_a_regular_expression() -> None:
    """What fits is what a regular expression says that it is, for thousands of short texts."""
    chance = random.Random(12)
    for _ in range(5000):
        pattern = "".join(chance.choices("ab*", k=chance.randint(0, 5))) + chance.choice("ab**")
        if "*" not in pattern:
            continue
        name = "".join(chance.choices("ab", k=chance.randint(0, 8)))
        expression = "".join(".*?" if c == "*" else c for c in pattern)
        found = Pattern(pattern).stands_for(name)
        assert (found is not None) == (re.fullmatch(expression, name) is not None), (pattern, name)
        if found is not None:
            assert filled(pattern, found) == name


def test_a_long_name_is_no_work() -> None:
    """A name that nearly fits a pattern of many stars, of the longest that is looked at, costs no more than its length."""
    found = catalog({"p": {"*a" * 100 + "*b": {}}})

    assert means(found, "a" * 256) == []
    assert means(found, "a" * 100_000) == []


def test_the_order_of_the_ways() -> None:
    """An exact name is found before an alias, that before provider/model, that before a pattern."""
    found = catalog(
        {
            "$models": {"fast": {"alias": "small"}, "p/other": {"alias": "small"}},
            "p": {"small": {}, "p/small": {}, "other": {}, "*": {}},
            "q": {"gpt-*": {"model": "azure-*"}, "gpt-4": {"active": False}, "canary": {"weight": 0}},
        }
    )

    assert means(found, "small") == [("p", "small")]
    assert means(found, "p/small") == [("p", "p/small")]
    assert means(found, "fast") == [("p", "small")]
    assert means(found, "p/other") == [("p", "small")]
    assert means(found, "q/gpt-5") == [("q", "azure-5")]
    assert means(found, "q/canary") == [("q", "canary")]
    assert means(found, "gpt-5") == [("q", "azure-5")]
    assert means(found, "q/nothing") == [("p", "q/nothing")]
    assert means(found, "anything") == [("p", "anything")]
    assert means(found, "gpt-4") == []  # out of use: no pattern stands in for it
    assert means(found, "q/gpt-4") == [("p", "q/gpt-4")]
    assert set(found.names) == {"small", "p/small", "other", "canary", "fast", "p/other"}


def test_what_is_resolved() -> None:
    """Answers know the asked name, the public name behind it, and whether the provider was chosen."""
    found = catalog(
        {
            "$models": {
                "fast": {"alias": "faster"},
                "faster": {"alias": "small"},
                "claude-*": {"alias": "small"},
                "small": {"retries": 3, "fallbacks": ["big"]},
            },
            "p": {"small": {}, "big": {}},
        }
    )

    for asked in ("small", "fast", "faster", "claude-4"):
        resolved = found.resolve(asked)
        assert resolved is not None
        assert (resolved.asked, resolved.name, resolved.pinned) == (asked, "small", False)
        assert resolved.policy.retries == 3
        assert not resolved.plain
    pinned = found.resolve("p/small")
    assert pinned is not None
    assert pinned.pinned
    assert pinned.policy.fallbacks == ()
    assert pinned.policy.retries == 3
    big = found.resolve("big")
    assert big is not None
    assert big.plain
    assert "claude-4" not in found.names
    assert "fast" in found.names


@pytest.mark.parametrize(
    ("row", "names", "plain"),
    [
        ({}, {}, True),
        ({"weight": 0}, {}, False),
        ({"max_concurrent": 2}, {}, False),
        ({"limits": {"rpm": 5}}, {}, False),
        ({"limits": {}}, {}, True),
        ({"order": 3, "load": "none", "prefill": True}, {}, True),
        ({}, {"retries": 0, "affinity": "off", "queue": None}, True),
        ({}, {"retries": 1}, False),
        ({}, {"fallbacks": ["other"]}, False),
        ({}, {"hedge": {"after": 1}}, False),
        ({}, {"on_break": "continue"}, False),
    ],
)
def test_plain(row: dict[str, Any], names: dict[str, Any], plain: bool) -> None:
    """One upstream and nothing configured that needs a thought: then nothing is thought about."""
    resolved = catalog({"$models": {"m": names}, "p": {"m": row, "other": {}}}).resolve("m")

    assert resolved is not None
    assert resolved.plain is plain


def test_ties() -> None:
    """Of patterns that are equally long, those count whose upstream lists the name; if none does, all."""
    document: dict[str, Any] = {"p": {"*": {}}, "q": {"*": {}}, "r": {"a*": {}}, "s": {"*b": {}}}
    listed = {identity("p"): frozenset({"one"}), identity("q"): frozenset({"two", "a-thing"})}
    found = catalog(document, listed)

    assert means(found, "one") == [("p", "one")]
    assert means(found, "two") == [("q", "two")]
    assert means(found, "three") == [("p", "three"), ("q", "three")]
    assert means(found, "a-thing") == [("r", "a-thing")]
    assert means(found, "ab") == [("r", "ab"), ("s", "ab")]
    assert set(found.names) == {"one", "two", "a-thing"}


def test_ties_and_ollamas_tags() -> None:
    """Ollama lists ``llama:latest`` for what clients call ``llama``; another upstream's colon is part of a name."""
    document = {
        "p": {"*": {}},
        "q": {"defaults": {"api_type": "ollama", "api_host": "http://q.example"}, "*": {}},
    }
    ollama = Deployment("q", "", "ollama", "http://q.example", "").identity
    names = frozenset({"llama:latest", "org/qwen:8b"})
    found = catalog(document, {ollama: names, identity("p"): frozenset({"mine:latest"})})

    assert means(found, "llama") == [("q", "llama")]
    assert means(found, "llama:latest") == [("q", "llama:latest")]
    assert means(found, "mine") == [("p", "mine"), ("q", "mine")]
    assert means(found, "org/qwen") == [("p", "org/qwen"), ("q", "org/qwen")]


@pytest.mark.parametrize(
    "name", ["", " a", "a ", "a\nb", "a\0", "\ud800", "..", "a/../b", "./a", "x" * 257, "é́".ljust(300)]
)
def test_what_cannot_be_a_name(name: str) -> None:
    """No pattern serves what no model can be called: it would reach headers, logs and the paths of upstream calls."""
    assert catalog({"p": {"*": {}}}).resolve(name) is None


def test_memory_is_bounded() -> None:
    """Names that clients make up are not remembered without bound."""
    found = catalog({"p": {"*": {}}})
    for number in range(5000):
        assert means(found, f"m{number}") == [("p", f"m{number}")]

    assert len(found._found) <= 1000
    assert found.resolve("m4999") is found.resolve("m4999")


# --- beside the reference ---------------------------------------------------------------------------------------------


def slow(
    document: dict[str, Any], listed: Listed, name: str, seen: tuple[str, ...] = ()
) -> set[tuple[str, str]]:
    """The documentation, word for word."""
    providers = {key: value for key, value in document.items() if not key.startswith("$")}
    aliases = {key: row["alias"] for key, row in document["$models"].items() if "alias" in row}

    def like(pattern: str, text: str) -> bool:
        return "*" in pattern and re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text) is not None

    def length(pattern: str) -> int:
        return len(pattern.replace("*", ""))

    def active(provider: str, key: str) -> bool:
        return bool(providers[provider][key].get("active", True))

    exact = [p for p in providers if name in providers[p] and "*" not in name]
    if any(active(p, name) for p in exact):
        return {(p, name) for p in exact if active(p, name)}
    if name in aliases and "*" not in name:
        return set() if name in seen else slow(document, listed, aliases[name], (*seen, name))
    if exact:
        return set()
    provider, _, model = name.partition("/")
    if provider in providers and model:
        rows = providers[provider]
        if model in rows and "*" not in model:
            if active(provider, model):
                return {(provider, model)}
        elif any(like(key, model) and active(provider, key) for key in rows):
            return {(provider, model)}
    fits = [(length(key), p) for p in providers for key in providers[p] if like(key, name) and active(p, key)]
    fits += [(length(key), "") for key in aliases if like(key, name)]
    if not fits:
        return set()
    longest = max(size for size, _ in fits)
    best = [p for size, p in fits if size == longest]
    if "" in best:
        key = min(key for key in aliases if like(key, name) and length(key) == longest)
        return set() if key in seen else slow(document, listed, aliases[key], (*seen, key))
    having = [p for p in best if name in listed.get(identity(p), ())]
    return {(p, name) for p in having or best}


def test_like_the_reference() -> None:
    """For thousands of small configurations the catalog means what the slow reading of the documentation means."""
    chance = random.Random(2026)
    keys = ["a", "b", "ab", "a*", "*b", "*", "a*b", "p/a", "q/b"]
    asked = [
        *keys[:3],
        "p/a",
        "q/b",
        "p/b",
        "p/ab",
        "q/q/b",
        "x",
        "ax",
        "xb",
        "axb",
        "p/",
        "/a",
        "z",
        "y",
        "aa",
    ]
    compared = 0
    for _ in range(200):
        document: dict[str, Any] = {
            provider: {
                key: chance.choice([{}, {}, {"active": False}])
                for key in chance.sample(keys, chance.randint(1, 4))
            }
            for provider in ("p", "q")
        }
        served = {key for rows in document.values() for key in rows}
        free = [key for key in ("z", "y", "a*", "x*") if key not in served or "*" in key]
        targets = [*sorted(key for key in served if "*" not in key), "z", "y", "p/a"]
        names = {key: {"alias": chance.choice(targets)} for key in chance.sample(free, 2)}
        document["$models"] = names
        listed = {
            identity(provider): frozenset(chance.sample(["a", "x", "ax", "xb"], 2)) for provider in ("p", "q")
        }
        full = {
            key: value if key == "$models" else {"defaults": HOST, **value} for key, value in document.items()
        }
        try:
            config = load(full)
        except ConfigError:  # an alias that means nothing, or itself
            continue
        found = Catalog.of(config.deployments, config.names, listed)
        for name in asked:
            resolved = found.resolve(name)
            mine = {(row.provider, row.model) for row in resolved.deployments} if resolved else set()
            assert mine == slow(document, listed, name), (document, name)
            compared += 1
    assert compared > 1000
