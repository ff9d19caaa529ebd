"""The canonical request: strict about types, faithful to everything else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.errors import InvalidRequest
from llm_proxy.wire.schema import ChatRequest, EmbeddingsRequest
from tests.support.fuzz import fuzz
from tests.support.secrets import UPSTREAM_KEY

MESSAGES = [{"role": "user", "content": "x"}]
GOOD: dict[str, Any] = {"model": "m", "messages": MESSAGES}
TEXT = {"type": "text", "text": "x"}
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
    ({"messages": [{"role": "", "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "user"}]}, "messages.0.content"),
    ({"messages": [*MESSAGES, {"role": "tool", "content": None}]}, "messages.1.content"),
    ({"messages": [None]}, "messages.0"),
    ({"messages": {}}, "messages"),
    ({"messages": [{"role": 1, "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "user", "content": "x", "name": 1}]}, "messages.0.name"),
    ({"messages": [{"role": "tool", "content": "x", "tool_call_id": 1}]}, "messages.0.tool_call_id"),
    ({"messages": [{"role": "assistant", "tool_calls": {}}]}, "messages.0.tool_calls"),
    ({"messages": [{"role": "assistant", "tool_calls": [1]}]}, "messages.0.tool_calls.0"),
    ({"messages": [{"role": "assistant", "tool_calls": [{**CALL, "id": 1}]}]}, "messages.0.tool_calls.0.id"),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": []}}]}]},
        "messages.0.tool_calls.0.function.arguments",
    ),
    ({"messages": [{"role": "user", "content": 1}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": {}}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": ["x"]}]}, "messages.0.content.0"),
    ({"messages": [{"role": "user", "content": [TEXT, {"text": "x"}]}]}, "messages.0.content.1"),
    ({"messages": [{"role": "user", "content": [{"type": 1}]}]}, "messages.0.content.0"),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]},
        "messages.0.tool_calls.0.function.name",
    ),
    ({"temperature": "hot"}, "temperature"),
    ({"temperature": True}, "temperature"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"max_tokens": "5"}, "max_tokens"),
    ({"max_completion_tokens": True}, "max_completion_tokens"),
    ({"seed": "1"}, "seed"),
    ({"top_p": "1"}, "top_p"),
    ({"presence_penalty": [1]}, "presence_penalty"),
    ({"frequency_penalty": False}, "frequency_penalty"),
    ({"logprobs": 1}, "logprobs"),
    ({"top_logprobs": "1"}, "top_logprobs"),
    ({"reasoning_effort": 1}, "reasoning_effort"),
    ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
    ({"n": 0}, "n"),
    ({"n": True}, "n"),
    ({"stop": 1}, "stop"),
    ({"stop": {"a": 1}}, "stop"),
    ({"stop": [1]}, "stop"),
    ({"stream": "true"}, "stream"),
    ({"stream": 1}, "stream"),
    ({"stream_options": True}, "stream_options"),
    ({"tools": [{"type": "function"}]}, "tools.0.function"),
    ({"tools": [{}]}, "tools.0.function"),
    ({"tools": [1]}, "tools.0"),
    ({"tools": [{"type": 1}]}, "tools.0.type"),
    ({"tools": [{"function": {"name": 1}}]}, "tools.0.function.name"),
    ({"tools": [{"function": {"name": "f", "parameters": []}}]}, "tools.0.function.parameters"),
    ({"tools": {}}, "tools"),
    ({"tool_choice": 1}, "tool_choice"),
    ({"logit_bias": {"1": "x"}}, "logit_bias.1"),
    ({"logit_bias": {"1": None}}, "logit_bias.1"),
    ({"logit_bias": []}, "logit_bias"),
    ({"response_format": "json"}, "response_format"),
    ({"response_format": {}}, "response_format.type"),
    ({"response_format": {"type": "json_schema", "json_schema": "x"}}, "response_format.json_schema"),
    ({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
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

    (problem,) = caught.value.problems
    assert (problem.path, caught.value.param) == (path, path)
    assert caught.value.message == f"{path}: {problem.message}"
    assert problem.message.startswith(("must ", "is required"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n": 0}, "n: must be at least 1"),
        ({"model": ""}, "model: must not be empty"),
        ({"messages": [{"role": "user"}]}, "messages.0.content: is required for role 'user'"),
        ({"messages": [{"role": "", "content": "x"}]}, "messages.0.role: must not be empty"),
        ({"max_tokens": 1.5}, "max_tokens: must be an integer"),
        ({"tools": [{}]}, "tools.0.function: is required for type 'function'"),
        ({"tools": [1]}, "tools.0: must be an object"),
        ({"tools": {}}, "tools: must be a list"),
        ({"response_format": {}}, "response_format.type: is required"),
        ({"stream": "yes"}, "stream: must be true or false"),
        ({"user": 1}, "user: must be a string"),
        ({"logit_bias": []}, "logit_bias: must be an object"),
        ({"messages": []}, "messages: must not be empty"),
        ({"stop": 1}, "stop: must be a string or a list of strings"),
        ({"temperature": "hot"}, "temperature: must be a number"),
    ],
)
def test_what_is_allowed_is_said(fields: dict[str, Any], message: str) -> None:
    """In words of JSON, not of Python."""
    with pytest.raises(InvalidRequest) as caught:
        ChatRequest.of({**GOOD, **fields})

    assert caught.value.message == message


@pytest.mark.parametrize("number", [0, -3, 1.5, 10**30, 1e-9])
def test_numbers_of_any_size(number: float) -> None:
    """Ranges are the upstream's to judge: they differ from vendor to vendor."""
    assert ChatRequest.of({**GOOD, "temperature": number}).temperature == number


