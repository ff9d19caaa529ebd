"""The canonical request: strict about types, faithful to everything else."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.errors import InvalidRequest
from llm_proxy.schema import ChatRequest
from tests.support.secrets import UPSTREAM_KEY

MESSAGES = [{"role": "user", "content": "x"}]
GOOD: dict[str, Any] = {"model": "m", "messages": MESSAGES}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}

ACCEPTED: list[dict[str, Any]] = [
    {"temperature": 1, "top_p": 0.5, "seed": -3, "stop": ["a"], "n": 2},
    {"temperature": None, "stop": None, "stream": None, "tools": None},
    {"messages": [{"role": "developer", "content": "x"}, *MESSAGES]},
    {"messages": [*MESSAGES, {"role": "assistant", "content": None, "tool_calls": [CALL]}]},
    {"messages": [{"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "x"}]}]},
    {"messages": [{"role": "user", "content": [{"type": "vendor_part", "anything": 1}], "name": "n"}]},
    {
        "tools": [{"type": "function", "function": {"name": "f"}}, {"type": "web_search"}],
        "tool_choice": "auto",
    },
    {"tool_choice": {"type": "function", "function": {"name": "f"}}},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}},
    {"logit_bias": {"1": -1.5}, "logprobs": True, "top_logprobs": 2},
    {"stream_options": {"include_usage": True, "vendor": 1}},
    {"chat_template_kwargs": {"enable_thinking": True}, "new": [None, {"x": 1.0}]},
]

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"model": ""}, "model"),
    ({"model": None}, "model"),
    ({"messages": []}, "messages"),
    ({"messages": "x"}, "messages"),
    ({"messages": [1]}, "messages.0"),
    ({"messages": [{"content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "user"}]}, "messages.0"),
    ({"messages": [{"role": "user", "content": 1}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": ["x"]}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages.0.content"),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]},
        "messages.0.tool_calls.0.function.name",
    ),
    ({"temperature": "hot"}, "temperature"),
    ({"temperature": True}, "temperature"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"max_tokens": "5"}, "max_tokens"),
    ({"n": 0}, "n"),
    ({"stop": [1]}, "stop"),
    ({"stream": "true"}, "stream"),
    ({"stream": 1}, "stream"),
    ({"stream_options": True}, "stream_options"),
    ({"tools": [{"type": "function"}]}, "tools.0"),
    ({"tools": {}}, "tools"),
    ({"tool_choice": 1}, "tool_choice"),
    ({"logit_bias": {"1": "x"}}, "logit_bias.1"),
    ({"response_format": "json"}, "response_format"),
    ({"user": 1}, "user"),
]


@pytest.mark.parametrize("fields", ACCEPTED)
def test_accepted_as_sent(fields: dict[str, Any]) -> None:
    """What is legal passes, and ``sent`` is what was sent: no default is added, no number changes its form."""
    body = {**GOOD, **fields}

    assert ChatRequest.of(body).sent == body
    assert repr(ChatRequest.of(body).sent) == repr(body)


@pytest.mark.parametrize(("fields", "path"), REFUSED)
def test_refused_with_its_path(fields: dict[str, Any], path: str) -> None:
    """One problem at the right place, in one plain sentence."""
    with pytest.raises(InvalidRequest) as caught:
        ChatRequest.of({**GOOD, **fields})

    problems = {problem.path.split(".float")[0].split(".int")[0] for problem in caught.value.problems}
    assert problems == {path}
    assert caught.value.message.isprintable()


def test_all_problems_at_once() -> None:
    """Nobody has to mend one thing after the other."""
    with pytest.raises(InvalidRequest) as caught:
        ChatRequest.of({"messages": [{"role": "x", "content": 1}], "temperature": "hot"})

    assert {p.path for p in caught.value.problems} == {
        "model",
        "messages.0.role",
        "messages.0.content",
        "temperature",
    }


def test_no_value_is_repeated() -> None:
    """A key in the wrong place does not come back in the error."""
    with pytest.raises(InvalidRequest) as caught:
        ChatRequest.of(
            {"model": "m", "messages": UPSTREAM_KEY, "temperature": UPSTREAM_KEY, "stop": {UPSTREAM_KEY: 1}}
        )

    assert UPSTREAM_KEY not in f"{caught.value.message}{caught.value.problems!r}"


def test_usage_is_wanted_only_if_asked_for() -> None:
    """``include_usage`` decides."""
    assert ChatRequest.of({**GOOD, "stream_options": {"include_usage": True}}).wants_usage
    assert not ChatRequest.of({**GOOD, "stream_options": {"include_usage": False}}).wants_usage
    assert not ChatRequest.of(GOOD).wants_usage
