"""Pictures in ``data:`` addresses, as the vendors that look at them want them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from providers.discovery import discover
from tests.support.native_kit import ask, body_of, row

PROVIDERS = discover()
PNG, JPEG = b"\x89PNG\r\n\x1a\n" + b"0" * 60, b"\xff\xd8\xff\xe0" + b"0" * 60
GIF, WEBP, OTHER = b"GIF89a" + b"0" * 60, b"RIFF\x10\x00\x00\x00WEBPVP8 " + b"0" * 60, b"0" * 60

CASES: list[tuple[bytes, str, str]] = [
    (PNG, "image/png", "image/png"),
    (PNG, "image/jpeg", "image/png"),
    (JPEG, "image/jpg", "image/jpeg"),
    (JPEG, "IMAGE/PNG", "image/jpeg"),
    (GIF, "image/png;charset=utf-8", "image/gif"),
    (WEBP, "image/jpeg", "image/webp"),
    (OTHER, "image/jpg", "image/jpeg"),
    (OTHER, "image/heic", "image/heic"),
]


def sent(api_type: str, url: str) -> tuple[str, str]:
    """Media type and data that reach the upstream."""
    part = {"type": "image_url", "image_url": {"url": url}}
    body: Any = body_of(
        PROVIDERS[api_type].chat_call(ask(messages=[{"role": "user", "content": [part]}]), row(api_type, "m"))
    )
    if api_type == "anthropic":
        source = body["messages"][0]["content"][0]["source"]
        return source["media_type"], source["data"]
    blob = body["contents"][0]["parts"][0]["inlineData"]
    return blob["mimeType"], blob["data"]


@pytest.mark.parametrize("api_type", ["anthropic", "gemini"])
@pytest.mark.parametrize(("data", "called", "kind"), CASES)
def test_a_picture_is_called_what_it_is(api_type: str, data: bytes, called: str, kind: str) -> None:
    """A PNG that is called JPEG is refused, and so is a name that nobody has registered."""
    text = base64.b64encode(data).decode()

    assert sent(api_type, f"data:{called};base64,{text}") == (kind, text)


@pytest.mark.parametrize("api_type", ["anthropic", "gemini"])
def test_base64_in_lines(api_type: str) -> None:
    """As libraries for mail write it."""
    lines = base64.encodebytes(PNG * 4).decode().replace("\n", "\r\n")

    assert sent(api_type, f"data:image/png;base64,{lines}") == (
        "image/png",
        base64.b64encode(PNG * 4).decode(),
    )
