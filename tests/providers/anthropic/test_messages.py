"""A conversation in Anthropic's form."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.errors import InvalidRequest
from providers.anthropic.messages import conversation
from tests.support.native_kit import ask, asked, said, text

PNG = "data:image/png;base64,iVBORw0KGgo="
HI = {"role": "user", "content": "Hi"}
MARK = {"type": "ephemeral"}


def messages(*given: dict[str, Any]) -> list[dict[str, Any]]:
    return conversation(ask(messages=list(given)).messages).messages


def content_of(*parts: dict[str, Any]) -> Any:
    """What one user message with these parts becomes."""
    (message,) = messages({"role": "user", "content": list(parts)})
    return message["content"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([HI], [HI]),
        ([{"role": "user", "content": [text("Hi")]}], [HI]),
        (
            [HI, {"role": "user", "content": "again"}],
            [{"role": "user", "content": [text("Hi"), text("again")]}],
        ),
        ([HI, {"role": "assistant", "content": "Yes"}], [HI, {"role": "assistant", "content": "Yes"}]),
        ([HI, {"role": "assistant", "content": None}, HI], [{"role": "user", "content": [text("Hi")] * 2}]),
        ([HI, {"role": "assistant", "content": " \n"}], [HI]),
        (
            [HI, {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}],
            [HI, {"role": "assistant", "content": "No."}],
        ),
    ],
    ids=["text", "part", "merged", "assistant", "nothing-said", "blank", "refusal"],
)
def test_turns(given: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Neighbours of one role are one turn, a single text is a string, empty texts are left out."""
    assert expected == messages(*given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], None),
        ([{"role": "system", "content": "Be brief."}], "Be brief."),
        ([{"role": "system", "content": "  "}], None),
        (
            [{"role": "system", "content": "A"}, {"role": "developer", "content": [text("B"), text("C")]}],
            "A\n\nB\n\nC",
        ),
        (
            [{"role": "system", "content": [{**text("A"), "cache_control": MARK}, text("B")]}],
            [{**text("A"), "cache_control": MARK}, text("B")],
        ),
        (
            [{"role": "system", "content": "A", "cache_control": MARK}],
            [{**text("A"), "cache_control": MARK}],
        ),
    ],
    ids=["none", "one", "blank", "joined", "cached-part", "cached-message"],
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_system_texts_move_to_the_top(given: list[dict[str, Any]], expected: Any, place: str) -> None:
    """System and developer messages, wherever they stand, are one ``system``: a string, or blocks if they are marked."""
    history = [*given, HI] if place == "before" else [HI, *given]

    found = conversation(ask(messages=history).messages)

    assert expected == found.system
    assert [HI] == found.messages


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
            },
        ),
        (
            {"type": "image_url", "image_url": "DATA:image/JPG;base64,/9j/"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}, "cache_control": MARK},
            {
                "type": "image",
                "source": {"type": "url", "url": "https://example.org/a.png"},
                "cache_control": MARK,
            },
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
                "title": "a.pdf",
            },
        ),
        (
            {"type": "file", "file": {"file_data": "data:text/plain,za%C5%BC%C3%B3%C5%82%C4%87"}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "zażółć"}},
        ),
        (
            {"type": "file", "file": {"file_id": "file_011"}},
            {"type": "document", "source": {"type": "file", "file_id": "file_011"}},
        ),
        ({**text("Hi"), "cache_control": MARK}, {**text("Hi"), "cache_control": MARK}),
        (
            {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
            {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
        ),
    ],
    ids=["png", "short-form", "url", "pdf", "text-file", "file-id", "marked-text", "own-block"],
)
def test_parts(part: dict[str, Any], expected: dict[str, Any]) -> None:
    """Images and files become sources; the API's own blocks pass as they are; marks for the cache are kept."""
    assert [expected] == content_of(part)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ([{"role": "user", "content": ""}], "messages"),
        ([HI, asked({"id": "c1", "type": "novel"}), said("x", "c1")], "messages.1.tool_calls.0"),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages.0.content.0.text"),
        ([{"role": "user", "content": [{"type": "input_audio"}]}], "messages.0.content.0.type"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "messages.0.content.0.image_url"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}],
            "messages.0.content.0.image_url.url",
        ),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "iVBO"}]}], "messages.0.content.0"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": "data:,x"}]}],
            "messages.0.content.0",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": "data:video/mp4;base64,AA"}]}],
            "messages.0.content.0",
        ),
        ([{"role": "user", "content": [{"type": "file"}]}], "messages.0.content.0.file"),
        (
            [
                {
                    "role": "user",
                    "content": [{"type": "file", "file": {"file_data": "data:text/plain;base64,!"}}],
                }
            ],
            "messages.0.content.0.file.file_data",
        ),
    ],
)
def test_what_cannot_be_sent_is_the_clients_fault_and_named(given: list[dict[str, Any]], path: str) -> None:
    """A 400 with the path of the fault; no upstream is asked."""
    with pytest.raises(InvalidRequest) as caught:
        messages(*given)

    assert caught.value.param == path
    assert caught.value.status == 400
