"""What an edit changed, in words, without a secret."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.live.config.diff import MAX_LINES, diff
from tests.support.config_kit import load

PLANTED = ("sk-old", "sk-new")


def changes(old: Any, new: Any, env: dict[str, str] | None = None) -> list[str]:
    """The words for an edit of ``old`` to ``new``."""
    return diff(load(old, env).deployments, load(new, env).deployments, {}, {})


def one(**fields: Any) -> Any:
    """A document with one model."""
    return {"openai": {"gpt-4o": fields}}


def test_equal_configurations_differ_in_nothing() -> None:
    """No change, no word; the order of rows, spelling of numbers and comments are no change either."""
    first = {"ollama": {"a": {"weight": 1}, "b": {"$comment": "x"}}}
    second = {"ollama": {"b": {}, "a": {"weight": 1.0}}}

    assert changes(first, second) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({"options": {"temperature": 0.2}}, {"options": {"temperature": 0.4}}, "temperature 0.2 -> 0.4"),
        ({}, {"options": {"max_tokens": 5}}, "max_tokens unset -> 5"),
        ({"options": {"logprobs": True}}, {}, "logprobs true -> unset"),
        ({"options": {"x": 1}}, {"options": {"x": True}}, "x 1 -> true"),
        (
            {"options": {"reasoning_effort": "low"}},
            {"options": {"reasoning_effort": "high"}},
            "reasoning_effort low -> high",
        ),
        ({"options": {"user": "sk-old"}}, {"options": {"user": "sk-new"}}, "option user changed"),
        (
            {"options": {"reasoning_effort": "${A}"}},
            {"options": {"reasoning_effort": "${B}"}},
            "option reasoning_effort changed",
        ),
        ({"options": {"o": {"a": "sk-old"}}}, {}, "option o removed"),
        ({}, {"options": {"o": ["sk-new"]}}, "option o added"),
        ({"api_token": "sk-old"}, {"api_token": "${B}"}, "api_token changed"),
        ({}, {"api_token": "sk-new"}, "api_token added"),
        ({"api_token": "sk-old"}, {}, "api_token removed"),
        (
            {"headers": {"X-A": "sk-old"}},
            {"headers": {"X-B": "sk-new"}},
            "header X-A removed, header X-B added",
        ),
        ({"api_host": "http://sk-old"}, {"api_host": "http://sk-new"}, "api_host changed"),
        ({"model": "a"}, {"model": "b"}, "model a -> b"),
        ({"weight": 1}, {"weight": 2.5}, "weight 1 -> 2.5"),
        ({"active": True}, {"active": False}, "active true -> false"),
        ({"languages": ["en", "pl"]}, {}, "languages en/pl -> unset"),
        ({"keep_alive": "5m"}, {"keep_alive": -1}, "keep_alive 5m -> -1"),
        ({"timeouts": {"idle": 60}}, {"timeouts": {"idle": 5.5}}, "timeouts.idle 60 -> 5.5"),
        ({"timeouts": {"total": 60}}, {}, "timeouts.total 60 -> unset"),
        ({}, {"api_type": "vllm", "api_host": "http://x"}, "api_type openai -> vllm, api_host changed"),
    ],
)
def test_changes_of_a_model_are_told(old: dict[str, Any], new: dict[str, Any], words: str) -> None:
    """Each changed field is named with its old and new value, but secrets, hosts and free texts only as changed."""
    (line,) = changes(one(**old), one(**new), {"A": "sk-old", "B": "sk-new"})

    assert line == f"model gpt-4o: {words}"
    assert not any(planted in line for planted in PLANTED)


def test_models_that_come_and_go_are_named_with_their_provider() -> None:
    """Added and removed rows say which provider; a model of several providers always does."""
    old = {"ollama": {"a": {}, "b": {}}, "box": {"a": {"api_type": "openai"}}}
    new = {"ollama": {"a": {"weight": 2}, "c": {}}, "box": {"a": {"api_type": "openai"}}}

    assert changes(old, new) == [
        "model a of ollama: weight 1 -> 2",
        "model b of ollama removed",
        "model c of ollama added",
    ]


def test_prompts_are_compared_by_hash() -> None:
    """Prompts that were added, removed or edited are named with language and short hashes."""
    old = {("x", "en"): "1" * 64, ("y", "pl"): "2" * 64, ("same", "en"): "3" * 64}
    new = {("x", "en"): "4" * 64, ("z", "en"): "5" * 64, ("same", "en"): "3" * 64}

    assert diff((), (), old, new) == [
        "prompt x (en) 11111111 -> 44444444",
        "prompt y (pl) removed",
        "prompt z (en) added",
    ]


def test_a_long_list_is_cut_and_counted() -> None:
    """An edit of defaults that touches thousands of models makes a readable log line."""
    models: dict[str, Any] = {f"m{index:04}": {} for index in range(1000)}
    lines = changes({"ollama": models}, {"ollama": {"defaults": {"weight": 2}, **models}})

    assert len(lines) == MAX_LINES + 1
    assert lines[0] == "model m0000: weight 1 -> 2"
    assert lines[-1] == f"and {1000 - MAX_LINES} more"
