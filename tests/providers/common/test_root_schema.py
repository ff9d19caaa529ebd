"""Schemas of arguments as one object."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.common.root_schema import one_object
from tests.support.fuzz import fuzz

Json = dict[str, Any]
A = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
AB = {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}, "required": ["a", "b"]}
ONE = {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}, "required": ["a"]}

CASES: dict[str, tuple[Json, Json, tuple[str, ...]]] = {
    "an object": (A, A, ()),
    "no type": ({"properties": {}}, {"type": "object", "properties": {}}, ()),
    "nothing": ({}, {"type": "object"}, ()),
    "an object or nothing": ({"type": ["object", "null"]}, {"type": "object"}, ()),
    "no object": ({"type": "array"}, {"type": "array"}, ()),
    "one of two": ({"oneOf": [A, AB], "description": "d"}, {**ONE, "description": "d"}, ("oneOf",)),
    "two conditions": (
        {**AB, "required": ["a"], "anyOf": [{"required": ["b"]}, {"required": ["a"]}]},
        ONE,
        ("anyOf",),
    ),
    "all of two": ({"allOf": [A, AB]}, AB, ("allOf",)),
    "several words": ({**A, "anyOf": [AB, {}], "not": {}}, ONE, ("anyOf", "not")),
    "a choice within a choice": ({"anyOf": [A, {"oneOf": [AB, A]}]}, ONE, ("anyOf",)),
    "references": (
        {"oneOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/AB"}], "$defs": {"A": A, "AB": AB}},
        {**ONE, "$defs": {"A": A, "AB": AB}},
        ("oneOf",),
    ),
    "a reference at the root": (
        {"$ref": "#/definitions/A", "definitions": {"A": A}},
        {**A, "definitions": {"A": A}},
        (),
    ),
    "a reference to itself": ({"$ref": "#"}, {"$ref": "#"}, ()),
    "a reference to nothing": ({"$ref": "#/$defs/X"}, {"$ref": "#/$defs/X"}, ()),
    "no lists": ({"anyOf": 1, "oneOf": [1, True]}, {"type": "object", "properties": {}}, ("anyOf", "oneOf")),
}


@pytest.mark.parametrize("name", CASES)
def test_one_object(name: str) -> None:
    schema, wanted, words = CASES[name]

    assert one_object(schema) == (wanted, words)


def test_an_object_stays_the_same_one() -> None:
    assert one_object(A)[0] is A


NODES = st.recursive(
    st.none() | st.booleans() | st.text(max_size=3) | st.sampled_from(["#", "#/anyOf/0", "#/$defs/a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["anyOf", "oneOf", "allOf", "$ref", "$defs", "properties", "required", "type", "a"]
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(
    schema=st.dictionaries(st.sampled_from(["anyOf", "oneOf", "allOf", "$ref", "properties", "$defs"]), NODES)
)
@fuzz
def test_whatever_stands_there(schema: Json) -> None:
    """Nothing is raised, and nothing that combines is left."""
    found, _ = one_object(schema)

    assert not {"anyOf", "oneOf", "allOf", "not", "enum", "const"} & found.keys()
