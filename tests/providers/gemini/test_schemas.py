"""Schemas with references on their way to Gemini: alone, or resolved, and never without end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.gemini.provider import GeminiProvider
from providers.gemini.schema import plain
from tests.support.fuzz import fuzz
from tests.support.native_kit import ask, body_of, row

PROVIDER = GeminiProvider()
Q = {"type": "string", "title": "Q"}


def refs(value: Any) -> Iterator[dict[str, Any]]:
    """Every object with a reference in ``value``."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value
        for inner in value.values():
            yield from refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from refs(inner)


def alone(value: Any) -> bool:
    """What the vendor asks for."""
    return all(key.startswith("$") for found in refs(value) for key in found)


CASES: dict[str, tuple[Any, Any]] = {
    "nothing to do": ({"type": "object"}, {"type": "object"}),
    "alone": ({"x": {"$ref": "#/$defs/Q"}}, {"x": {"$ref": "#/$defs/Q"}}),
    "a description": ({"x": {"$ref": "#/$defs/Q", "description": "d"}}, {"x": {**Q, "description": "d"}}),
    "what stands beside wins": ({"x": {"$ref": "#/$defs/Q", "title": "t"}}, {"x": {**Q, "title": "t"}}),
    "the older place": ({"x": {"$ref": "#/definitions/Q", "default": "q"}}, {"x": {**Q, "default": "q"}}),
    "in a list": (
        {"anyOf": [{"$ref": "#/$defs/Q", "description": "d"}, {"type": "null"}]},
        {"anyOf": [{**Q, "description": "d"}, {"type": "null"}]},
    ),
    "a chain": ({"x": {"$ref": "#/$defs/C", "description": "d"}}, {"x": {**Q, "description": "d"}}),
    "escaped": (
        {"x": {"$ref": "#/$defs/a~1b~0%20c", "description": "d"}},
        {"x": {"type": "integer", "description": "d"}},
    ),
    "no data": ({"x": {"const": {"$ref": "#", "y": 1}}}, {"x": {"const": {"$ref": "#", "y": 1}}}),
}
DEFS = {"Q": Q, "C": {"$ref": "#/$defs/Q"}, "a/b~ c": {"type": "integer"}}


@pytest.mark.parametrize("name", CASES)
def test_references(name: str) -> None:
    """One with anything beside it becomes what it means; any other stays."""
    given, expected = CASES[name]
    more = {"$defs": DEFS, "definitions": DEFS}
    found, lost = plain({**given, **more})

    assert ({k: v for k, v in found.items() if k not in more}, lost) == (expected, False)


LOOP = {
    "type": "object",
    "properties": {"next": {"$ref": "#/$defs/Node", "description": "more"}, "v": {"type": "string"}},
}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"x": {"$ref": "#/$defs/Node", "description": "d"}}, "$defs": {"Node": LOOP}},
        {
            "$ref": "#/$defs/A",
            "title": "t",
            "$defs": {"A": {"$ref": "#/$defs/B", "title": "a"}, "B": {"$ref": "#/$defs/A"}},
        },
        {"properties": {"self": {"$ref": "#", "description": "d"}}},
        {"x": {"$ref": "#/$defs/none", "description": "d"}},
        {"x": {"$ref": "https://elsewhere/schema", "description": "d"}},
    ],
)
def test_what_cannot_be_resolved_is_told(schema: Any) -> None:
    """Recursion ends in a reference that stands alone; one to nothing is left out."""
    found, lost = plain(schema)

    assert alone(found)
    assert lost
    assert len(json.dumps(found)) < 5000


def test_the_size_is_bounded() -> None:
    """A schema that would be four to the power of thirty."""
    defs: dict[str, Any] = {
        f"D{n}": {"properties": {k: {"$ref": f"#/$defs/D{n + 1}", "title": k} for k in "abcd"}}
        for n in range(30)
    }
    found, lost = plain({"x": {"$ref": "#/$defs/D0", "title": "x"}, "$defs": {**defs, "D30": Q}})

    assert alone(found)
    assert lost
    assert len(json.dumps(found)) < 500_000


@fuzz
@given(
    st.recursive(
        st.sampled_from([{"$ref": "#/a"}, {"$ref": "#/b", "x": 1}, {"$ref": "#", "x": 1}, 1, "s", None]),
        lambda inner: (
            st.dictionaries(st.sampled_from("abx"), inner, max_size=3) | st.lists(inner, max_size=3)
        ),
        max_leaves=12,
    )
)
def test_any_references(schema: Any) -> None:
    """Whatever points to whatever: it ends, and no reference has company."""
    assert alone(plain(schema)[0])


def test_a_client_may_nest_deeply() -> None:
    """What no recursion could follow is left as it is."""
    deep: Any = {"type": "string"}
    for _ in range(20_000):
        deep = {"items": deep}

    assert plain(deep)[0] is deep


def test_in_requests() -> None:
    """Tools and answers alike; what is lost is named."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"q": {"$ref": "#/$defs/Q", "description": "d"}},
        "$defs": {"Q": Q},
    }
    loop = {"properties": {"n": {"$ref": "#", "description": "d"}}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": given}} for given in (schema, loop)]
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    call = PROVIDER.chat_call(ask(tools=tools, response_format=wanted), row("gemini", "gemini-3-pro"))
    body = body_of(call)

    assert alone(body)
    assert body["generationConfig"]["responseJsonSchema"]["properties"]["q"] == {**Q, "description": "d"}
    assert call.dropped == ("tools.1.function.parameters (what a $ref cannot tell)",)
    assert schema["properties"]["q"] == {"$ref": "#/$defs/Q", "description": "d"}
