"""What an upstream wants back, in the signature of a block of thinking."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.answers import sealed
from tests.support.fuzz import fuzz

VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2), max_leaves=3
)
DETAILS = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["reasoning.text", "reasoning.summary", "reasoning.encrypted", "new"])},
        optional={
            "text": st.text(max_size=3),
            "data": st.text(min_size=1),
            "signature": st.text(min_size=1),
            "index": st.integers(0, 1),
            "x": VALUES,
        },
    ),
    max_size=5,
)


@fuzz
@given(DETAILS, st.integers(0, 5))
def test_what_went_in_comes_out(details: list[Any], at: int) -> None:
    """In one block or in two, with others of other origin between them; joined once or twice, the same."""
    blocks = [
        sealed.block("t", {"reasoning_details": details[:at]}),
        {"type": "thinking", "thinking": "x", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "x"},
        sealed.block("", {"reasoning_details": details[at:]}),
    ]
    joined = sealed.joined(details)

    assert sealed.restored(blocks) == ({"reasoning_details": joined} if joined else {})
    assert sealed.joined(joined) == joined
    assert sealed.said(joined) == sealed.said(details)


def made(value: Any) -> str:
    return "message:" + base64.b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "signature",
    [
        None,
        7,
        "",
        "google:x",
        "message:%",
        "message:" + "W" * 7,
        made([1]),
        made({"role": "system", "content": "x"}),
        made("x" * 10),
    ],
)
def test_what_a_client_invents_is_nothing(signature: Any) -> None:
    """Only the fields that are meant for it come out, whatever a client writes there."""
    assert sealed.restored([{"signature": signature}, None]) == {}


def test_an_opaque_text() -> None:
    """GitHub Copilot's."""
    assert sealed.restored([sealed.block("", {"reasoning_opaque": "O"})]) == {"reasoning_opaque": "O"}
