"""Reasoning effort as Anthropic's thinking, in both of its forms."""

from __future__ import annotations

from typing import Any

import pytest

from providers.anthropic.provider import AnthropicProvider
from tests.support.native_kit import USER, WEATHER, ask, asked, body_of, call, row, said

NEW, OLD = "claude-opus-4-6", "claude-sonnet-4-5-20250929"


def sent(
    model: str, options: dict[str, Any] | None = None, **given: Any
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The fields that thinking touches, and what was reported."""
    found = AnthropicProvider().chat_call(ask(**given), row("anthropic", model, options=options or {}))
    names = ("thinking", "output_config", "max_tokens", "temperature", "top_p", "top_k")
    return {k: v for k, v in body_of(found).items() if k in names}, found.dropped


@pytest.mark.parametrize(
    ("effort", "level", "dropped"),
    [
        ("minimal", "low", ("reasoning_effort (sent as low)",)),
        ("low", "low", ()),
        ("medium", "medium", ()),
        ("high", "high", ()),
        ("xhigh", "xhigh", ()),
        ("max", "max", ()),
    ],
)
def test_newer_models_decide_under_an_effort(effort: str, level: str, dropped: tuple[str, ...]) -> None:
    """Adaptive thinking with the effort; the length is the model's own."""
    found = sent(NEW, reasoning_effort=effort)

    body = {"thinking": {"type": "adaptive"}, "output_config": {"effort": level}, "max_tokens": 128_000}
    assert found == (body, dropped)


@pytest.mark.parametrize(
    ("effort", "budget"),
    [
        ("minimal", 1024),
        ("low", 2048),
        ("medium", 8192),
        ("high", 16384),
        ("xhigh", 24576),
        ("max", 24576),
        ("novel", 8192),
    ],
)
def test_older_models_get_a_budget(effort: str, budget: int) -> None:
    """Thinking with a budget, within what the model can answer."""
    body = {"thinking": {"type": "enabled", "budget_tokens": budget}, "max_tokens": 64_000}
    assert sent(OLD, reasoning_effort=effort) == (body, ())


@pytest.mark.parametrize("model", [NEW, OLD])
def test_no_effort_switches_thinking_off(model: str) -> None:
    """``none`` is said explicitly, because some models think by default."""
    body, dropped = sent(model, reasoning_effort="none")

    assert (body["thinking"], dropped) == ({"type": "disabled"}, ())


@pytest.mark.parametrize(
    ("model", "budget"),
    [
        ("claude-3-7-sonnet-20250219", True),
        ("claude-opus-4-20250514", True),
        ("claude-sonnet-4-0", True),
        ("claude-opus-4-1-20250805", True),
        ("claude-haiku-4-5@20251001", True),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        ("anthropic/claude-sonnet-4.5", True),
        ("claude-opus-4-6", False),
        ("anthropic/claude-opus-4.6", False),
        ("claude-sonnet-4-6-20260105", False),
        ("claude-opus-4-10", False),
        ("claude-sonnet-5", False),
        ("my-proxy-model", False),
    ],
)
def test_which_models_take_a_budget(model: str, budget: bool) -> None:
    """The closed list of older models, whatever resellers put around their names; all others are taken for newer."""
    assert (sent(model, reasoning_effort="low")[0]["thinking"]["type"] == "enabled") is budget


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ({"type": "enabled", "budget_tokens": 2000}, {"type": "enabled", "budget_tokens": 8192}),
        ({"type": "adaptive", "display": "summarized"}, {"type": "adaptive", "display": "summarized"}),
    ],
    ids=["budget", "adaptive"],
)
@pytest.mark.parametrize("model", [NEW, OLD])
def test_the_configuration_may_choose_the_form(
    model: str, preset: dict[str, Any], expected: dict[str, Any]
) -> None:
    """A ``thinking`` option says which form the model takes and how thinking is shown; the client says how much."""
    assert sent(model, {"thinking": preset}, reasoning_effort="medium")[0]["thinking"] == expected


@pytest.mark.parametrize("where", ["option", "client"])
def test_the_apis_own_form_passes(where: str) -> None:
    """Without an effort ``thinking`` is sent as it is, whatever the length."""
    own = {"thinking": {"type": "enabled", "budget_tokens": 3000}}

    found = sent(OLD, own) if where == "option" else sent(OLD, **own)

    assert found == ({**own, "max_tokens": 64_000}, ())


def test_the_client_wins_in_whichever_words() -> None:
    """A default effort does not touch what the client says in the API's own form."""
    own = {"type": "disabled"}

    assert sent(NEW, {"reasoning_effort": "high"}, thinking=own)[0]["thinking"] == own


@pytest.mark.parametrize(
    ("limit", "budget"), [(100_000, 16384), (8000, 6000), (1366, 1024), (1365, None), (10, None)]
)
def test_a_budget_leaves_room_for_the_answer(limit: int, budget: int | None) -> None:
    """At most three quarters of what the client allows; below the API's minimum thinking is given up, and reported."""
    body, dropped = sent(OLD, reasoning_effort="high", max_tokens=limit)

    assert body["max_tokens"] == limit
    assert body.get("thinking", {}).get("budget_tokens") == budget
    assert dropped == (() if budget else ("reasoning_effort (max_tokens is too small)",))


LOOP = {"messages": [USER, asked(call()), said("x")]}
FORCED = {"tools": [WEATHER], "tool_choice": "required"}
NAMED = {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (FORCED, "not with a forced tool"),
        (NAMED, "not with a forced tool"),
        (LOOP, "the thinking_blocks before the tool calls are missing"),
    ],
    ids=["forced", "named", "lost"],
)
@pytest.mark.parametrize("own", [True, False])
def test_what_a_budget_forbids(given: dict[str, Any], why: str, own: bool) -> None:
    """With a budget the API would answer 400: thinking is given up and reported. Adaptive thinking has no such rule."""
    wish: dict[str, Any] = (
        {"thinking": {"type": "enabled", "budget_tokens": 2000}} if own else {"reasoning_effort": "low"}
    )

    body, dropped = sent(OLD, **wish, **given)

    assert "thinking" not in body
    assert body["max_tokens"] == 64_000
    assert dropped == (f"{'thinking' if own else 'reasoning_effort'} ({why})",)
    assert sent(NEW, reasoning_effort="low", **given)[0]["thinking"] == {"type": "adaptive"}


@pytest.mark.parametrize("model", [NEW, OLD])
def test_sampling_beside_thinking(model: str) -> None:
    """Thinking takes no temperature, no top_k and only a wide top_p; what is left out is reported."""
    body, dropped = sent(model, reasoning_effort="low", temperature=0.5, top_k=5, top_p=0.5)
    assert not body.keys() & {"temperature", "top_k", "top_p"}
    assert dropped == tuple(f"{name} (not with thinking)" for name in ("temperature", "top_k", "top_p"))

    body, dropped = sent(model, reasoning_effort="low", temperature=1, top_p=0.95)
    assert body["top_p"] == 0.95
    assert dropped == ()
