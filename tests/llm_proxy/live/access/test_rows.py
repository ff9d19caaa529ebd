"""A file of very many keys, read row by row and after an edit again: it says what reading the whole document says, problems too."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from llm_proxy.live.access import loader, rows
from llm_proxy.live.access.fields import Key
from llm_proxy.live.access.loader import is_whole, load_access
from llm_proxy.live.access.values import Access
from llm_proxy.live.access.words import changes
from llm_proxy.live.config.report import ConfigError

_SOUND: list[dict[str, Any]] = [
    {},
    {"limits": {"rpm": 60, "tpd": {"limit": 1000, "burst": 10}}},
    {"team": "t1", "models": ["gpt-*"], "budgets": ["b0"]},
    {"team": "t0", "expires": "2027-01-31", "metadata": {"who": "Żółć 😀"}},
    {"$comment": "hers", "priority": "bulk", "active": False, "admin": "read", "passthrough": True},
    {"active": True, "team": None, "limits": None},
]
_UNSOUND: list[Any] = [
    {"team": "nobody"},
    {"budgets": ["none"]},
    {"rpm": 1},
    {"limits": {"rpm": 1.0}},
    {"active": 1},
    {"hash": "sha256:short"},
    {"hash": []},
    None,
    [],
]


def digest(chance: random.Random) -> str:
    return f"sha256:{chance.getrandbits(256):064x}"


def row(chance: random.Random, unsound: float) -> Any:
    if chance.random() < unsound:
        given = chance.choice(_UNSOUND)
        return {"hash": digest(chance), **given} if isinstance(given, dict) else given
    found = digest(chance) if chance.random() < 0.8 else [digest(chance), digest(chance)]
    return {"hash": found, **chance.choice(_SOUND)}


def edited(chance: random.Random, document: dict[str, Any], unsound: float) -> None:
    """One of the things that people do."""
    keys: dict[str, Any] = document["keys"]
    names = list(keys) or ["none"]
    name = chance.choice(names)
    match chance.randrange(10):
        case 0 | 1:
            keys[f"k{chance.getrandbits(40)}"] = row(chance, unsound)
        case 2 | 3:
            keys[name] = row(chance, unsound)
        case 4:
            keys.pop(name, None)
        case 5:
            keys[f"$comment{chance.getrandbits(8)}"] = {"any": ["thing"]}
        case 6:  # the same hash twice, perhaps far apart
            if isinstance(keys.get(name), dict) and chance.random() < 10 * unsound:
                keys[f"k{chance.getrandbits(40)}"] = {"hash": keys[name].get("hash")}
        case 7:  # two hashes in the other order
            if isinstance(keys.get(name), dict) and isinstance(keys[name].get("hash"), list):
                keys[name]["hash"].reverse()
        case 8:
            document["budgets"] = {"b0": {"usd": chance.randint(1, 9), "per": "day"}}
            document["teams"] = {"t0": {}, "t1": {}, "t2": {}}
            if chance.random() < unsound:
                del document["teams"]["t1"]
        case 9:
            at = chance.randrange(len(names))
            items = list(keys.items())
            document["keys"] = dict(items[at:] + items[:at])


def whole(data: bytes) -> Access | str:
    try:
        return loader._whole(data, "access.json")
    except ConfigError as error:
        return str(error)


def again(data: bytes, before: Access | None) -> Access | str:
    try:
        return load_access(data, "access.json", before)
    except ConfigError as error:
        return str(error)


@pytest.mark.parametrize("unsound", [0.0, 0.02])
def test_reading_again_says_the_same(unsound: float) -> None:
    """After any edits: the same keys in the same order, or the same problems at the same places; and the same words for the edit."""
    for seed in range(24):
        chance = random.Random(seed)
        keys = {f"k{n}": row(chance, 0) for n in range(chance.choice([0, 3, 40, 150]))}
        document = {"teams": {"t0": {}, "t1": {}}, "keys": keys, "budgets": {"b0": {"usd": 1, "per": "day"}}}
        before: Access | None = None
        plain: Access | None = None
        for _ in range(6):
            indent = None if seed % 2 else 1
            data = json.dumps(document, indent=indent, ensure_ascii=bool(seed % 3)).encode()
            found, expected = again(data, before), whole(data)
            assert found == expected
            assert again(data, None) == expected
            if isinstance(found, Access) and isinstance(expected, Access):
                assert list(found.keys.items()) == list(expected.keys.items())
                if before is not None:
                    assert list(changes(before, found)) == list(changes(plain, expected))
                before, plain = found, expected
            for _ in range(chance.choice([0, 1, 2])):
                edited(chance, document, unsound)


def test_a_name_or_a_hash_that_stands_twice() -> None:
    """Far from each other, one in what was read and one in what was not: told as ever."""
    chance = random.Random(1)
    keys = {f"k{n}": row(chance, 0) for n in range(200)}
    text = json.dumps(
        {"keys": keys, "teams": {"t0": {}, "t1": {}}, "budgets": {"b0": {"usd": 1, "per": "day"}}}, indent=1
    )
    before = load_access(text.encode(), "access.json")
    first = json.dumps(keys["k0"])
    for more in (
        f'"k0": {{"hash": "{digest(chance)}"}}',
        f'"new": {first}',
        '"$comment1": 1, "$comment1": 2',
    ):
        for place in ('"keys": {', '"k150":'):
            data = text.replace(
                place, f"{place} {more}," if place[-1] == "{" else f"{more}, {place}"
            ).encode()
            assert again(data, before) == whole(data)
            assert isinstance(again(data, before), str)


def test_only_what_an_edit_touches_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of five thousand rows those of a block; the others are the same objects afterwards."""
    keys = {f"key-{n}": {"hash": f"sha256:{n:064x}", "limits": {"rpm": 100 + n}} for n in range(5000)}
    before = load_access(json.dumps({"keys": keys}, indent=1).encode(), "access.json")
    judged: list[object] = []
    plain = Key.model_validate

    def judge(row: Any) -> Key:
        judged.append(row)
        return plain(row)

    monkeypatch.setattr(Key, "model_validate", judge)
    keys["key-2500"]["limits"] = {"rpm": 7}
    keys["new"] = {"hash": "sha256:" + "ab" * 32}
    del keys["key-17"]
    after = load_access(json.dumps({"keys": keys}, indent=1).encode(), "access.json", before)

    assert len(judged) < 110
    assert sum(before.keys.get(digest) is row for digest, row in after.keys.items()) > 4990
    assert list(changes(before, after)) == [
        "key key-17 removed",
        "key key-2500: limits.rpm 2600 -> 7",
        "key new added",
    ]