def test_typed_attributes() -> None:
    """An adapter reads what it needs without asking whether it is there."""
    tools = [{"function": {"name": "f"}}, {"type": "web_search"}]
    messages = [{"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f"}}]}]
    request = ChatRequest.of({"model": "m", "messages": messages, "stop": ["a"], "tools": tools})
    assert request.tools
    assert request.messages[0].tool_calls
    call = request.messages[0].tool_calls[0]

    assert (request.stop, request.temperature, request.stream) == (["a"], None, None)
    assert [(tool.type, tool.function and tool.function.name) for tool in request.tools] == [
        ("function", "f"),
        ("web_search", None),
    ]
    assert (call.id, call.type, call.function and call.function.arguments) == (None, "function", "{}")


def test_a_copy_with_other_fields() -> None:
    """None removes; the original is as it was; what was set is validated again."""
    request = ChatRequest.of({**GOOD, "seed": 1, "vendor": None})
    copy = request.but(seed=None, temperature=0.5)

    assert (copy.sent, copy.seed) == ({**GOOD, "vendor": None, "temperature": 0.5}, None)
    assert request.sent == {**GOOD, "seed": 1, "vendor": None}
    with pytest.raises(InvalidRequest):
        request.but(temperature="hot")


EMBEDDINGS: list[tuple[dict[str, Any], str]] = [
    ({"model": ""}, "model"),
    ({"model": 1}, "model"),
    ({"input": None}, "input"),
    ({"input": []}, "input"),
    ({"input": {}}, "input"),
    ({"input": 1}, "input"),
    ({"encoding_format": "hex"}, "encoding_format"),
    ({"dimensions": 1.5}, "dimensions"),
]


@pytest.mark.parametrize(("fields", "path"), EMBEDDINGS)
def test_embeddings_refused_with_their_path(fields: dict[str, Any], path: str) -> None:
    """The same for the other request."""
    with pytest.raises(InvalidRequest) as caught:
        EmbeddingsRequest.of({"model": "m", "input": "x", **fields})

    assert [problem.path for problem in caught.value.problems] == [path]


@pytest.mark.parametrize("texts", ["", "x", ["x", "y"], [1, 2], [[1], [2]]])
def test_embeddings_accepted_as_sent(texts: Any) -> None:
    """Texts or tokens, one or many; what is unknown is kept."""
    body = {"model": "m", "input": texts, "vendor": 1}

    assert EmbeddingsRequest.of(body).sent == body
    assert EmbeddingsRequest.of(body).input == texts


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)
FIELDS = sorted(ChatRequest.model_fields)


@fuzz
@given(
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
    st.dictionaries(
        st.sampled_from(["role", "content", "name", "tool_calls", "tool_call_id"]),
        JSON | st.just("assistant"),
        max_size=4,
    ),
)
def test_any_json(fields: dict[str, Any], message: dict[str, Any]) -> None:
    """It is a request as it was sent, or a refusal that names each place once; never anything else."""
    body = {**GOOD, "messages": [message], **fields}
    try:
        request = ChatRequest.of(body)
    except InvalidRequest as refusal:
        paths = [problem.path for problem in refusal.problems]
        assert paths
        assert len(paths) == len(set(paths))
        assert all(path.split(".")[0] in FIELDS for path in paths)
    else:
        assert request.sent is body


def test_all_problems_at_once() -> None:
    """Nobody has to mend one thing after the other."""
    with pytest.raises(InvalidRequest) as caught:
        ChatRequest.of({"messages": [{"role": "", "content": 1}], "temperature": "hot"})

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
