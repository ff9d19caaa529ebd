"""Histories as clients of OpenAI's dialect keep them, over the vendors that refuse them: judged by those vendors' rules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_proxy.errors import InvalidRequest
from providers.discovery import discover
from tests.support import anthropic_turns, gemini_rules, ollama_rules
from tests.support.native_kit import ask, body_of, row

PROVIDERS = discover()
USER: Any = {"role": "user", "content": "q"}
TOOLS: Any = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
MODELS = {"anthropic": "claude-double", "gemini": "gemini-3-double", "ollama": "up"}


def sent(api_type: str, messages: list[Any], **fields: Any) -> tuple[Any, tuple[str, ...]]:
    """What the vendor gets, accepted by its rules, and what was named."""
    call = PROVIDERS[api_type].chat_call(ask(messages=messages, **fields), row(api_type, MODELS[api_type]))
    found = body_of(call)
    if api_type == "anthropic":
        anthropic_turns.check(found)
    elif api_type == "gemini":
        gemini_rules.check(found, MODELS[api_type])
    else:
        ollama_rules.check_chat(found, ("completion", "tools", "vision", "thinking"))
    return found, call.dropped


def asked(*ids: str, arguments: Any = "{}") -> Any:
    calls = [{"id": i, "type": "function", "function": {"name": "f", "arguments": arguments}} for i in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def said(call_id: str, text: str = "RESULT") -> Any:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


@pytest.mark.parametrize("api_type", MODELS)
@pytest.mark.parametrize(
    ("messages", "texts"),
    [
        ([USER, said("gone"), USER], ["RESULT", "gone"]),
        ([said("gone"), USER], ["RESULT"]),
        ([USER, asked("c1", arguments='{"city":"Paris"}'), USER], ["Paris", "f"]),
        ([USER, asked("c1", "c2"), said("c2"), USER], ["RESULT", "no result"]),
        ([USER, asked("c1"), USER, said("c1")], ["RESULT"]),
        ([USER, asked("c1"), {"role": "system", "content": "SYS"}, said("c1")], ["RESULT", "SYS"]),
        ([USER, asked("c1"), said("c1"), said("c1", "AGAIN")], ["RESULT", "AGAIN"]),
        (
            [USER, asked("a.b:0"), said("a.b:0"), asked("a.b:0"), said("a.b:0", "SECOND")],
            ["RESULT", "SECOND"],
        ),
        ([USER, asked("c1", "c1"), said("c1"), said("c1", "SECOND")], ["RESULT", "SECOND"]),
        ([USER, asked("c1", arguments="{bad"), said("c1")], ["{bad"]),
        ([USER, asked("c1", arguments=None), said("c1")], ["RESULT"]),
        ([USER, asked("c1", arguments={"city": "Paris"}), said("c1")], ["Paris"]),
        (
            [
                USER,
                {
                    "role": "assistant",
                    "content": None,
                    "function_call": {"name": "f", "arguments": '{"x":"LEGACY"}'},
                },
                {"role": "function", "name": "f", "content": "RESULT"},
            ],
            ["LEGACY", "RESULT"],
        ),
        ([{"role": "assistant", "content": "BEGUN"}, USER], ["BEGUN"]),
        ([USER, {"role": "assistant", "content": ""}, USER], ["q"]),
        ([USER, {"role": "assistant", "content": None, "reasoning_content": "hm"}, USER], ["q"]),
        (
            [USER, {"role": "model", "content": "MODEL"}, {"role": "human", "content": "HUMAN"}],
            ["MODEL", "HUMAN"],
        ),
        ([USER, {"role": "wizard", "content": "WIZARD"}], ["WIZARD"]),
    ],
)
def test_histories_that_are_not_in_order(messages: list[Any], texts: list[str], api_type: str) -> None:
    """None of them ends a session: each is accepted by the vendor's rules, with all that was said in it."""
    for tools in (TOOLS, None):
        if tools is None and api_type != "anthropic":
            continue
        body, _ = sent(api_type, messages, tools=tools)
        text = json.dumps(body, ensure_ascii=False)
        assert [word for word in texts if word not in text.replace('\\"', '"')] == []


def test_what_is_named() -> None:
    """What stands elsewhere than it was, or as another's words, is told in the header."""
    messages = [USER, said("gone"), {"role": "wizard", "content": "x"}, asked("c1"), USER]

    assert sent("gemini", messages, tools=TOOLS)[1] == (
        "messages.2.role (sent as user)",
        "messages.1 (told as text)",
        "messages.3.tool_calls (told as text)",
    )


