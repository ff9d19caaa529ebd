"""What goes to OpenAI itself, which refuses each field that it does not know."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.wire.calls import Deployment
from providers.discovery import discover
from tests.support.native_kit import WEATHER, ask, asked, body_of, call, said, text
from tests.support.openai_rules import check_chat

OPENAI = discover()["openai"]
MARK: Any = {"cache_control": {"type": "ephemeral"}}
SIGNED: Any = {"google": {"thought_signature": "sig"}}
#: A history that was had with other vendors' models, in another dialect.
HISTORY: Any = [
    {"role": "system", "content": [{**text("Be brief."), **MARK}]},
    {"role": "user", "content": [{**text("Weather?"), **MARK}], **MARK},
    asked(
        {**call("get_weather"), "extra_content": SIGNED, "index": 0},
        reasoning_content="Hm.",
        reasoning="Hm.",
        thinking_blocks=[{"type": "thinking", "thinking": "Hm.", "signature": "s"}],
        extra_content=SIGNED,
    ),
    said("no such city", is_error=True, **MARK),
    {"role": "assistant", "content": [{**text("None."), "citations": []}]},
    {"role": "user", "content": "Why?"},
]


def made(host: str, **fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    request = ask(messages=HISTORY, tools=[{**WEATHER, **MARK}], **fields)
    made = OPENAI.chat_call(request, Deployment("p", "public", "openai", host, "gpt-double"))
    return body_of(made), made.dropped


def test_nothing_is_sent_that_it_would_refuse() -> None:
    """Marks go without a word, because nothing is lost with them; what speaks to the model is reported."""
    body, dropped = made("https://api.openai.com/v1")
    check_chat(body)

    assert [message.get("content") for message in body["messages"]] == [
        [text("Be brief.")],
        [text("Weather?")],
        None,
        "no such city",
        [text("None.")],
        "Why?",
    ]
    assert body["messages"][2]["tool_calls"] == [call("get_weather")]
    assert body["tools"] == [WEATHER]
    assert dropped == (
        "messages.is_error",
        "messages.reasoning",
        "messages.reasoning_content",
        "messages.thinking_blocks",
    )


def unmarked(value: Any) -> Any:
    """``value`` without marks for caches, at any depth."""
    if isinstance(value, list):
        return [unmarked(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: unmarked(inner) for name, inner in value.items() if name != "cache_control"}


@pytest.mark.parametrize(
    ("host", "marks"), [("https://openrouter.ai/api/v1", True), ("http://127.0.0.1:8000/v1", False)]
)
def test_others_get_it_all(host: str, marks: bool) -> None:
    """Other servers of the dialect know more fields: signatures, thinking, and those that have such caches their marks."""
    body, dropped = made(host)
    sent = (HISTORY, [{**WEATHER, **MARK}])

    assert (body["messages"], body["tools"]) == (sent if marks else tuple(unmarked(list(sent))))
    assert dropped == ()


def test_a_plain_request_is_as_it_was() -> None:
    """Nothing is taken from messages that hold nothing of others, and the client's own objects are not changed."""
    host = "https://api.openai.com/v1"
    plain = ask(messages=[{"role": "user", "content": "Hi"}], tools=[WEATHER])
    found = body_of(OPENAI.chat_call(plain, Deployment("p", "public", "openai", host, "up")))
    made(host)

    assert (found["messages"], found["tools"]) == (plain.sent["messages"], [WEATHER])
    assert HISTORY[0]["content"][0]["cache_control"] == {"type": "ephemeral"}
