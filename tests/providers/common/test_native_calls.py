"""Requests that are in their upstream's dialect already: the configuration's defaults under fields of the client's."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from llm_proxy.errors import InvalidRequest
from llm_proxy.faces.anthropic.request import Asked as AskedAnthropic
from llm_proxy.faces.ollama.request import Asked as AskedOllama
from llm_proxy.wire.calls import NativeRequest
from llm_proxy.wire.schema import validated
from providers.base import Chunk, Comment, Done
from providers.discovery import discover
from tests.support import recordings as data
from tests.support.native_kit import body_of, decoded, row, spoilt

PROVIDERS = discover()
SAID = [{"role": "user", "content": "x"}]
#: A budget model and one that decides for itself.
BUDGET, ADAPTIVE = "claude-sonnet-4-5", "claude-next"
USE = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "r"}]}
THOUGHT = {"type": "thinking", "thinking": "t", "signature": "c2ln"}
TOOLS = [{"name": "f", "input_schema": {"type": "object"}}]


def sent(
    path: str, body: Mapping[str, Any], options: Any, model: str = "up", **fields: Any
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What was added to ``body``, and what was dropped; all of ``body`` must be there."""
    api_type = "anthropic" if path.startswith("/v1") else "ollama"
    call = PROVIDERS[api_type].native(path)
    assert call is not None
    before = copy.deepcopy(body)
    made = call.chat_call(NativeRequest(body), row(api_type, model, options=options, **fields))
    assert body == before, "the client's own body was changed"
    found = body_of(made)
    assert found.pop("model") == model
    for name, value in body.items():
        if name != "model" and value is not None and not isinstance(value, dict):
            assert found.pop(name) == value
    return found, made.dropped


def messages(
    body: Mapping[str, Any], options: Any, model: str = "up"
) -> tuple[dict[str, Any], tuple[str, ...]]:
    return sent("/v1/messages", {"model": "m", "max_tokens": 4000, "messages": SAID, **body}, options, model)


