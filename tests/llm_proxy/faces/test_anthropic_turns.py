"""Anthropic's content blocks on their way to upstreams of other dialects, judged by those vendors' own rules."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.errors import GatewayError
from llm_proxy.faces.anthropic.request import canonical, read
from llm_proxy.wire.schema import ChatRequest
from providers.discovery import discover
from tests.matrix.asks import PIXEL
from tests.support import gemini_rules, ollama_rules, openai_rules
from tests.support.native_kit import body_of, row, spoilt

PROVIDERS = discover()
PDF: Any = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "QUJD"}}
IMAGE: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
WORDS: Any = {"type": "text", "text": "Look."}


def sent(api_type: str, *content: Any, **fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What an upstream of ``api_type`` gets for a turn of ``content``, accepted by its rules, and what was dropped."""
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": list(content)}], **fields}
    chat = canonical(read(body), body, api_type)
    model = "gemini-3-double" if api_type == "gemini" else "up"
    call = PROVIDERS[api_type].chat_call(ChatRequest.of(chat.sent), row(api_type, model))
    found = body_of(call)
    if api_type in ("openai", "vllm"):
        openai_rules.check_chat(found, unknown_fields=api_type == "vllm")
    elif api_type == "ollama":
        ollama_rules.check_chat(found, ("completion", "tools", "vision"))
    else:
        gemini_rules.check(found, model)
    return found, (*chat.dropped, *call.dropped)


def first_turn(body: dict[str, Any]) -> Any:
    """The content of the first turn, whatever its dialect calls it."""
    return body["contents"][0]["parts"] if "contents" in body else body["messages"][0]["content"]


@pytest.mark.parametrize("api_type", ["openai", "gemini"])
def test_a_pdf_is_a_file(api_type: str) -> None:
    """Where files can be sent; its title is the file's name, what is told about it stands before it."""
    body, dropped = sent(api_type, {**PDF, "title": "report.pdf", "context": "Old."}, WORDS)
    file = {"filename": "report.pdf", "file_data": "data:application/pdf;base64,QUJD"}
    inline = {"mimeType": "application/pdf", "data": "QUJD"}

    assert dropped == ()
    assert first_turn(body) == (
        [{"text": "Old."}, {"inlineData": inline}, {"text": "Look."}]
        if api_type == "gemini"
        else [{"type": "text", "text": "Old."}, {"type": "file", "file": file}, WORDS]
    )


def test_a_pdf_for_ollama() -> None:
    """It takes none, and the client is told."""
    with pytest.raises(GatewayError, match="must be text or image_url"):
        sent("ollama", PDF)


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (
            {
                "type": "document",
                "title": "T",
                "context": "C",
                "source": {"type": "text", "media_type": "text/plain", "data": "D"},
            },
            "T\nC\nD",
        ),
        ({"type": "document", "source": {"type": "content", "content": "D"}}, "D"),
        (
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "D"}]}},
            "D",
        ),
        (
            {
                "type": "search_result",
                "title": "T",
                "source": "https://s",
                "content": [{"type": "text", "text": "D"}],
            },
            "T\nhttps://s\nD",
        ),
    ],
)
def test_what_is_text_is_sent_as_text(block: Any, text: str) -> None:
    """Documents and results of a search; that they should be cited is named as lost."""
    body, dropped = sent("ollama", {**block, "citations": {"enabled": True}})

    assert (first_turn(body), dropped) == (text, ("citations",))


TURNS: Any = [
    {"role": "user", "content": "Draw."},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "draw", "input": {}}]},
]
DRAW: Any = {"name": "draw", "input_schema": {"type": "object"}}


def result(*content: Any) -> dict[str, Any]:
    """A turn with the result of the call in ``TURNS``, and a text."""
    block = {"type": "tool_result", "tool_use_id": "t1", "content": list(content)}
    return {"messages": [*TURNS, {"role": "user", "content": [block, WORDS]}], "tools": [DRAW]}


def test_a_picture_in_a_result() -> None:
    """OpenAI's results are texts: the picture follows in the user's turn, with a word about whose it is."""
    body, dropped = sent("openai", **result(IMAGE))
    _, _, tool, user = body["messages"]

    assert (tool["role"], tool["tool_call_id"], tool["content"]) == (
        "tool",
        "t1",
        "What the tool returned follows.",
    )
    assert [part["type"] for part in user["content"]] == ["text", "image_url", "text"]
    assert "t1" in user["content"][0]["text"]
    assert user["content"][2] == WORDS
    assert dropped == ()


def test_a_picture_in_a_result_elsewhere() -> None:
    """Ollama and Gemini take it where it is."""
    ollama, _ = sent("ollama", **result(IMAGE, {"type": "text", "text": "Done."}))
    gemini, _ = sent("gemini", **result(IMAGE))

    assert (ollama["messages"][2]["images"], ollama["messages"][2]["content"]) == ([PIXEL], "Done.")
    assert gemini["contents"][2]["parts"][0]["functionResponse"]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
    ]


