"""Tools, the choice among them, and thinking, in Gemini's form."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.wire.calls import HttpCall
from providers.gemini.provider import GeminiProvider
from tests.support.native_kit import WEATHER, ask, body_of, row

DECLARED = {
    "functionDeclarations": [
        {
            "name": "get_weather",
            "description": "Now.",
            "parametersJsonSchema": {"type": "object", "properties": {"city": {"type": "string"}}},
        }
    ]
}
TOOLS: dict[str, Any] = {"tools": [WEATHER]}
NEW, OLD = "gemini-3-flash", "gemini-2.5-flash"


def call(options: dict[str, Any] | None = None, model: str = NEW, **given: Any) -> HttpCall:
    return GeminiProvider().chat_call(ask(**given), row("gemini", model, options=options or {}))


@pytest.mark.parametrize(
    ("tool", "expected", "dropped"),
    [
        (WEATHER, DECLARED, ()),
        ({"type": "function", "function": {"name": "f"}}, {"functionDeclarations": [{"name": "f"}]}, ()),
        (
            {"type": "function", "function": {"name": "f", "strict": True}},
            {"functionDeclarations": [{"name": "f"}]},
            ("tools.function.strict",),
        ),
        ({"type": "google_search"}, {"googleSearch": {}}, ()),
        ({"type": "codeExecution"}, {"codeExecution": {}}, ()),
        (
            {"type": "file_search", "file_search": {"fileSearchStoreNames": ["s"]}},
            {"fileSearch": {"fileSearchStoreNames": ["s"]}},
            (),
        ),
        ({"type": "custom", "custom": {"name": "c"}}, None, ("tools.0 (custom)",)),
    ],
    ids=["function", "bare", "strict", "search", "code", "settings", "custom"],
)
def test_tools(tool: dict[str, Any], expected: dict[str, Any] | None, dropped: tuple[str, ...]) -> None:
    """Functions are declared with their JSON schema; tools of the vendor's side go by their name; others are reported."""
    found = call(tools=[tool])

    assert body_of(found).get("tools") == (None if expected is None else [expected])
    assert found.dropped == dropped


def test_all_functions_are_one_declaration() -> None:
    """The API takes several tools, but only one of them may declare functions."""
    bare = {"type": "function", "function": {"name": "f"}}

    found = body_of(call(tools=[WEATHER, {"type": "google_search"}, bare]))

    functions = [*DECLARED["functionDeclarations"], {"name": "f"}]
    assert found["tools"] == [{"functionDeclarations": functions}, {"googleSearch": {}}]


def allowed(mode: str) -> dict[str, Any]:
    names = [{"type": "function", "function": {"name": "get_weather"}}]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": names}}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", {"mode": "NONE"}),
        ("auto", {"mode": "AUTO"}),
        ("required", {"mode": "ANY"}),
        (
            {"type": "function", "function": {"name": "get_weather"}},
            {"mode": "ANY", "allowedFunctionNames": ["get_weather"]},
        ),
        (allowed("required"), {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}),
        (allowed("auto"), {"mode": "VALIDATED", "allowedFunctionNames": ["get_weather"]}),
    ],
    ids=str,
)
def test_the_choice_of_tools(choice: Any, expected: dict[str, Any]) -> None:
    """Each form of tool_choice is a mode, with names where some are chosen."""
    found = call(**TOOLS, tool_choice=choice)

    assert body_of(found)["toolConfig"] == {"functionCallingConfig": expected}
    assert found.dropped == ()


@pytest.mark.parametrize(
    ("given", "dropped"),
    [
        ({"tool_choice": "required"}, ("tool_choice (no functions)",)),
        ({"tool_choice": "auto"}, ()),
        ({**TOOLS, "tool_choice": "sometimes"}, ("tool_choice",)),
        ({**TOOLS, "tool_choice": {"type": "custom"}}, ("tool_choice",)),
    ],
    ids=str,
)
def test_a_choice_that_cannot_be_said_is_reported(given: dict[str, Any], dropped: tuple[str, ...]) -> None:
    """No configuration is sent for it."""
    found = call(**given)

    assert "toolConfig" not in body_of(found)
    assert found.dropped == dropped


def test_the_apis_own_tool_configuration_is_kept() -> None:
    """The canonical choice is put into it."""
    own = {"retrievalConfig": {"languageCode": "pl"}}

    found = body_of(call({"tool_config": own}, **TOOLS, tool_choice="none"))

    assert found["toolConfig"] == {**own, "functionCallingConfig": {"mode": "NONE"}}


@pytest.mark.parametrize(
    ("model", "effort", "expected", "dropped"),
    [
        (NEW, "minimal", {"includeThoughts": True, "thinkingLevel": "minimal"}, ()),
        (NEW, "low", {"includeThoughts": True, "thinkingLevel": "low"}, ()),
        (NEW, "high", {"includeThoughts": True, "thinkingLevel": "high"}, ()),
        (
            NEW,
            "xhigh",
            {"includeThoughts": True, "thinkingLevel": "high"},
            ("reasoning_effort (sent as high)",),
        ),
        (
            NEW,
            "none",
            {"includeThoughts": False, "thinkingLevel": "low"},
            ("reasoning_effort (sent as low)",),
        ),
        ("gemini-flash-latest", "medium", {"includeThoughts": True, "thinkingLevel": "medium"}, ()),
        (OLD, "none", {"includeThoughts": False, "thinkingBudget": 0}, ()),
        (OLD, "minimal", {"includeThoughts": True, "thinkingBudget": 1024}, ()),
        (OLD, "medium", {"includeThoughts": True, "thinkingBudget": 8192}, ()),
        (OLD, "xhigh", {"includeThoughts": True, "thinkingBudget": 24576}, ()),
        (OLD, "max", {"includeThoughts": True, "thinkingBudget": 24576}, ()),
        ("models/" + OLD, "novel", {"includeThoughts": True, "thinkingBudget": -1}, ()),
    ],
)
def test_reasoning_effort(
    model: str, effort: str, expected: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    """A level for newer models, a budget for those of generation 2; thoughts are asked for, so that they can be shown."""
    found = call(model=model, reasoning_effort=effort)

    assert body_of(found)["generationConfig"] == {"thinkingConfig": expected}
    assert found.dropped == dropped


@pytest.mark.parametrize("name", ["includeThoughts", "include_thoughts"])
def test_the_configuration_may_hide_thoughts(name: str) -> None:
    """An effort of the client replaces the default thinking, but not whether it is shown."""
    options = {"thinkingConfig": {name: False, "thinkingBudget": 5}}

    found = body_of(call(options, reasoning_effort="low"))

    assert found["generationConfig"]["thinkingConfig"] == {"includeThoughts": False, "thinkingLevel": "low"}


def test_the_apis_own_thinking_passes() -> None:
    """Without an effort it is sent as it is, whoever said it."""
    own = {"thinkingBudget": 5}

    assert body_of(call({"thinking_config": own}))["generationConfig"] == {"thinkingConfig": own}
    assert body_of(call({"reasoning_effort": "high"}, thinkingConfig=own))["generationConfig"] == {
        "thinkingConfig": own
    }
