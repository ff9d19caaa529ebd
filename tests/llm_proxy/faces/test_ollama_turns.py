"""Messages of Ollama's API as canonical ones."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from llm_proxy.errors import InvalidRequest
from llm_proxy.faces.ollama.turns import Turn, conversation


def call(name: str, arguments: Any = None, **more: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **more}


def converted(*turns: dict[str, Any]) -> list[dict[str, Any]]:
    return conversation([Turn.model_validate(turn) for turn in turns])


def test_every_result_finds_its_call() -> None:
    """By id, else by name, else in order; calls without an id get one from their place."""
    calls = [call("f", {"é": 1}, id="x"), call("g"), call("f"), call("h")]
    results: list[dict[str, Any]] = [
        {"tool_name": "f", "tool_call_id": "unknown"},
        {"tool_name": "f"},
        {},
        {"tool_call_id": "call_0_3"},
    ]
    asked, *answered = converted(
        {"role": "assistant", "tool_calls": calls},
        *({"role": "tool", "content": "r", **result} for result in results),
    )

    assert [made["id"] for made in asked["tool_calls"]] == ["x", "call_0_1", "call_0_2", "call_0_3"]
    assert asked["content"] is None
    assert asked["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"é":1}'}
    assert [message["tool_call_id"] for message in answered] == ["x", "call_0_2", "call_0_1", "call_0_3"]


def test_a_result_without_a_call_keeps_its_own_id() -> None:
    """Whether that is allowed is the upstream's to judge."""
    assert [
        m.get("tool_call_id") for m in converted({"role": "tool", "tool_call_id": "i"}, {"role": "tool"})
    ] == ["i", None]


IMAGES = [
    (b"\x89PNG\r\n\x1a\n0000", "image/png"),
    (b"\xff\xd8\xff\xe0", "image/jpeg"),
    (b"GIF89a", "image/gif"),
    (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
    (b"RIFF\x00\x00\x00\x00WAVEfmt ", "application/octet-stream"),
    (b"BM", "image/bmp"),
    (b"?", "application/octet-stream"),
]


@pytest.mark.parametrize(("content", "kind"), IMAGES)
def test_images_show_their_type(content: bytes, kind: str) -> None:
    """The first bytes decide, also of files that are shorter than what is looked at."""
    data = base64.b64encode(content).decode()
    (message,) = converted({"role": "user", "images": [data]})

    assert message["content"] == [{"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}]


def test_a_data_url_passes() -> None:
    """It is not Ollama's form, but it says more."""
    url = "data:image/avif;base64,QUJD"
    (message,) = converted({"role": "user", "content": "see", "images": [url]})

    assert message["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": url}},
    ]


BAD = [
    ({"images": ["%%%%"]}, "messages.0.images.0"),
    ({"images": ["é"]}, "messages.0.images.0"),
    ({"tool_calls": [call("f"), {}]}, "messages.0.tool_calls.1.function"),
    ({"tool_calls": [call("f", "{}")]}, "messages.0.tool_calls.0.function.arguments"),
]


@pytest.mark.parametrize(("fields", "path"), BAD)
def test_what_cannot_be_read(fields: dict[str, Any], path: str) -> None:
    """The place is named."""
    with pytest.raises(InvalidRequest) as refused:
        converted({"role": "user", **fields})

    assert refused.value.param == path
