"""The call, and parameters in Gemini's form: what is sent, and what is reported as lost."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.errors import InvalidRequest
from llm_proxy.wire.calls import HttpCall, Secret
from providers.gemini.provider import GeminiProvider
from tests.support.native_kit import ask, body_of, row
from tests.support.secrets import UPSTREAM_KEY, assert_no_secret

MODEL = "gemini-3-flash"
BASE = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}


def call(options: dict[str, Any] | None = None, model: str = MODEL, **given: Any) -> HttpCall:
    return GeminiProvider().chat_call(ask(**given), row("gemini", model, options=options or {}))


def added(options: dict[str, Any] | None = None, model: str = MODEL, **given: Any) -> dict[str, Any]:
    """What the request adds to the smallest body; ``generationConfig`` alone is shown without its name."""
    found = {k: v for k, v in body_of(call(options, model, **given)).items() if k != "contents"}
    return found["generationConfig"] if list(found) == ["generationConfig"] else found


def test_the_smallest_call() -> None:
    """Address, headers and body of a plain question; the key is in a header, never in the URL."""
    found = call()

    assert (found.method, found.url) == (
        "POST",
        "https://upstream.test/v1beta/models/gemini-3-flash:generateContent",
    )
    assert body_of(found) == BASE
    assert dict(found.headers) == {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "x-goog-api-key": UPSTREAM_KEY,
    }
    assert found.dropped == ()
    assert_no_secret(repr(found))


def test_a_streaming_call() -> None:
    """A method of its own, and events instead of one growing list."""
    found = call(stream=True, stream_options={"include_usage": True})

    assert found.url.endswith("/models/gemini-3-flash:streamGenerateContent?alt=sse")
    assert found.stream
    assert body_of(found) == BASE
    assert found.dropped == ()


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-flash", "models/gemini-2.5-flash"),
        ("models/gemini-2.5-flash", "models/gemini-2.5-flash"),
        ("tunedModels/mine-1", "tunedModels/mine-1"),
        ("google/gemini-2.5-flash", "models/google%2Fgemini-2.5-flash"),
        ("models/a/b", "models/a%2Fb"),
        ("../x?y#z", "models/..%2Fx%3Fy%23z"),
        ("a b:c", "models/a%20b%3Ac"),
    ],
)
def test_the_models_name_in_the_path(model: str, path: str) -> None:
    """A name with or without its collection; what has a meaning in a URL is encoded."""
    assert call(model=model).url == f"https://upstream.test/v1beta/{path}:generateContent"


def test_headers_of_the_configuration_win() -> None:
    """Another form of the key replaces ours."""
    headers = {"X-Goog-Api-Key": Secret("k"), "x-goog-user-project": Secret("p")}

    found = GeminiProvider().auth_headers(row("gemini", MODEL, headers=headers))

    assert found == (("X-Goog-Api-Key", "k"), ("x-goog-user-project", "p"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"temperature": 1.7}, {"temperature": 1.7}),
        ({"top_p": 0.9, "topP": 0.1}, {"topP": 0.9}),
        ({"top_k": 40}, {"topK": 40}),
        ({"top_k": -1}, {}),
        ({"topK": 3}, {"topK": 3}),
        ({"n": 2}, {"candidateCount": 2}),
        ({"max_tokens": 10}, {"maxOutputTokens": 10}),
        ({"max_completion_tokens": 10, "max_tokens": 20}, {"maxOutputTokens": 10}),
        ({"max_output_tokens": 30}, {"maxOutputTokens": 30}),
        ({"max_new_tokens": 30}, {"maxOutputTokens": 30}),
        ({"stop_sequences": ["z"]}, {"stopSequences": ["z"]}),
        ({"stop": "x"}, {"stopSequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stopSequences": ["x", "y"]}),
        ({"seed": 0}, {"seed": 0}),
        (
            {"presence_penalty": 0.1, "frequency_penalty": -1},
            {"presencePenalty": 0.1, "frequencyPenalty": -1},
        ),
        ({"logprobs": True, "top_logprobs": 3}, {"responseLogprobs": True, "logprobs": 3}),
        ({"logprobs": False}, {}),
        ({"response_format": {"type": "text"}}, {}),
        ({"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
            {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA},
        ),
        ({"modalities": ["text", "image"]}, {"responseModalities": ["TEXT", "IMAGE"]}),
        ({"modalities": ["text"]}, {}),
        ({"safetySettings": [{"category": "C"}]}, {"safetySettings": [{"category": "C"}]}),
        ({"cached_content": "cachedContents/1"}, {"cachedContent": "cachedContents/1"}),
        ({"service_tier": "auto"}, {}),
        ({"service_tier": "default"}, {"serviceTier": "standard"}),
        ({"service_tier": "flex"}, {"serviceTier": "flex"}),
        (
            {
                "generationConfig": {
                    "topK": 1,
                    "mediaResolution": "M",
                    "logprobs": 2,
                    "responseLogprobs": True,
                }
            },
            {"topK": 1, "mediaResolution": "M", "logprobs": 2, "responseLogprobs": True},
        ),
        ({"generation_config": {"top_k": 1}, "top_k": 2}, {"topK": 2}),
        (
            {"extra_body": {"google": {"thinking_config": {"thinking_budget": 0}, "cached_content": "c"}}},
            {"generationConfig": {"thinkingConfig": {"thinking_budget": 0}}, "cachedContent": "c"},
        ),
        (
            {"google": {"thinking_config": {"include_thoughts": True}}},
            {"thinkingConfig": {"include_thoughts": True}},
        ),
    ],
    ids=str,
)
def test_parameters_that_can_be_said(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each has its place in the body, and nothing is reported."""
    assert expected == added(**given)
    assert call(**given).dropped == ()


