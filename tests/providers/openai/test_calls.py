"""What goes to servers of OpenAI's dialect, and what is made of whole answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_proxy.wire.calls import Deployment, Secret, Timeouts
from llm_proxy.wire.schema import ChatRequest
from providers.discovery import discover
from tests.support.native_kit import USER, ask, body_of, row
from tests.support.secrets import UPSTREAM_KEY

ADAPTERS = discover()
OPENAI = ADAPTERS["openai"]
SAME_DIALECT = ["openai", "vllm", "demo"]


def sent(
    adapter: str = "openai", options: Any = None, host: str = "https://h/v1", **fields: Any
) -> dict[str, Any]:
    """The body of a call, without model and messages, for a request of ``fields``."""
    deployment = Deployment("p", "public", adapter, host, "up", options=options or {})
    body = body_of(ADAPTERS[adapter].chat_call(ask(**fields), deployment))
    assert (body.pop("model"), body.pop("messages")) == ("up", [USER])
    return body


@pytest.mark.parametrize("name", SAME_DIALECT)
def test_the_frame_of_a_call(name: str) -> None:
    """The path below the configured base, JSON, the key as a bearer token, the model's name upstream."""
    limits = Timeouts(1, 2, 3, 4)
    deployment = row(name, "up", timeouts=limits)
    call = ADAPTERS[name].chat_call(ask(stream=True), deployment)

    assert (call.method, call.url) == ("POST", "https://upstream.test/chat/completions")
    assert dict(call.headers) == {
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        "Authorization": f"Bearer {UPSTREAM_KEY}",
    }
    assert (call.timeouts, call.stream, call.dropped) == (limits, True, ())


def test_a_call_that_does_not_stream_asks_for_json() -> None:
    """And says so in the body, whatever the upstream's default is; there is no usage to ask for."""
    call = OPENAI.chat_call(ask(stream=False, stream_options={"include_usage": True}), row("openai", "up"))

    assert dict(call.headers)["Accept"] == "application/json"
    assert not call.stream
    assert body_of(call) == {"model": "up", "messages": [USER], "stream": False}


def test_a_local_server_needs_no_key() -> None:
    """Without a token there is no header for it."""
    call = OPENAI.chat_call(ask(), Deployment("p", "m", "openai", "http://h/v1", "up"))

    assert "Authorization" not in dict(call.headers)


def test_headers_of_the_configuration_win() -> None:
    """Azure's ``api-key``, OpenRouter's titles, an Authorization of one's own."""
    headers = {"api-key": Secret("k"), "authorization": Secret("Basic x")}
    call = OPENAI.chat_call(ask(), row("openai", "up", headers=headers))

    assert dict(call.headers)["api-key"] == "k"
    assert [value for name, value in call.headers if name.lower() == "authorization"] == ["Basic x"]


def test_a_request_passes_as_it_was_sent() -> None:
    """Order, unknown fields, numbers and nulls included: a gateway that drops a new field is in the way."""
    fields = {
        "temperature": 1,
        "top_p": 1.0,
        "seed": None,
        "stop": "x",
        "logit_bias": {"50256": -100},
        "tools": [{"type": "web_search"}],
        "brand_new": {"deep": [1, 2.50, None, "é😀\u2028"]},
        "user": "u",
    }
    request = ChatRequest.of({"messages": [USER], **fields, "model": "public"})
    raw = OPENAI.chat_call(request, row("openai", "up")).body or b""

    assert list(json.loads(raw)) == ["messages", *fields, "model", "stream"]
    assert json.loads(raw)["brand_new"] == fields["brand_new"]
    assert b'"top_p":1.0' in raw
    assert "é😀".encode() in raw
    assert request.sent["model"] == "public"


def test_messages_pass_as_they_were_sent() -> None:
    """Parts, names, reasoning and vendor fields of messages are none of our business where nobody knows the server."""
    messages = [
        {"role": "system", "content": "x", "name": "n"},
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "http://x/y", "detail": "low"}}],
        },
        {"role": "assistant", "content": "y", "reasoning_content": "r", "vendor": 1},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
    ]
    body = body_of(OPENAI.chat_call(ask(messages=messages), row("openai", "up")))

    assert body["messages"] == messages