def test_rows_that_say_the_same_are_one_object() -> None:
    """Whoever wrote them: terms cost as much as there are different ones."""
    keys = {f"key-{n}": {"hash": f"sha256:{n:064x}", "limits": {"rpm": 100 + n % 3}} for n in range(1000)}
    found = load_access(json.dumps({"keys": keys}).encode(), "access.json")

    assert len({id(terms) for _, terms in found.keys.values()}) == 3


def test_a_file_that_is_being_written_is_not_whole() -> None:
    """At any place where it may end; with or without what was read before."""
    chance = random.Random(2)
    keys = {f"k{n}": row(chance, 0) for n in range(100)}
    data = json.dumps({"keys": keys, "teams": {}}, indent=1).encode()
    before = load_access(json.dumps({"keys": {"a": {"hash": digest(chance)}}}).encode(), "x")
    for known in (None, before):
        assert is_whole(data, known)
        assert is_whole(b'{"a": 1, "a": NaN}', known)  # wrong, but nobody is writing it
        assert not any(is_whole(data[:end], known) for end in range(0, len(data) - 1, 97))


def test_so_many_ways_to_write_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of rows is bounded, and is not missed."""
    monkeypatch.setattr(rows, "_REMEMBERED", 4)
    keys = {f"key-{n}": {"hash": f"sha256:{n:064x}", "limits": {"rpm": 1 + n % 9}} for n in range(100)}
    data = json.dumps({"keys": keys}).encode()

    assert load_access(data, "x") == whole(data)
