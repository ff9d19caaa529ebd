"""Which upstreams can take a request: by what it needs, whatever dialect it is written in, and what is known of them."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from llm_proxy.routing.able import Able, Needs, needs_of
from llm_proxy.wire.calls import Deployment
from providers.common.about import About

PNG = "iVBORw0KGgo="
URL = f"data:image/png;base64,{PNG}"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def user(*parts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


PICTURES: dict[str, dict[str, Any]] = {
    "openai": user({"type": "image_url", "image_url": {"url": URL}}),
    "responses": {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": URL}]}]},
    "anthropic": user(
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    ),
    "in a result": user(
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": {}}]}
    ),
    "gemini": {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}]}]},
    "gemini's file": {
        "contents": [{"parts": [{"file_data": {"mime_type": "image/png", "file_uri": "gs://x"}}]}]
    },
    "ollama": {"messages": [{"role": "user", "content": "x", "images": [PNG]}]},
    "generate": {"prompt": "x", "images": [PNG]},
}
NONE: dict[str, dict[str, Any]] = {
    "text": user({"type": "text", "text": "image_url image/png"}),
    "a sound": {"contents": [{"parts": [{"inlineData": {"mimeType": "audio/wav", "data": PNG}}]}]},
    "a file": user({"type": "file", "file": {"file_id": "f"}}),
    "no pictures": {"messages": [{"role": "user", "content": "x", "images": []}]},
    "a schema": {"messages": [], "tools": [{"type": "image_url"}]},
    "nothing": {},
    "nonsense": {"messages": {"type": ["image"]}, "images": "no"},
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(name: str) -> None:
    """A picture is seen in every dialect, and its bytes are no text."""
    needs = needs_of(PICTURES[name])

    assert needs.vision
    assert needs.tokens <= 1


@pytest.mark.parametrize("name", NONE)
def test_no_pictures(name: str) -> None:
    assert not needs_of(NONE[name]).vision


@pytest.mark.parametrize(
    ("body", "tools"),
    [
        ({"tools": [TOOL]}, True),
        ({"functions": [{"name": "f"}]}, True),
        ({"tools": [{"functionDeclarations": [{"name": "f"}]}]}, True),
        ({"tools": []}, False),
        ({"tools": None}, False),
        ({"tools": [TOOL], "tool_choice": "none"}, False),
        ({"tools": [TOOL], "tool_choice": "auto"}, True),
        ({"tools": "f"}, False),
    ],
)
def test_tools(body: dict[str, Any], tools: bool) -> None:
    assert needs_of({"messages": [{"role": "user", "content": "x"}], **body}).tools is tools


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"messages": [{"role": "user", "content": "one two three"}]}, 3),
        ({"messages": [{"role": "user", "content": "x" * 1600}]}, 100),
        ({"messages": [{"role": "user", "content": " \n" * 800}]}, 100),
        ({"system": "a b", "messages": [{"role": "user", "content": [{"type": "text", "text": "c d"}]}]}, 4),
        ({"input": ["a b", "c"]}, 3),
        ({"prompt": "a b c"}, 3),
        ({"contents": [{"parts": [{"text": "a b"}]}], "systemInstruction": {"parts": [{"text": "c"}]}}, 3),
        ({"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "a b c"}]}]}, 0),
        ({"messages": [{"role": "assistant", "content": "a", "reasoning_content": "b c d"}]}, 1),
        ({"input": "a b c", "truncation": "auto"}, 0),
        ({"max_tokens": 5}, 0),
    ],
)
def test_length(body: dict[str, Any], tokens: int) -> None:
    """At least so many tokens: words, or sixteenths of the characters; thoughts are left out again by servers."""
    assert needs_of(body).tokens == tokens


def row(**fields: Any) -> Deployment:
    return Deployment("p", "m", "openai", "http://h", "up", **fields)


@pytest.mark.parametrize(
    ("needs", "about", "fields", "lack"),
    [
        (Needs(vision=True), About(), {}, None),
        (Needs(vision=True), About(vision=True), {}, None),
        (Needs(vision=True), About(vision=False), {}, "vision"),
        (Needs(tools=True), About(tools=False), {}, "tools"),
        (Needs(), About(tools=False, vision=False, context=1), {}, None),
        (Needs(tokens=100), About(context=100), {}, None),
        (Needs(tokens=101), About(context=100), {}, "context"),
        (Needs(tokens=101), About(context=100), {"input_size": 200}, None),
        (Needs(tokens=201), About(context=1000), {"input_size": 200}, "context"),
        (Needs(tokens=10**9), About(), {}, None),
    ],
)
def test_what_is_lacking(needs: Needs, about: About, fields: dict[str, Any], lack: str | None) -> None:
    """Only what is known counts, and the configuration's window before the upstream's."""
    able = Able(needs, lambda _: about)

    assert able.lack(row(**fields)) == lack
    assert able(row(**fields)) is (lack is None)


def _same(about: About, _: Deployment) -> About:
    return about


def test_refusals() -> None:
    """400, with the code that clients know or the field that is meant; a longer context may be another model's."""
    known = {8: About(context=8), 20: About(context=20)}
    able = Able(Needs(tokens=30, field="input"), lambda row: known[row.input_size or 8])
    error, condition = able.refusal("m", [row(input_size=8), row(input_size=20)])
    assert (error.status, error.code, error.param) == (400, "context_length_exceeded", "input")
    assert error.message.endswith("the context of the model 'm' has 20")
    assert condition == "context_length"
    for needs, about, field in (
        (Needs(vision=True), About(vision=False), "messages"),
        (Needs(tools=True), About(tools=False), "tools"),
    ):
        error, condition = Able(needs, partial(_same, about)).refusal("m", [row()])
        assert (error.status, error.param or error.problems[0].path) == (400, field)
        assert "'m'" in error.message
        assert condition == "unavailable"