@pytest.mark.parametrize(
    ("given", "dropped"),
    [
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"min_p": 0.1}, "min_p"),
        ({"store": True}, "store"),
        ({"metadata": {"a": "b"}}, "metadata"),
        ({"verbosity": "low"}, "verbosity"),
        ({"extra_body": {"other": 1}}, "extra_body"),
        ({"api_base": "http://evil.test"}, "api_base"),
        ({"response_format": {"type": "grammar"}}, "response_format (grammar)"),
    ],
    ids=str,
)
def test_parameters_that_cannot_be_said_are_reported(given: dict[str, Any], dropped: str) -> None:
    """They are not sent, because the API refuses unknown fields, and they are named."""
    assert added(**given) == {}
    assert call(**given).dropped == (dropped,)


@pytest.mark.parametrize(
    ("options", "given", "expected"),
    [
        ({"max_tokens": 10}, {}, {"maxOutputTokens": 10}),
        ({"max_tokens": 10}, {"maxOutputTokens": 20}, {"maxOutputTokens": 20}),
        ({"generationConfig": {"topP": 0.1}}, {"top_p": 0.9}, {"topP": 0.9}),
        ({"top_p": 0.1}, {"generationConfig": {"topP": 0.9}}, {"topP": 0.9}),
        ({"top_p": 0.1, "topP": 0.2}, {}, {"topP": 0.1}),
        ({"stop": "a"}, {"stop": "b"}, {"stopSequences": ["b"]}),
        (
            {"response_format": {"type": "json_object"}},
            {"responseMimeType": "text/x.enum"},
            {"responseMimeType": "text/x.enum"},
        ),
        ({"modalities": ["image"]}, {"responseModalities": ["TEXT"]}, {"responseModalities": ["TEXT"]}),
        ({"safety_settings": []}, {}, {}),
    ],
    ids=str,
)
def test_defaults_of_the_configuration(
    options: dict[str, Any], given: dict[str, Any], expected: dict[str, Any]
) -> None:
    """The client wins in whichever words, a canonical name wins over the API's own."""
    assert expected == added(options, **given)
    assert call(options, **given).dropped == ()


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"top_k": "40"}, "top_k"),
        ({"topP": True}, "top_p"),
        ({"generationConfig": 1}, "generationConfig"),
        ({"google": []}, "google"),
        ({"extra_body": {"google": "x"}}, "extra_body.google"),
        ({"toolConfig": []}, "toolConfig"),
    ],
    ids=str,
)
def test_own_fields_of_the_wrong_type_are_the_clients_fault(given: dict[str, Any], param: str) -> None:
    """Fields that are no canonical ones are checked where their value is used."""
    with pytest.raises(InvalidRequest) as caught:
        call(**given)

    assert caught.value.param == param
