"""A conversation in Gemini's form."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.errors import InvalidRequest
from providers.gemini.contents import conversation
from tests.support.native_kit import USER, ask, said, text

PNG = "data:image/png;base64,iVBORw0KGgo="
INLINE = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
OLD = "gemini-2.5-flash"


def contents(*given: dict[str, Any], model: str = OLD) -> list[dict[str, Any]]:
    return conversation(ask(messages=list(given)).messages, model).contents


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([USER], [user({"text": "Hi"})]),
        ([USER, USER], [user({"text": "Hi"}, {"text": "Hi"})]),
        (
            [USER, {"role": "assistant", "content": "Yes"}],
            [user({"text": "Hi"}), {"role": "model", "parts": [{"text": "Yes"}]}],
        ),
        ([USER, {"role": "assistant", "content": ""}, USER], [user({"text": "Hi"}, {"text": "Hi"})]),
        ([USER, {"role": "assistant", "content": None}], [user({"text": "Hi"})]),
        ([{"role": "user", "content": [text(""), text("x")]}], [user({"text": "x"})]),
        (
            [USER, {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}],
            [user({"text": "Hi"}), {"role": "model", "parts": [{"text": "No."}]}],
        ),
    ],
    ids=["text", "merged", "assistant", "empty", "null", "empty-part", "refusal"],
)
def test_turns(given: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Roles are user and model, neighbours of one role are one turn, empty texts are left out."""
    assert expected == contents(*given)


@pytest.mark.parametrize("place", ["before", "after"])
def test_system_texts_become_the_instruction(place: str) -> None:
    """System and developer messages are joined, wherever they stand."""
    system = [{"role": "system", "content": "A"}, {"role": "developer", "content": [text("B"), text("C")]}]

    found = conversation(
        ask(messages=[*system, USER] if place == "before" else [USER, *system]).messages, OLD
    )

    assert found.system == {"parts": [{"text": "A\n\nB\n\nC"}]}
    assert found.contents == [user({"text": "Hi"})]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "image_url", "image_url": {"url": PNG}}, INLINE),
        (
            {"type": "image_url", "image_url": "data:image/svg+xml,%3Csvg%2F%3E"},
            {"inlineData": {"mimeType": "image/svg+xml", "data": "PHN2Zy8+"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://example.org/a.JPG?x=1.png"}},
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.org/a.JPG?x=1.png"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://example.org/a"}},
            {"fileData": {"fileUri": "https://example.org/a"}},
        ),
        (
            {"type": "video_url", "video_url": {"url": "gs://bucket/a.mp4"}},
            {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://bucket/a.mp4"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "UklG"}},
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}},
        ),
        (
            {"type": "file", "file": {"file_data": "JVBE"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}},
        ),
        ({"type": "file", "file": {"file_id": "files/abc"}}, {"fileData": {"fileUri": "files/abc"}}),
    ],
    ids=["data", "percent", "url", "no-ending", "video", "audio", "file", "bare file", "file-id"],
)
def test_media(part: dict[str, Any], expected: dict[str, Any]) -> None:
    """Data stands inline, addresses as file data with the type that their ending tells."""
    assert [user(expected)] == contents({"role": "user", "content": [part]})


def one(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [part]}]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ([{"role": "user", "content": ""}], "messages"),
        (
            [USER, {"role": "system", "content": [{"type": "image_url", "image_url": PNG}]}],
            "messages.1.content",
        ),
        ([USER, said("x", "nobody")], "messages.1.tool_call_id"),
        (one({"type": "document"}), "messages.0.content.0.type"),
        (one({"type": "input_audio"}), "messages.0.content.0.input_audio"),
        (
            one({"type": "input_audio", "input_audio": {"data": "x"}}),
            "messages.0.content.0.input_audio.format",
        ),
        (one({"type": "image_url", "image_url": "ftp://x"}), "messages.0.content.0"),
        (one({"type": "file", "file": {}}), "messages.0.content.0.file.file_data"),
        (one({"type": "file", "file": "x"}), "messages.0.content.0.file"),
    ],
)
def test_what_cannot_be_sent_is_the_clients_fault_and_named(given: list[dict[str, Any]], path: str) -> None:
    """A 400 with the path of the fault; no upstream is asked."""
    with pytest.raises(InvalidRequest) as caught:
        contents(*given)

    assert caught.value.param == path
