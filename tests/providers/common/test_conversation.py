"""What native dialects have no place for in messages is reported, like a parameter."""

from __future__ import annotations

from typing import Any

import pytest

from providers.discovery import discover
from tests.support.native_gateway import PIXEL
from tests.support.native_kit import USER, WEATHER, ask, asked, call, row, said

ADAPTERS = discover()
NATIVE = pytest.mark.parametrize("name", ["anthropic", "gemini", "ollama"])


def dropped(adapter: str, *messages: Any) -> tuple[str, ...]:
    request = ask(messages=list(messages), tools=[WEATHER])
    return ADAPTERS[adapter].chat_call(request, row(adapter, "up")).dropped


def picture(**more: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{**PIXEL, "image_url": {**PIXEL["image_url"], **more}}]}  # type: ignore[dict-item]


@NATIVE
def test_who_speaks(name: str) -> None:
    """The name of a speaker, told once."""
    assert dropped(name, {**USER, "name": "bob"}, {**USER, "name": "eve"}) == ("messages.name",)


@NATIVE
def test_how_a_picture_is_seen(name: str) -> None:
    """A degree of detail, unless it is left to the vendor."""
    assert dropped(name, picture(detail="low")) == ("image_url.detail",)
    assert dropped(name, picture(detail="auto"), picture()) == ()


@NATIVE
def test_the_name_of_a_function(name: str) -> None:
    """It finds the call that a result belongs to, so it is not lost."""
    assert dropped(name, USER, asked(call("f")), said("x", None, name="f")) == ()


@pytest.mark.parametrize("name", ["openai", "vllm"])
def test_the_canonical_dialect_has_both(name: str) -> None:
    """There they pass."""
    assert dropped(name, {**USER, "name": "bob"}, picture(detail="low")) == ()
