"""Parameters in Anthropic's form: what is sent, and what is reported as lost."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.errors import InvalidRequest
from llm_proxy.wire.calls import HttpCall, Secret
from providers.anthropic.provider import AnthropicProvider
from tests.support.native_kit import ask, body_of, row
from tests.support.secrets import UPSTREAM_KEY, assert_no_secret

BASE = {
    "model": "claude-opus-4-6",
    "max_tokens": 128_000,
    "messages": [{"role": "user", "content": "Hi"}],
    "stream": False,
}
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}, "additionalProperties": False}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}}


def call(options: dict[str, Any] | None = None, model: str = "claude-opus-4-6", **given: Any) -> HttpCall:
    return AnthropicProvider().chat_call(ask(**given), row("anthropic", model, options=options or {}))


def added(**given: Any) -> dict[str, Any]:
    """What the request adds to (or changes in) the smallest body."""
    return {name: value for name, value in body_of(call(**given)).items() if BASE.get(name) != value}


def test_the_smallest_call() -> None:
    """Address, headers and body of a plain question; max_tokens is required and becomes the most that the model answers."""
    found = call()

    assert (found.method, found.url) == ("POST", "https://upstream.test/v1/messages")
    assert body_of(found) == BASE
    assert dict(found.headers) == {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "anthropic-version": "2023-06-01",
        "x-api-key": UPSTREAM_KEY,
    }
    assert found.dropped == ()
    assert_no_secret(repr(found))


def test_a_streaming_call() -> None:
    """``stream`` is final in the request, and the call says that events are expected."""
    found = call(stream=True, stream_options={"include_usage": True})

    assert body_of(found) == {**BASE, "stream": True}
    assert found.stream
    assert ("Accept", "text/event-stream") in found.headers
    assert found.dropped == ()


def test_headers_of_the_configuration_win() -> None:
    """They may choose another version, add a beta or another form of the key; no name is sent twice."""
    headers = {
        "Anthropic-Version": Secret("2026-10-21"),
        "anthropic-beta": Secret("b"),
        "X-Api-Key": Secret("k"),
    }

    found = AnthropicProvider().auth_headers(row("anthropic", "m", headers=headers))

    assert dict(found) == {"Anthropic-Version": "2026-10-21", "anthropic-beta": "b", "X-Api-Key": "k"}
    assert len(found) == 3


def test_no_key_no_header() -> None:
    """A deployment without a key sends none."""
    assert AnthropicProvider().auth_headers(row("anthropic", "m", token=None)) == (
        ("anthropic-version", "2023-06-01"),
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"temperature": 0.7}, {"temperature": 0.7}),
        ({"top_p": 0.9}, {"top_p": 0.9}),
        ({"top_k": 40}, {"top_k": 40}),
        ({"top_k": -1}, {}),
        ({"top_k": 0}, {}),
        ({"temperature": 0.5, "top_p": 1}, {"temperature": 0.5}),
        ({"max_tokens": 10}, {"max_tokens": 10}),
        ({"max_completion_tokens": 10}, {"max_tokens": 10}),
        ({"max_new_tokens": 10}, {"max_tokens": 10}),
        ({"max_completion_tokens": 10, "max_tokens": 20}, {"max_tokens": 10}),
        ({"stop": "x"}, {"stop_sequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stop_sequences": ["x", "y"]}),
        ({"stop_sequences": ["z"]}, {"stop_sequences": ["z"]}),
        ({"stop": []}, {}),
        ({"user": "u1"}, {"metadata": {"user_id": "u1"}}),
        ({"safety_identifier": "u2"}, {"metadata": {"user_id": "u2"}}),
        ({"metadata": {"user_id": "u3"}}, {"metadata": {"user_id": "u3"}}),
        ({"service_tier": "auto"}, {"service_tier": "auto"}),
        ({"service_tier": "default"}, {"service_tier": "standard_only"}),
        ({"service_tier": "standard_only"}, {"service_tier": "standard_only"}),
        ({"response_format": {"type": "text"}}, {}),
        (
            {"response_format": FORMAT},
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        ),
        ({"output_config": {"effort": "low"}}, {"output_config": {"effort": "low"}}),
        ({"inference_geo": "eu", "speed": "fast"}, {"inference_geo": "eu", "speed": "fast"}),
        ({"cache_control": {"type": "ephemeral"}}, {"cache_control": {"type": "ephemeral"}}),
        (
            {
                "n": 1,
                "logprobs": False,
                "top_logprobs": 0,
                "presence_penalty": 0,
                "frequency_penalty": 0.0,
                "repetition_penalty": 1.0,
                "repeat_penalty": 1,
                "min_p": 0,
                "typical_p": 1,
                "logit_bias": {},
                "metadata": {},
                "modalities": ["text"],
                "store": False,
            },
            {},
        ),
        ({"temperature": None, "tools": None, "seed": None}, {}),
    ],
    ids=str,
)
def test_parameters_that_can_be_said(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each has its place in the body, and nothing is reported."""
    assert expected == added(**given)
    assert call(**given).dropped == ()


