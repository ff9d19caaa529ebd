"""A document with an object of very many members: read member by member, and after an edit again, it says what the strict reader says."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from llm_proxy.wire.json_members import Layout, Members, Unusual
from llm_proxy.wire.json_scan import JsonProblem
from llm_proxy.wire.strict_json import parse_object

_VALUES = [
    1,
    -2.5,
    "x",
    "ą",
    "😀",
    None,
    True,
    [],
    {},
    [1, [2]],
    {"a": {"b": [None]}},
    "}",
    '", "k9": {',
    "\\",
]


def told(data: bytes, before: tuple[Layout, list[tuple[str, Any]]] | None = None) -> tuple[Any, Members]:
    """The members with their values, those that are told by number taken from ``before``; and who told them."""
    members = Members(data, "keys", before[0] if before else None)
    found: list[tuple[str, Any]] = []
    for one in members:
        if isinstance(one, range):
            assert before is not None
            found += before[1][one.start : one.stop]
        else:
            found.append(one)
    return found, members


def written(chance: random.Random, rows: list[tuple[str, Any]], rest: dict[str, Any]) -> bytes:
    """As people and programs write it."""
    ascii_only = chance.random() < 0.5
    gap = chance.choice(["", " ", "\n  ", "\r\n\t"])
    lines = [
        f"{json.dumps(n, ensure_ascii=ascii_only)}{gap}: {json.dumps(v, ensure_ascii=ascii_only)}"
        for n, v in rows
    ]
    sections = [f'"{name}": {json.dumps(value)}' for name, value in rest.items()]
    sections.insert(chance.randint(0, len(sections)), f'"keys":{gap}{{{gap}{f",{gap}".join(lines)}{gap}}}')
    return (gap + "{" + ", ".join(sections) + "}" + gap).encode()


def test_edits_of_every_kind() -> None:
    """Whatever was added, changed, removed and moved, each reading after the first says what one from the beginning says."""
    for seed in range(60):
        chance = random.Random(seed)
        rows = [(f"k{n}", chance.choice(_VALUES)) for n in range(chance.choice([0, 1, 31, 32, 33, 200]))]
        fresh = len(rows)
        style = seed
        before: tuple[Layout, list[tuple[str, Any]]] | None = None
        for _ in range(6):
            rest = {name: chance.choice(_VALUES) for name in chance.sample("abc", chance.randint(0, 3))}
            if chance.random() < 0.2:
                style += 1
            data = written(random.Random(style), rows, rest)
            found, members = told(data, before)
            document = parse_object(data)
            assert found == list(document.pop("keys").items()) == rows
            assert members.rest == document
            before = members.layout, found
            for _ in range(chance.choice([0, 1, 3])):
                fresh += 1
                at = chance.randint(0, len(rows))
                kind = chance.choice(["add", "change", "remove", "move", "cut"])
                if kind == "add" or not rows:
                    rows.insert(at, (f"k{fresh}", chance.choice(_VALUES)))
                elif kind == "change":
                    rows[at - 1] = rows[at - 1][0], chance.choice(_VALUES)
                elif kind == "move":
                    rows.insert(at - 1, rows.pop(chance.randrange(len(rows))))
                else:
                    del rows[at - 1 : at + (80 if kind == "cut" else 0)]


def test_what_stands_as_it_stood_is_not_read() -> None:
    """But for the block that an edit has touched."""
    rows = [(f"k{n}", n) for n in range(1000)]
    text = json.dumps({"keys": dict(rows)}, indent=1)
    found, members = told(text.encode())
    edited = text.replace('"k500": 500', '"k500": 5000').encode()
    again = list(Members(edited, "keys", members.layout))

    assert sum(isinstance(one, tuple) for one in again) <= 32
    assert sum(len(one) for one in again if isinstance(one, range)) >= 968
    assert told(edited, (members.layout, found))[0][500] == ("k500", 5000)


def test_broken_in_every_way() -> None:
    """Bytes that are changed, cut out and put in: what the strict reader refuses is not told, before and after; what is told is what it
    says."""
    rows = [(f"k{n}", {"a": [n, "ż", {}], "b": "\\ud83d\\ude00"}) for n in range(70)]
    sound = json.dumps({"x": 1, "keys": dict(rows), "y": [2]}, indent=1).encode()
    found, members = told(sound)
    before, chance, refused = (members.layout, found), random.Random(1), 0
    for _ in range(500):
        at, width = chance.randrange(len(sound)), chance.choice([0, 1, 1, 1, 5])
        put = chance.choice(
            [
                b"",
                b"",
                b'"',
                b"{",
                b"}",
                b",",
                b"\\",
                b"\x00",
                b"\xff",
                b"NaN",
                b"\\ud800",
                b" ",
                b"1e999",
                b'"k3": 1,',
            ]
        )
        data = sound[:at] + put + sound[at + width :]
        try:
            document = parse_object(data)
        except JsonProblem:
            refused += 1
            for known in (None, before):
                with pytest.raises(Unusual):
                    told_whole(data, known)
            continue
        for known in (None, before):
            assert told_whole(data, known) == document
    assert refused > 150


def told_whole(data: bytes, before: tuple[Layout, list[tuple[str, Any]]] | None) -> dict[str, Any]:
    """The document. A name that stands twice is for who asks to see."""
    found, members = told(data, before)
    if len(dict(found)) != len(found):
        raise Unusual
    return {**members.rest, "keys": dict(found)} if members.found else members.rest


@pytest.mark.parametrize("levels", [125, 126, 127, 128, 129, 5000])
def test_depth(levels: int) -> None:
    """As deep as the strict reader takes it, and no deeper."""
    deep = b"[" * (levels - 2) + b"]" * (levels - 2)
    for data in (b'{"keys": {"a": ' + deep + b"}}", b'{"rest": {"a": ' + deep + b'}, "keys": {}}'):
        try:
            parse_object(data)
        except JsonProblem:
            with pytest.raises(Unusual):
                told(data)
        else:
            told(data)


def test_too_many_values() -> None:
    """More than may be are not told, wherever they stand."""
    with pytest.raises(Unusual):
        Members(b'{"keys": {"a": [' + b",".join([b"1"] * 200) + b"]}}", "keys", most=100)
