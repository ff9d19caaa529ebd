"""What has another form for Ollama: formats, thinking, tools, vectors; and what has none there and is reported."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.wire.schema import EmbeddingsRequest
from tests.support.native_kit import WEATHER, ask, body_of, row
from tests.support.ollama_kit import OLLAMA, made
from tests.support.secrets import UPSTREAM_KEY

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}}


@pytest.mark.parametrize(
    ("fields", "options", "used", "dropped"),
    [
        ({"response_format": {"type": "json_object"}}, {}, "json", ()),
        ({"response_format": JSON_SCHEMA}, {}, SCHEMA, ()),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}}, {}, "json", ()),
        ({"response_format": {"type": "text"}}, {}, None, ()),
        ({"response_format": {"type": "grammar"}}, {}, None, ("response_format",)),
        ({"format": "json"}, {}, "json", ()),
        ({"format": SCHEMA}, {"response_format": {"type": "json_object"}}, SCHEMA, ()),
        ({"response_format": {"type": "text"}}, {"format": "json"}, None, ()),
        ({"response_format": JSON_SCHEMA, "format": "json"}, {}, SCHEMA, ()),
        ({}, {"response_format": JSON_SCHEMA}, SCHEMA, ()),
    ],
)
def test_format(fields: dict[str, Any], options: Any, used: Any, dropped: tuple[str, ...]) -> None:
    """``json`` or the schema itself; the canonical name wins on one level, and text takes a default back."""
    assert made(options, **fields) == ({} if used is None else {"format": used}, dropped)


@pytest.mark.parametrize(
    ("fields", "options", "used", "dropped"),
    [
        ({"reasoning_effort": "none"}, {}, False, ()),
        ({"reasoning_effort": "minimal"}, {}, "low", ()),
        ({"reasoning_effort": "low"}, {}, "low", ()),
        ({"reasoning_effort": "medium"}, {}, "medium", ()),
        ({"reasoning_effort": "high"}, {}, "high", ()),
        ({"reasoning_effort": "xhigh"}, {}, "max", ()),
        ({"reasoning_effort": "max"}, {}, "max", ()),
        ({"reasoning_effort": "auto"}, {}, None, ("reasoning_effort",)),
        ({"think": True}, {}, True, ()),
        ({"think": False}, {"reasoning_effort": "high"}, False, ()),
        ({"think": "high"}, {}, "high", ()),
        ({"think": 1}, {}, None, ("think",)),
        ({"think": True, "reasoning_effort": "none"}, {}, False, ()),
        ({"reasoning_effort": "low"}, {"think": False}, "low", ()),
        ({}, {"think": False}, False, ()),
        ({}, {"think": True, "reasoning_effort": "none"}, False, ()),
    ],
)
def test_thinking(fields: dict[str, Any], options: Any, used: Any, dropped: tuple[str, ...]) -> None:
    """A level or a switch; OpenAI's levels as Ollama's own OpenAI route has them."""
    assert made(options, **fields) == ({} if used is None else {"think": used}, dropped)


NAMED = {"type": "function", "function": {"name": "get_weather"}}


@pytest.mark.parametrize(
    ("choice", "tools", "dropped"),
    [
        (None, [WEATHER], ()),
        ("auto", [WEATHER], ()),
        ("none", None, ()),
        ("required", [WEATHER], ("tool_choice",)),
        (NAMED, [WEATHER], ("tool_choice",)),
    ],
)
def test_tools(choice: Any, tools: Any, dropped: tuple[str, ...]) -> None:
    """As they are; the only choice that can be expressed is none at all."""
    assert made(tools=[WEATHER], tool_choice=choice) == ({"tools": tools} if tools else {}, dropped)


def test_tools_that_are_no_functions() -> None:
    """Ollama would show the model an empty function: they are left out and reported."""
    lost = ("tools (other than functions)",)

    assert made(tools=[{"type": "web_search"}, WEATHER]) == ({"tools": [WEATHER]}, lost)
    assert made(tools=[{"type": "web_search"}]) == ({}, lost)


def test_log_probabilities() -> None:
    """On the top level, as they are."""
    assert made(logprobs=True, top_logprobs=3) == ({"logprobs": True, "top_logprobs": 3}, ())


LOST: dict[str, Any] = {
    "n": 2,
    "logit_bias": {"1": 1},
    "parallel_tool_calls": False,
    "metadata": {"a": "b"},
    "service_tier": "flex",
    "verbosity": "low",
    "store": True,
    "prediction": {"type": "content"},
    "function_call": "auto",
    "api_key": "x",
}


def test_what_cannot_be_said_is_reported() -> None:
    """Each name once; nothing of it is sent."""
    body, dropped = made(**LOST)

    assert (body, sorted(dropped)) == ({}, sorted(LOST))


def test_what_means_nothing_is_not() -> None:
    """A single answer, no bias, parallel calls: that is what Ollama does anyway."""
    fields: dict[str, Any] = {
        "n": 1,
        "logit_bias": {},
        "parallel_tool_calls": True,
        "store": False,
        "user": None,
        "modalities": ["text"],
    }

    assert made(**fields, stream_options={"include_usage": True}) == ({}, ())


def test_unknown_fields_pass() -> None:
    """They may be newer than this adapter."""
    assert made(truncate=False, shift=False, brand_new={"x": 1}) == (
        {"truncate": False, "shift": False, "brand_new": {"x": 1}},
        (),
    )
    assert made({"brand_new": 1}) == ({"options": {"brand_new": 1}}, ())


@pytest.mark.parametrize("options", ["x", [], 1])
def test_options_must_be_an_object(options: Any) -> None:
    """A wrong type is refused, not lost."""
    with pytest.raises(InvalidRequest) as caught:
        OLLAMA.chat_call(ask(options=options), row("ollama", "up"))

    assert caught.value.problems == (Problem("options", "must be an object"),)


def embed(**fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    request = EmbeddingsRequest.of({"model": "public", "input": "a", **fields})
    call = OLLAMA.embeddings_call(request, row("ollama", "up", keep_alive="5m", options={"num_ctx": 1}))
    assert (call.method, call.url, call.stream) == ("POST", "https://upstream.test/api/embed", False)
    assert dict(call.headers) == {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {UPSTREAM_KEY}",
    }
    return body_of(call), call.dropped


def test_embeddings() -> None:
    """A list of texts; ``dimensions`` and its own fields pass, a key is reported, the end user's id is a hint."""
    assert embed() == ({"model": "up", "input": ["a"], "keep_alive": "5m"}, ())
    assert embed(input=["a", "b"], dimensions=3, truncate=False, keep_alive=0, encoding_format="base64") == (
        {"model": "up", "input": ["a", "b"], "dimensions": 3, "truncate": False, "keep_alive": 0},
        (),
    )
    assert embed(user="u", api_key="x") == (
        {"model": "up", "input": ["a"], "keep_alive": "5m"},
        ("api_key",),
    )


@pytest.mark.parametrize("tokens", [[1, 2], [[1, 2]], ["a", 1]])
def test_embeddings_of_tokens(tokens: Any) -> None:
    """Ollama takes texts."""
    with pytest.raises(InvalidRequest) as caught:
        embed(input=tokens)

    assert caught.value.param == "input"
