"""Schemas within Anthropic's subset, against the vendor's own client; limits of models, and what they refuse."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from anthropic import transform_schema
from pydantic import BaseModel, Field

from providers.anthropic.models import known_limit, samples, thinks
from providers.anthropic.provider import AnthropicProvider
from providers.anthropic.schema import transformed
from tests.support.native_kit import ask, body_of, row

INTEGER: Any = {"type": "integer", "minimum": 0, "description": "d"}


class Inner(BaseModel):
    """An inner object."""

    name: str = Field(min_length=1, pattern="^a")
    tags: list[str] = Field(min_length=2, max_length=9)
    when: str | None = Field(default=None, json_schema_extra={"format": "date"})


class Outer(BaseModel):
    """An outer one."""

    count: int = Field(ge=0, le=9)
    inner: Inner
    others: list[Inner] | None


@pytest.mark.parametrize(
    "schema",
    [
        INTEGER,
        {"type": "object", "properties": {"n": INTEGER}, "required": ["n"]},
        {"type": "object", "additionalProperties": False, "properties": {}},
        {"type": "array", "items": {"type": "string", "maxLength": 3}, "minItems": 1},
        {"type": "array", "items": INTEGER, "minItems": 2, "uniqueItems": True},
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "color"},
        {"enum": ["a", "b"]},
        {"const": 1},
        {"oneOf": [INTEGER, {"type": "null"}]},
        {"allOf": [INTEGER]},
        {"$ref": "#/$defs/x", "$defs": {"x": INTEGER}},
    ],
)
def test_it_is_what_the_vendors_client_makes(schema: Any) -> None:
    """Keyword by keyword, and nothing of the client's own object is changed."""
    given = copy.deepcopy(schema)
    found, moved = transformed(schema)
    theirs = transform_schema(copy.deepcopy(schema))

    assert schema == given
    assert _silent(found) == _silent(theirs)
    assert bool(moved) == any(
        word in str(theirs) for word in ("{minimum", "{maxLength", "{minItems", "{format")
    )


def _silent(schema: Any) -> Any:
    """Without the words in which moved keywords are told: they may differ."""
    if isinstance(schema, list):
        return [_silent(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _silent(inner) for name, inner in schema.items() if name != "description"}


def test_models_of_pydantic() -> None:
    """What their schemas hold beyond the subset is told in descriptions, and named."""
    found, moved = transformed(Outer.model_json_schema())

    assert set(moved) == {"minimum", "maximum", "minLength", "pattern", "minItems", "maxItems", "format"}
    assert found["additionalProperties"] is False
    assert found["$defs"]["Inner"]["additionalProperties"] is False
    assert found["properties"]["count"] == {
        "type": "integer",
        "title": "Count",
        "description": "{maximum: 9, minimum: 0}",
    }


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": ["string", "null"], "description": "d", "minLength": 1}, ["string", "null"]),
        ({"type": ["object", "null"], "properties": {"a": INTEGER}}, ["object", "null"]),
    ],
)
def test_several_types(schema: Any, expected: list[str]) -> None:
    """OpenAI's strict schemas write so what may be missing: one of several schemas here."""
    found, _ = transformed(schema)

    assert [inner["type"] for inner in found["anyOf"]] == expected
    assert "type" not in found


@pytest.mark.parametrize(
    "schema", [True, [], "x", {}, {"type": []}, {"anyOf": 1, "properties": 2}, {"$defs": 1}]
)
def test_whatever_stands_there(schema: Any) -> None:
    """It is sent or told, never an error of ours."""
    transformed(schema)


def test_a_request_names_what_was_moved() -> None:
    """Of the answer's form and of a strict tool; a tool that is not strict keeps its schema."""
    form = {
        "type": "json_schema",
        "json_schema": {"name": "a", "schema": {"type": "object", "properties": {"n": INTEGER}}},
    }
    function = {"name": "f", "parameters": {"type": "object", "properties": {"n": INTEGER}}, "strict": True}
    loose = {**function, "name": "g", "strict": False}
    tools = [{"type": "function", "function": function}, {"type": "function", "function": loose}]

    call = AnthropicProvider().chat_call(ask(response_format=form, tools=tools), row("anthropic", "m"))
    body = body_of(call)

    bounded = {"type": "integer", "description": "d\n\n{minimum: 0}"}
    assert body["output_config"]["format"]["schema"] == {
        "type": "object",
        "properties": {"n": bounded},
        "additionalProperties": False,
    }
    assert body["tools"][0]["input_schema"]["properties"]["n"] == bounded
    assert body["tools"][1]["input_schema"]["properties"]["n"] == INTEGER
    assert call.dropped == ("tools.0.function.parameters (minimum)", "response_format (minimum)")


@pytest.mark.parametrize(
    ("model", "limit", "thinking", "sampling"),
    [
        ("claude-3-haiku-20240307", 4_096, False, True),
        ("claude-3-5-sonnet-20241022", 8_192, False, True),
        ("claude-3-7-sonnet-20250219", 64_000, True, True),
        ("claude-opus-4-20250514", 32_000, True, True),
        ("claude-opus-4-1-20250805", 32_000, True, True),
        ("claude-sonnet-4-20250514", 64_000, True, True),
        ("anthropic/claude-sonnet-4.5", 64_000, True, True),
        ("claude-haiku-4-5@20251001", 64_000, True, True),
        ("claude-opus-4-5-20251101", 64_000, True, True),
        ("claude-opus-4-6", 128_000, True, True),
        ("claude-sonnet-4-6", 128_000, True, True),
        ("claude-opus-4-8", 128_000, True, False),
        ("claude-sonnet-5-5", 128_000, True, False),
        ("claude-fable-5", 128_000, True, False),
        ("claude-haiku-5-5", 64_000, True, False),
        ("my-model", None, True, True),
    ],
)
def test_what_is_known_of_models(model: str, limit: int | None, thinking: bool, sampling: bool) -> None:
    """By their names, whatever resellers put around them: a request without a limit gets all that the model answers,
    thinking and temperatures that it would refuse are left out and named."""
    assert (known_limit(model), thinks(model), samples(model)) == (limit, thinking, sampling)
    call = AnthropicProvider().chat_call(
        ask(temperature=0.5, reasoning_effort="high"), row("anthropic", model)
    )
    body = body_of(call)

    assert body["max_tokens"] == (limit or 4096 + 16_384)
    assert ("thinking" in body) is thinking
    assert ("temperature" in body) is (sampling and not thinking)
    assert len(call.dropped) == 1 + (not sampling and not thinking)
