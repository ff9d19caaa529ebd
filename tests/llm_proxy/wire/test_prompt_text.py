"""What a prompt begins with."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.wire.prompt_text import opening_of


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"messages": [{"role": "user", "content": "hi"}], "tools": [{"name": "t"}]}, "tuserhi"),
        ({"system": "be", "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}, "beusertexthi"),
        ({"instructions": "be", "input": "hi"}, "behi"),
        ({"systemInstruction": {"parts": [{"text": "be"}]}, "contents": [{"parts": [{"text": "hi"}]}]}, "behi"),
        ({"prompt": "hi"}, "hi"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x" * 99}}]}]}, "userimage_url"),
    ],
)  # fmt: skip
def test_in_every_dialect(body: dict[str, Any], text: str) -> None:
    """Instructions and tools first, then the turns; pictures are passed over."""
    found = opening_of(body, 1000)

    assert found is not None
    assert found.text == text


def test_the_first_turn_ends_where_all_later_requests_agree() -> None:
    """What a conversation's first request and its later ones have in common."""
    first: dict[str, Any] = {
        "messages": [{"role": "system", "content": "be"}, {"role": "user", "content": "hi"}]
    }
    later = {
        "messages": [
            *first["messages"],
            {"role": "assistant", "content": "yes"},
            {"role": "user", "content": "so"},
        ]
    }

    one, two = opening_of(first, 1000), opening_of(later, 1000)

    assert one is not None
    assert two is not None
    assert one.first == two.first == len(one.text)
    assert two.text.startswith(one.text)


@pytest.mark.parametrize(
    "body", [{}, {"messages": 5}, {"messages": [], "input": None}, {"messages": [[[[1]]]]}]
)
def test_nothing_to_go_by(body: dict[str, Any]) -> None:
    """No prompt, no opening."""
    assert opening_of(body, 1000) is None


def test_its_cost_is_bounded() -> None:
    """However deep and long a body is, no more is read than was asked for."""
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    found = opening_of({"messages": [deep, "y" * 10_000_000, "z"]}, 100)

    assert found is not None
    assert found.text == "y" * 100