@pytest.mark.parametrize(
    ("given", "expected", "dropped"),
    [
        ({"temperature": 1.5}, {"temperature": 1}, "temperature (clamped to 1)"),
        ({"temperature": -1}, {"temperature": 0}, "temperature (clamped to 0)"),
        ({"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5}, "top_p (not with temperature)"),
        ({"n": 2}, {}, "n"),
        ({"seed": 0}, {}, "seed"),
        ({"presence_penalty": 0.1}, {}, "presence_penalty"),
        ({"frequency_penalty": -1}, {}, "frequency_penalty"),
        ({"logprobs": True}, {}, "logprobs"),
        ({"logit_bias": {"1": 5}}, {}, "logit_bias"),
        ({"min_p": 0.1}, {}, "min_p"),
        ({"repetition_penalty": 1.1}, {}, "repetition_penalty"),
        ({"verbosity": "low"}, {}, "verbosity"),
        ({"keep_alive": "5m"}, {}, "keep_alive"),
        ({"api_base": "http://evil.test"}, {}, "api_base"),
        ({"metadata": {"trace": "t"}}, {}, "metadata.trace"),
        ({"service_tier": "flex"}, {}, "service_tier"),
        ({"service_tier": ["auto"]}, {}, "service_tier"),
        ({"response_format": {"type": "json_object"}}, {}, "response_format (json_object)"),
        ({"tool_choice": "required"}, {}, "tool_choice (no tools)"),
    ],
    ids=str,
)
def test_parameters_that_cannot_be_said_are_reported(
    given: dict[str, Any], expected: dict[str, Any], dropped: str
) -> None:
    """They are not sent, because the API refuses unknown fields, and they are named."""
    assert expected == added(**given)
    assert call(**given).dropped == (dropped,)


@pytest.mark.parametrize(
    ("options", "given", "expected"),
    [
        ({"max_tokens": 8192}, {}, {"max_tokens": 8192}),
        ({"max_tokens": 8192}, {"max_completion_tokens": 5}, {"max_tokens": 5}),
        ({"temperature": 0.2}, {"temperature": 0.9}, {"temperature": 0.9}),
        ({"temperature": 0.2}, {"top_p": 0.9}, {"top_p": 0.9}),
        ({"temperature": 0.2, "top_p": 1}, {}, {"temperature": 0.2}),
        ({"stop": "a"}, {"stop_sequences": ["b"]}, {"stop_sequences": ["b"]}),
        ({"stop_sequences": ["a"]}, {"stop": "b"}, {"stop_sequences": ["b"]}),
        ({"stop_sequences": ["a"], "stop": "b"}, {}, {"stop_sequences": ["b"]}),
        ({"top_k": 5, "inference_geo": "us"}, {}, {"top_k": 5, "inference_geo": "us"}),
        ({"user": "default"}, {"safety_identifier": "mine"}, {"metadata": {"user_id": "mine"}}),
    ],
    ids=str,
)
def test_defaults_of_the_configuration(
    options: dict[str, Any], given: dict[str, Any], expected: dict[str, Any]
) -> None:
    """The client wins in whichever words, a canonical name wins over the API's own, nothing is reported."""
    found = call(options, **given)

    assert expected == {name: value for name, value in body_of(found).items() if BASE.get(name) != value}
    assert found.dropped == ()


def test_a_default_that_cannot_be_said_is_reported() -> None:
    """A canonical option is never lost in silence."""
    assert call({"seed": 7}).dropped == ("seed",)


@pytest.mark.parametrize(
    "given",
    [{"metadata": "x"}, {"output_config": []}, {"thinking": "on"}, {"top_k": "40"}, {"top_k": True}],
    ids=str,
)
def test_own_fields_of_the_wrong_type_are_the_clients_fault(given: dict[str, Any]) -> None:
    """Fields that are no canonical ones are checked where their value is used."""
    with pytest.raises(InvalidRequest) as caught:
        call(**given)

    assert [caught.value.param] == list(given)