@pytest.mark.parametrize("api_type", ["openai", "ollama", "gemini"])
def test_what_only_anthropic_does(api_type: str) -> None:
    """Its own tools and services are named as lost; with them goes the choice among no tools."""
    search = {"type": "web_search_20250305", "name": "web_search"}
    own: Any = {
        "container": "c",
        "mcp_servers": [{"type": "url", "url": "https://s", "name": "s"}],
        "speed": "fast",
    }
    body, dropped = sent(
        api_type,
        WORDS,
        tools=[search],
        tool_choice={"type": "any"},
        cache_control={"type": "ephemeral"},
        **own,
    )

    assert dropped == ("container", "mcp_servers", "speed", "tools.0 (web_search)")
    assert not body.keys() & {"tools", "tool_choice", "toolConfig", "cache_control", *own}


def test_the_tier() -> None:
    """Other vendors call the standard tier by another name."""
    assert sent("openai", WORDS, service_tier="standard_only")[0]["service_tier"] == "default"
    assert sent("gemini", WORDS, service_tier="standard_only")[0]["serviceTier"] == "standard"


@pytest.mark.parametrize(
    ("fields", "effort"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 5000}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 32000}}, "high"),
        ({"thinking": {"type": "enabled", "budget_tokens": -1}}, "low"),
        ({"thinking": {"type": "enabled"}, "output_config": {"effort": "max"}}, "max"),
        ({}, None),
    ],
)
def test_thinking(fields: Any, effort: str | None) -> None:
    """How much is thought, in OpenAI's words; without a word the vendor's own default holds."""
    assert sent("openai", WORDS, **fields)[0].get("reasoning_effort") == effort


ADAPTIVE: Any = {"thinking": {"type": "adaptive"}}
MAX: Any = {"output_config": {"effort": "max"}}


@pytest.mark.parametrize(
    ("api_type", "model", "known"),
    [
        ("openai", "gpt-4o", False),
        ("openai", "gpt-4.1-mini", False),
        ("openai", "gpt-5.6", True),
        ("openai", "openai/gpt-5-mini", True),
        ("openai", "gpt-5-chat-latest", False),
        ("openai", "o4-mini", True),
        ("openai", "my-llama", False),
        ("vllm", "Qwen/Qwen3-8B", False),
        ("vllm", "openai/gpt-oss-120b", True),
        ("ollama", "llama3.2", False),
        ("ollama", "qwen3:8b", False),
        ("ollama", "gpt-oss:20b", True),
        ("gemini", "gemini-2.0-flash", False),
        ("gemini", "gemini-2.5-flash", True),
        ("gemini", "gemini-3-pro-preview", True),
        ("gemini", "gemma-3-27b", False),
    ],
)
def test_thinking_as_a_model_sees_fit(api_type: str, model: str, known: bool) -> None:
    """Adaptive thinking alone goes to models that are known to think; most others answer 400 to any word about it. An
    effort is asked for."""
    for fields, effort in (
        (ADAPTIVE, "medium" if known else None),
        ({**ADAPTIVE, **MAX}, "max"),
        (MAX, "max"),
    ):
        body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "q"}], **fields}
        chat = canonical(read(body), body, api_type, model)

        assert (chat.sent.get("reasoning_effort"), chat.dropped) == (effort, ())
        switched = api_type == "vllm" and effort is not None and "thinking" in fields
        assert ("chat_template_kwargs" in chat.sent) is switched


@pytest.mark.parametrize(
    ("api_type", "name", "value", "lost"),
    [
        ("openai", "reasoning_effort", None, ("thinking",)),
        ("vllm", "chat_template_kwargs", {"enable_thinking": False}, ()),
        ("ollama", "think", False, ()),
    ],
)
def test_no_thinking(api_type: str, name: str, value: Any, lost: tuple[str, ...]) -> None:
    """OpenAI's models without thinking refuse each word about it, so none is sent, and that is told."""
    body, dropped = sent(api_type, WORDS, thinking={"type": "disabled"}, output_config={"effort": "high"})

    assert (body.get(name), dropped) == (value, lost)


def test_whatever_a_client_sends() -> None:
    """Each part of a rich request replaced by anything else: it is translated or refused, nothing else happens."""
    turns = result(IMAGE, {**PDF, "citations": {"enabled": True}})
    turns["messages"][1]["content"].insert(0, {"type": "thinking", "thinking": "T", "signature": "google:S"})
    turns["messages"][0]["content"] = [{"type": "search_result", "title": "T", "content": [WORDS]}]
    for messages in spoilt(turns["messages"]):
        for api_type in ("openai", "anthropic", "gemini"):
            body = {"model": "m", "max_tokens": 9, "messages": messages}
            try:
                ChatRequest.of(canonical(read(body), body, api_type).sent)
            except GatewayError as error:
                assert error.status == 400


@pytest.mark.parametrize("api_type", ["openai", "vllm", "ollama", "gemini"])
@pytest.mark.parametrize("citations", [None, [], [{"type": "char_location", "cited_text": "x"}]])
def test_where_a_text_was_found(citations: Any, api_type: str) -> None:
    """Citations of Claude's are a mark on its words: no other server takes them, and the words are all that is told."""
    block = {"type": "text", "text": "a", "citations": citations}
    for content, wanted in (([block], "a"), ([block, block], [{"type": "text", "text": "a"}] * 2)):
        turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": content}]
        body = {"model": "m", "max_tokens": 9, "messages": turns}
        said = canonical(read(body), body, api_type).sent["messages"][1]["content"]
        assert said in (wanted, "aa")