@pytest.mark.parametrize("name", SAME_DIALECT)
@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ({}, {"include_usage": True}),
        ({"stream_options": None}, {"include_usage": True}),
        ({"stream_options": {"include_usage": False}}, {"include_usage": True}),
        (
            {"stream_options": {"continuous_usage_stats": True}},
            {"continuous_usage_stats": True, "include_usage": True},
        ),
    ],
)
def test_usage_is_always_asked_for(name: str, asked: dict[str, Any], there: dict[str, Any]) -> None:
    """The log wants it even if the client does not; other stream options stay."""
    assert sent(name, stream=True, **asked) == {"stream": True, "stream_options": there}


def test_defaults_are_filled_in() -> None:
    """Under what the client sends, and with the upstream's own names as they are."""
    options = {"temperature": 0.2, "max_tokens": 9, "min_p": 0.1, "stream": True, "model": "no"}

    assert sent(options=options, max_completion_tokens=3) == {
        "temperature": 0.2,
        "min_p": 0.1,
        "max_completion_tokens": 3,
        "stream": False,
    }


NEW = {"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "typical_p": 0.9}


@pytest.mark.parametrize(
    ("name", "host", "dropped"),
    [
        ("openai", "https://api.openai.com/v1", sorted(NEW)),
        ("openai", "https://my-resource.openai.azure.com/openai/v1", sorted(NEW)),
        ("openai", "https://API.OpenAI.com:443/v1", sorted(NEW)),
        ("openai", "https://api.openai.com.example/v1", []),
        ("openai", "http://127.0.0.1:8080/v1", []),
        ("vllm", "http://h/v1", ["typical_p"]),
        ("demo", "http://h/v1", []),
    ],
)
@pytest.mark.parametrize("where", ["request", "options"])
def test_what_a_server_has_no_word_for_is_reported(
    name: str, host: str, dropped: list[str], where: str
) -> None:
    """OpenAI itself refuses unknown parameters; others take them, so only what is known to be lost is left out."""
    fields, options = (NEW, {}) if where == "request" else ({}, NEW)
    call = ADAPTERS[name].chat_call(ask(**fields), Deployment("p", "m", name, host, "up", options=options))

    assert list(call.dropped) == dropped
    assert body_of(call).keys() & NEW.keys() == NEW.keys() - set(dropped)


LOST = {
    "openai": "top_k min_p typical_p repetition_penalty repeat_penalty repeat_last_n num_ctx num_predict keep_alive "
    "chat_template_kwargs max_new_tokens",
    "vllm": "typical_p repeat_last_n num_ctx keep_alive",
}


@pytest.mark.parametrize(("name", "lost"), LOST.items())
def test_every_parameter_that_is_lost(name: str, lost: str) -> None:
    """Each by its name; a null is left out too, and is no loss."""
    deployment = Deployment(
        "p", "m", name, "https://api.openai.com/v1" if name == "openai" else "http://h/v1", "up"
    )
    call = ADAPTERS[name].chat_call(ask(**dict.fromkeys(lost.split(), 2), logit_bias={}), deployment)
    nothing = ADAPTERS[name].chat_call(ask(**dict.fromkeys(lost.split(), None)), deployment)

    assert call.dropped == tuple(sorted(lost.split()))
    assert body_of(call).keys() == {"messages", "model", "stream", "logit_bias"}
    assert nothing.dropped == ()
    assert body_of(nothing).keys() == {"messages", "model", "stream"}


def test_what_chooses_an_upstream_is_reported() -> None:
    """It is left out wherever it came from."""
    call = OPENAI.chat_call(
        ask(api_key="x", base_url="http://evil"), row("openai", "up", options={"api_base": "y"})
    )

    assert call.dropped == ("api_base", "api_key", "base_url")
    assert b"evil" not in (call.body or b"")


def test_vllm_takes_its_own_parameters() -> None:
    """On the top level of the body, as its server wants them."""
    fields: dict[str, Any] = {
        "min_tokens": 1,
        "stop_token_ids": [1],
        "chat_template_kwargs": {"enable_thinking": False},
        "structured_outputs": {"choice": ["a"]},
        "reasoning_effort": "low",
    }

    assert sent("vllm", **fields) == {**fields, "stream": False}
