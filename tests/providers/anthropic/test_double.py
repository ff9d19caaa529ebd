"""The double of Anthropic's API is as strict as it claims: what it lets pass in other tests means something."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.anthropic_double import AnthropicDouble
from tests.support.anthropic_rules import Refused, signature
from tests.support.anthropic_turns import check
from tests.support.client import request

HI = {"role": "user", "content": "Hi"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
USE = {"type": "tool_use", "id": "c1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": "x"}
TEXT = {"type": "text", "text": "x"}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": signature("Hm.")}
BUDGET = {"type": "enabled", "budget_tokens": 1024}
SOUND: dict[str, Any] = {"model": "claude-double", "max_tokens": 2000, "messages": [HI]}


def loop(*blocks: dict[str, Any], results: tuple[dict[str, Any], ...] = (RESULT,)) -> dict[str, Any]:
    turns = [HI, {"role": "assistant", "content": list(blocks)}, {"role": "user", "content": list(results)}]
    return {"messages": turns, "tools": [TOOL]}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {
            "system": "Be brief.",
            "temperature": 1,
            "top_k": 5,
            "stop_sequences": ["x"],
            "metadata": {"user_id": "u"},
        },
        {
            "thinking": BUDGET,
            "tools": [TOOL],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        },
        loop(TEXT, USE, results=(RESULT, TEXT)),
        {**loop(THOUGHT, USE), "thinking": BUDGET},
        {**loop(USE), "thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
    ],
)
def test_what_is_sound_passes(given: dict[str, Any]) -> None:
    """Nothing is refused without a reason."""
    check({**SOUND, **given})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"seed": 1}, "seed: Extra inputs"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"temperature": 1.1}, "temperature"),
        ({"temperature": 0.5, "top_p": 0.5}, "cannot both"),
        ({"system": " "}, "non-whitespace"),
        ({"metadata": {"trace": "t"}}, "metadata.trace"),
        ({"messages": []}, "at least one"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "first message"),
        ({"messages": [{"role": "system", "content": "x"}]}, "role"),
        ({"messages": [{"role": "user", "content": ""}]}, "non-empty"),
        ({"messages": [{"role": "user", "content": [{**TEXT, "text": "\n"}]}]}, "non-whitespace"),
        ({"messages": [{"role": "user", "content": [{**TEXT, "x": 1}]}]}, "Extra inputs"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "Input tag"),
        ({"tool_choice": {"type": "auto"}}, "tools must be given"),
        ({"tools": [{"name": "f"}]}, "input_schema"),
        ({"tools": [{**TOOL, "input_schema": {}}]}, "input_schema"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "none", "disable_parallel_tool_use": True}},
            "Extra inputs",
        ),
        ({**loop(USE), "tools": []}, "tools"),
        (loop({**USE, "id": "c:1"}), "match pattern"),
        (loop({**USE, "input": "{}"}), "dictionary"),
        (loop(USE, results=(TEXT,)), "without `tool_result`"),
        (loop(USE, results=(TEXT, RESULT)), "come first"),
        (loop(USE, results=(RESULT, RESULT)), "single result"),
        (loop(TEXT), "unexpected `tool_use_id`"),
        (loop({**THOUGHT, "thinking": "Changed."}, USE), "Invalid `signature`"),
        (loop({**THOUGHT, "index": 0}, USE), "Extra inputs"),
        ({**loop(USE), "thinking": BUDGET}, "Expected `thinking`"),
        ({"thinking": {**BUDGET, "budget_tokens": 2000}}, "greater than `budget_tokens`"),
        ({"thinking": BUDGET, "tools": [TOOL], "tool_choice": {"type": "any"}}, "forces tool use"),
        ({"thinking": {"type": "adaptive"}, "temperature": 0.5}, "temperature"),
        ({"thinking": {"type": "disabled", "budget_tokens": 1024}}, "Extra inputs"),
        ({"output_config": {"effort": "minimal"}}, "effort"),
        ({"output_config": {"format": {"type": "json_object"}}}, "format"),
    ],
)
def test_what_is_not_sound_is_refused(given: dict[str, Any], words: str) -> None:
    """Each rule that other tests rely on is one that can fail."""
    with pytest.raises(Refused, match=words.replace("`", ".")):
        check({**SOUND, **given})


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({}, 401, "authentication_error"),
        ({"x-api-key": "k"}, 400, "invalid_request_error"),
        ({"x-api-key": "k", "anthropic-version": "2023-06-01"}, 200, None),
    ],
    ids=["no-key", "no-version", "both"],
)
async def test_headers(headers: dict[str, str], status: int, kind: str | None) -> None:
    """The key and the version are required."""
    async with AnthropicDouble("k") as double:
        got = await request(double.url, "POST", "/v1/messages", SOUND, headers=headers)

    assert got.status == status
    assert got.json().get("error", {}).get("type") == kind
