"""Tools, and the choice among them, in Anthropic's form."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.wire.calls import HttpCall
from providers.anthropic.provider import AnthropicProvider
from tests.support.native_kit import WEATHER, ask, body_of, row

SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}, "additionalProperties": False}
TOOL = {
    "name": "get_weather",
    "description": "Now.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
TOOLS: dict[str, Any] = {"tools": [WEATHER]}


def call(**given: Any) -> HttpCall:
    return AnthropicProvider().chat_call(ask(**given), row("anthropic", "claude-opus-4-6"))


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
            {"type": "tool", "name": "get_weather"},
        ),
        ({"tool_choice": {"type": "tool", "name": "get_weather"}}, {"type": "tool", "name": "get_weather"}),
        ({"tool_choice": {"type": "any"}}, {"type": "any"}),
        ({"tool_choice": {"type": "auto"}}, {"type": "auto"}),
        ({"tool_choice": {"type": "none"}}, {"type": "none"}),
        ({"parallel_tool_calls": True}, None),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        (
            {"parallel_tool_calls": False, "tool_choice": "required"},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
        ({"parallel_tool_calls": False, "tool_choice": "none"}, {"type": "none"}),
    ],
    ids=str,
)
def test_the_choice_of_tools(given: dict[str, Any], choice: dict[str, Any] | None) -> None:
    """Each form of tool_choice and parallel_tool_calls has its own; without any, none is sent."""
    found = body_of(call(**TOOLS, **given))

    assert [TOOL] == found["tools"]
    assert choice == found.get("tool_choice")
    assert call(**TOOLS, **given).dropped == ()


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
        {"type": "custom", "custom": {"name": "c"}},
        {"type": "function"},
        "sometimes",
    ],
    ids=str,
)
def test_a_choice_that_does_not_exist_is_reported(choice: Any) -> None:
    """A list of allowed tools, or a custom tool, has no form here."""
    assert call(**TOOLS, tool_choice=choice).dropped == ("tool_choice",)


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (
            {"type": "function", "function": {"name": "f"}},
            {"name": "f", "input_schema": {"type": "object", "properties": {}}},
        ),
        (
            {"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}},
            {"name": "f", "input_schema": SCHEMA, "strict": True},
        ),
        (
            {
                "type": "function",
                "function": {"name": "f", "parameters": {"properties": {}}},
                "cache_control": {"type": "ephemeral"},
            },
            {
                "name": "f",
                "input_schema": {"type": "object", "properties": {}},
                "cache_control": {"type": "ephemeral"},
            },
        ),
        (
            {"function": {"name": "f", "cache_control": {"type": "ephemeral"}}},
            {
                "name": "f",
                "input_schema": {"type": "object", "properties": {}},
                "cache_control": {"type": "ephemeral"},
            },
        ),
        (
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
        ),
        ({"type": "custom", "custom": {"name": "c"}}, None),
    ],
    ids=["bare", "strict", "marked", "marked-function", "own", "custom"],
)
def test_tools(tool: dict[str, Any], expected: dict[str, Any] | None) -> None:
    """A schema is required and is an object; the vendor's own tools pass; OpenAI's custom ones are reported."""
    found = call(tools=[tool])

    assert body_of(found).get("tools") == (None if expected is None else [expected])
    assert found.dropped == (() if expected else ("tools.0 (custom)",))