def test_a_turn_of_nothing_but_thinking() -> None:
    """Anthropic takes no turn without text and calls, and no thinking that it has not signed."""
    thought: Any = {
        "role": "assistant",
        "content": None,
        "thinking_blocks": [{"type": "thinking", "thinking": "t"}],
    }
    body, dropped = sent("anthropic", [USER, thought, USER])

    assert [turn["role"] for turn in body["messages"]] == ["user"]
    assert dropped == ("messages.1.thinking",)


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ("Sure: ", "Sure:"),
        ("Sure:\n\n", "Sure:"),
        (
            [{"type": "text", "text": "a "}, {"type": "text", "text": "b\t"}],
            [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}],
        ),
    ],
)
def test_white_space_at_the_end(content: Any, left: Any) -> None:
    """Of a last turn of the assistant, which the model goes on with; nowhere else."""
    said = {"role": "assistant", "content": content}

    assert sent("anthropic", [USER, said])[0]["messages"][-1]["content"] == left
    assert sent("anthropic", [USER, said, USER])[0]["messages"][1]["content"] == content


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "https://x/y.pdf"}},
            {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}, "title": "a.pdf"},
        ),
        (
            {"type": "file", "file": {"file_data": "https://x/download?id=1"}},
            {"type": "document", "source": {"type": "url", "url": "https://x/download?id=1"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://x/y.PDF?a=b.png"}},
            {"type": "document", "source": {"type": "url", "url": "https://x/y.PDF?a=b.png"}},
        ),
        (
            {"type": "file", "file": {"file_data": "https://x/y.png"}},
            {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        ),
        (
            {"type": "file", "file": {"file_data": "JVBERi0="}},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            },
        ),
    ],
)
def test_files_by_address(part: Any, expected: Any) -> None:
    """A PDF is a document, whichever part it came in."""
    call = PROVIDERS["anthropic"].chat_call(
        ask(messages=[{"role": "user", "content": [part]}]), row("anthropic", "m")
    )

    assert body_of(call)["messages"][0]["content"] == [expected]


@pytest.mark.parametrize("api_type", MODELS)
@pytest.mark.parametrize("thinking", ["HM", [{"type": "text", "text": "H"}, {"type": "text", "text": "M"}]])
@pytest.mark.parametrize("text", [[], [{"type": "text", "text": "A"}]], ids=["thoughts only", "and a text"])
def test_thoughts_in_parts(text: list[Any], thinking: Any, api_type: str) -> None:
    """As Mistral writes them into the content: a turn of Mistral's does not end the conversation with anybody else."""
    turn = {"role": "assistant", "content": [{"type": "thinking", "thinking": thinking}, *text]}
    found, _ = sent(api_type, [USER, turn, USER])

    assert ("A" in json.dumps(found)) == bool(text)
    assert "thinking" not in str([m.get("content") for m in found.get("messages", [])])


PDF = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}
SOUND = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}
BY_ADDRESS = {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}
UNREAD = [
    ("ollama", PDF, "[A file was here (a.pdf) that this model cannot be shown.]"),
    ("ollama", BY_ADDRESS, "[A picture was here (https://x.example/a.png) that this model cannot be shown.]"),
    ("anthropic", SOUND, "[A sound was here that this model cannot be shown.]"),
    ("gemini", {"type": "hologram", "x": 1}, "[A part was here that this model cannot be shown.]"),
]


@pytest.mark.parametrize(("api_type", "part", "words"), UNREAD)
def test_what_the_next_model_cannot_read(api_type: str, part: Any, words: str) -> None:
    """In what was answered already, and in what a tool returned, it is told, and named; what the user shows now is refused."""
    shown = {"role": "user", "content": [part, {"type": "text", "text": "look"}]}
    result = {**said("a"), "content": [{"type": "text", "text": "RESULT"}, part]}
    for messages, place in (
        ([shown, {"role": "assistant", "content": "ok"}, USER], "messages.0.content.0"),
        ([USER, asked("a"), result], "messages.2.content.1"),
    ):
        found, dropped = sent(api_type, messages, tools=TOOLS)
        assert words in json.dumps(found)
        assert f"{place} (told as text)" in dropped
    with pytest.raises(InvalidRequest):
        sent(api_type, [USER, {"role": "assistant", "content": "ok"}, shown])