CASES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], tuple[str, ...]]] = [
    ({}, {}, {}, ()),
    ({}, {"temperature": 0.2}, {"temperature": 0.2}, ()),
    ({"temperature": 1.7}, {"temperature": 0.2}, {}, ()),
    # One of the two replaces the other: newer models refuse both at once.
    ({"top_p": 0.3}, {"temperature": 0.2}, {}, ()),
    ({"max_tokens": 5}, {"max_tokens": 7}, {}, ()),
    ({"stop_sequences": ["a"]}, {"stop": "b"}, {}, ()),
    ({"stop_sequences": []}, {"stop": "b"}, {}, ()),
    ({}, {"stop": "b"}, {"stop_sequences": ["b"]}, ()),
    ({}, {"user": "u"}, {"metadata": {"user_id": "u"}}, ()),
    ({"metadata": {"user_id": "me"}}, {"user": "u"}, {"metadata": {"user_id": "me"}}, ()),
    ({}, {"seed": 1, "frequency_penalty": 0.5}, {}, ("seed", "frequency_penalty")),
    ({"top_k": 3}, {"top_k": 9, "metadata": {"a": "b"}}, {}, ("metadata.a",)),
    ({}, {"temperature": 1.5}, {"temperature": 1}, ("temperature (clamped to 1)",)),
    (
        {"tools": TOOLS},
        {"parallel_tool_calls": False},
        {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        (),
    ),
    (
        {"tools": TOOLS, "tool_choice": {"type": "any"}},
        {"parallel_tool_calls": False},
        {"tool_choice": {"type": "any"}},
        (),
    ),
    ({}, {"service_tier": "default"}, {"service_tier": "standard_only"}, ()),
    ({}, {"context_management": {"edits": []}}, {"context_management": {"edits": []}}, ()),
]


@pytest.mark.parametrize(("body", "options", "added", "dropped"), CASES)
def test_defaults_of_messages(body: Any, options: Any, added: Any, dropped: Any) -> None:
    """The client's word wins whichever name it has; only defaults are translated, clamped and reported."""
    assert messages(body, options) == (added, dropped)


def test_no_limit_is_made_up() -> None:
    """``max_tokens`` is required in this dialect: the client's, or the configuration's, or the server says so."""
    body = {"model": "m", "messages": SAID}
    assert sent("/v1/messages", body, {"temperature": 0.5}) == ({"temperature": 0.5}, ())
    assert sent("/v1/messages", body, {"max_completion_tokens": 7}) == ({"max_tokens": 7}, ())


BUDGETED = {"type": "enabled", "budget_tokens": 3000}


@pytest.mark.parametrize(
    ("body", "added", "dropped"),
    [
        ({}, {"thinking": BUDGETED}, ()),
        ({"max_tokens": 1000}, {}, ("reasoning_effort (max_tokens is too small)",)),
        ({"thinking": {"type": "disabled"}}, {"thinking": {"type": "disabled"}}, ()),
        (
            {"tools": TOOLS, "tool_choice": {"type": "tool", "name": "f"}},
            {"tool_choice": {"type": "tool", "name": "f"}},
            ("reasoning_effort (not with a forced tool)",),
        ),
        (
            {"messages": [*SAID, {"role": "assistant", "content": [USE]}, RESULT]},
            {},
            ("reasoning_effort (the thinking_blocks before the tool calls are missing)",),
        ),
        (
            {"messages": [*SAID, {"role": "assistant", "content": [THOUGHT, USE]}, RESULT]},
            {"thinking": BUDGETED},
            (),
        ),
    ],
)
def test_thinking_by_default(body: Any, added: Any, dropped: Any) -> None:
    """A default effort is a budget where the request allows one, and given up, and told, where it would be refused."""
    assert messages(body, {"reasoning_effort": "high"}, BUDGET) == (added, dropped)


def test_settings_in_one_object() -> None:
    """An effort by default and a format of the client's stand beside each other."""
    form = {"type": "json_schema", "schema": {}}
    options = {"reasoning_effort": "low"}
    added, dropped = messages({"output_config": {"format": form}}, options, ADAPTIVE)
    own, _ = messages({"output_config": {"effort": "max"}}, options, ADAPTIVE)

    assert added == {"thinking": {"type": "adaptive"}, "output_config": {"format": form, "effort": "low"}}
    assert own["output_config"] == {"effort": "max"}
    assert dropped == ()


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
@pytest.mark.parametrize(
    ("body", "options", "added", "dropped"),
    [
        ({}, {}, {"keep_alive": "9m"}, ()),
        ({"keep_alive": 0}, {"temperature": 1}, {"options": {"temperature": 1}}, ()),
        ({"options": {}}, {"num_ctx": 5}, {"keep_alive": "9m", "options": {"num_ctx": 5}}, ()),
        (
            {"options": {"num_predict": 3.0, "vendor": [1]}},
            {"max_tokens": 9, "stop": "x"},
            {"keep_alive": "9m", "options": {"num_predict": 3.0, "vendor": [1], "stop": ["x"]}},
            (),
        ),
        ({"think": "low"}, {"reasoning_effort": "high", "n": 2}, {"keep_alive": "9m"}, ("n",)),
        ({"format": "json"}, {"response_format": {"type": "text"}}, {"keep_alive": "9m"}, ()),
        ({}, {"response_format": {"type": "json_object"}}, {"keep_alive": "9m", "format": "json"}, ()),
    ],
)
def test_defaults_of_ollama(path: str, body: Any, options: Any, added: Any, dropped: Any) -> None:
    """Defaults go under ``options`` or beside it, wherever the client says nothing."""
    asked = {"model": "m", "prompt": "x", **body}
    assert sent(path, asked, options, keep_alive="9m") == (added, dropped)


RICH: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "/v1/messages": (
        AskedAnthropic,
        {
            "reasoning_effort": "high",
            "temperature": 0.5,
            "stop": "x",
            "parallel_tool_calls": False,
            "user": "u",
        },
        {
            "model": "m",
            "max_tokens": 5000,
            "stop_sequences": ["a"],
            "temperature": 1,
            "tools": [{"name": "f", "type": "function"}],
            "tool_choice": {"type": "function", "name": "f"},
            "thinking": {"type": "enabled", "budget_tokens": 9},
            "output_config": {"effort": "low"},
            "messages": [*SAID, {"role": "assistant", "content": [THOUGHT, USE]}, RESULT],
        },
    ),
    "/api/chat": (
        AskedOllama,
        {
            "max_tokens": 5,
            "reasoning_effort": "high",
            "response_format": {"type": "json_object"},
            "stop": "x",
        },
        {
            "model": "m",
            "options": {"num_predict": 3, "stop": ["x"]},
            "format": {"type": "object"},
            "think": True,
            "keep_alive": "5m",
            "logprobs": True,
            "messages": [{"role": "user", "content": "x", "images": ["aGk="]}],
        },
    ),
}


@pytest.mark.parametrize("path", RICH)
def test_whatever_a_client_sends(path: str) -> None:
    """Each part of a rich request replaced by anything else: it goes along as it is, or is refused, nothing else."""
    form, options, rich = RICH[path]
    for name, value in rich.items():
        for other in spoilt(value) if name != "model" else ():
            body = {**rich, name: other}
            try:
                validated(form, body)
            except InvalidRequest:
                continue
            try:
                sent(path, body, options, BUDGET, keep_alive="9m")
            except InvalidRequest as error:
                assert error.problems


@pytest.mark.parametrize(("api_type", "path"), [("anthropic", "/v1/messages"), ("ollama", "/api/chat")])
@pytest.mark.parametrize("size", [1, 2, 13, 1 << 20])
def test_bytes_come_out_as_they_came(api_type: str, path: str, size: int) -> None:
    """Every recorded stream, however it is cut: the pieces of the events are the stream, the end is told apart, and what
    was not complete when it broke off is not given out."""
    call = PROVIDERS[api_type].native(path)
    assert call is not None
    for found in data.recordings(api_type):
        decoder = call.stream_decoder(NativeRequest({}, stream=True))
        cuts = range(0, len(found.data), size)
        *events, last = decoded(decoder, [found.data[at : at + size] for at in cuts])
        given = b"".join(event.raw or b"" for event in events if isinstance(event, Chunk | Comment))

        assert all(isinstance(event, Chunk | Comment) for event in events)
        if isinstance(last, Done):
            assert last.raw is not None
            assert given + last.raw == found.data
            assert [
                event.data["usage"]
                for event in events
                if isinstance(event, Chunk) and event.data.get("usage")
            ]
        else:
            assert found.cut or found.failing
            assert found.data.startswith(given)
            assert given
