"""A conversation in Ollama's words: texts are strings, arguments objects, and a result names its function."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from llm_proxy.errors import InvalidRequest, Problem
from providers.discovery import discover
from tests.support.native_kit import USER, ask, asked, body_of, call, row, said, text

OLLAMA = discover()["ollama"]
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def native(*messages: dict[str, Any]) -> Any:
    """The messages that reach Ollama."""
    return body_of(OLLAMA.chat_call(ask(messages=list(messages)), row("ollama", "up")))["messages"]


def refused(*messages: dict[str, Any]) -> Problem:
    """The one problem that a conversation has."""
    with pytest.raises(InvalidRequest) as caught:
        native(*messages)
    assert caught.value.status == 400
    (problem,) = caught.value.problems
    return problem


def image(url: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": url}


def test_roles() -> None:
    """Ollama knows four; OpenAI's ``developer`` is its system."""
    given = [{"role": role, "content": role} for role in ("system", "developer", "user", "assistant")]

    assert native(*given) == [
        {"role": "system", "content": "system"},
        {"role": "system", "content": "developer"},
        {"role": "user", "content": "user"},
        {"role": "assistant", "content": "assistant"},
    ]


@pytest.mark.parametrize(
    ("content", "there"),
    [
        ("", ""),
        ("a\nb", "a\nb"),
        ([], ""),
        ([text("a")], "a"),
        ([text("a"), text("b\n"), text("")], "a\nb\n\n"),
        ([{"type": "refusal", "refusal": "no"}], "no"),
    ],
)
def test_content_is_a_string(content: Any, there: str) -> None:
    """Parts are joined with newlines."""
    assert native({"role": "user", "content": content}) == [{"role": "user", "content": there}]


def test_nothing_said() -> None:
    """An assistant may have said nothing; the field must be there all the same."""
    assert native(USER, {"role": "assistant", "content": None})[1] == {"role": "assistant", "content": ""}


@pytest.mark.parametrize(
    "url",
    [
        f"data:image/png;base64,{PNG}",
        f"DATA:image/png;charset=x;BASE64,{PNG}",
        "data:image/png,%89PNG%0D%0A%1A%0A",
    ],
)
def test_images(url: str) -> None:
    """Base64 beside the text, without the ``data:``, in whichever form the URL has."""
    for given in (image({"url": url, "detail": "low"}), image(url)):
        (message,) = native({"role": "user", "content": [text("look"), given, text("here"), given]})
        assert message == {"role": "user", "content": "look\nhere", "images": [PNG, PNG]}


PARTS = [
    (image({"url": "https://example.com/x.png"}), "", "must be a data: URL: Ollama fetches no images"),
    (image({"url": "data:nothing"}), "", "a data: URL must name its media type and hold data"),
    (image({}), ".image_url.url", "must be a string"),
    (image(None), ".image_url", "must be a string"),
    ({"type": "text"}, ".text", "must be a string"),
    ({"type": "text", "text": 1}, ".text", "must be a string"),
    (
        {"type": "input_audio", "input_audio": {}},
        ".type",
        "must be text or image_url: Ollama takes nothing else",
    ),
]


@pytest.mark.parametrize(("part", "path", "message"), PARTS)
def test_parts_that_cannot_be_said(part: dict[str, Any], path: str, message: str) -> None:
    """They are refused with their place: an image that is silently left out changes the answer."""
    given = {"role": "user", "content": [text("x"), part]}

    assert refused(USER, given) == Problem(f"messages.1.content.1{path}", message)


def test_tool_calls_and_results() -> None:
    """Arguments as objects, ids kept, numbers in order, each result with the name of the function that it is from."""
    history = [
        USER,
        asked(call("f", '{"a": 1}', "c1"), call("g", "", "c2")),
        said("two", "c2"),
        said([text("o"), text("ne")], "c1"),
        asked(call("g", "{}", "c3"), content="more"),
        said("three", "c3"),
    ]

    assert native(*history)[1:] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}},
                {"id": "c2", "function": {"index": 1, "name": "g", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "two", "tool_name": "g", "tool_call_id": "c2"},
        {"role": "tool", "content": "o\nne", "tool_name": "f", "tool_call_id": "c1"},
        {
            "role": "assistant",
            "content": "more",
            "tool_calls": [{"id": "c3", "function": {"index": 0, "name": "g", "arguments": {}}}],
        },
        {"role": "tool", "content": "three", "tool_name": "g", "tool_call_id": "c3"},
    ]


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ("{", {"arguments": "{"}),
        ("[]", {"arguments": []}),
        ('"x"', {"arguments": "x"}),
        ("null", {}),
        ("NaN", {"arguments": "NaN"}),
        ('{"a": 1e999}', {"arguments": '{"a": 1e999}'}),
        (None, {}),
        ({"a": 1}, {"a": 1}),
    ],
)
def test_arguments_that_are_no_object(arguments: Any, sent: Any) -> None:
    """What a model has written is quoted, as it is towards clients of such a dialect: it must not end the session."""
    answers = (said("x", "c1"), said("y", "c2"))
    _, assistant, *_ = native(USER, asked(call("f"), call("g", arguments, "c2")), *answers)

    assert assistant["tool_calls"][1]["function"]["arguments"] == sent


def test_a_result_without_its_call() -> None:
    """Nobody knows which function it is from: it is told as a user's words, and so is a call that has no result."""
    text = {"role": "user", "content": "[Result of an earlier tool call c9]\nx"}

    assert native(USER, said("x", "c9"))[1:] == [text]
    _, called, result = native(USER, asked(call()), said("x", "c9"))
    assert (result, "tool_calls" in called) == (text, False)
    assert called["content"].startswith("[Called the tool f: {}")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thinking_goes_back(field: str) -> None:
    """Under either name, in its own field, and of assistants only."""
    assert native(USER, {"role": "assistant", "content": "x", field: "hm"})[1]["thinking"] == "hm"
    assert "thinking" not in native({"role": "user", "content": "x", field: "hm"})[0]
    nothings: list[Any] = [None, "", 1, []]
    for nothing in nothings:
        assert "thinking" not in native(USER, {"role": "assistant", "content": "x", field: nothing})[1]


def test_results_in_the_old_form() -> None:
    """Role ``function`` names the function itself: it is the oldest call of that name without a result."""
    history = [USER, asked(call("f", "{}", "c1"), call("g", "{}", "c2"))]
    old = {"role": "function", "name": "g", "content": "x"}

    assert native(*history, old)[2] == {
        "role": "tool",
        "content": "x",
        "tool_name": "g",
        "tool_call_id": "c2",
    }
