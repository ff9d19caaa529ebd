"""Pieces of what OpenRouter wants back."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.relay.assemble import collect
from llm_proxy.wire.answers import details
from tests.support.fuzz import fuzz

ENTRIES = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["reasoning.text", "reasoning.summary", "reasoning.encrypted", "new"])},
        optional={
            "text": st.text(max_size=3),
            "data": st.text(min_size=1),
            "signature": st.text(min_size=1),
            "index": st.integers(0, 1),
        },
    ),
    max_size=5,
)


@fuzz
@given(ENTRIES)
def test_pieces_are_joined(entries: list[Any]) -> None:
    """Joined twice they are the same, no text, signature or data is lost, and what came stays as it was."""
    before = [dict(entry) for entry in entries]
    joined = details.joined(entries)

    assert details.joined(joined) == joined
    assert details.said(joined) == details.said(entries)
    assert [e["data"] for e in joined if e["type"] == "reasoning.encrypted" and "data" in e] == [
        e["data"] for e in entries if e["type"] == "reasoning.encrypted" and "data" in e
    ]
    assert entries == before


def test_a_signature_comes_last_and_without_a_text() -> None:
    """As Claude's behind OpenRouter; a collected answer holds it once."""
    text = {"type": "reasoning.text", "index": 0}
    pieces = [{**text, "text": "h"}, {**text, "text": "m"}, {**text, "signature": "S"}, {**text, "text": "x"}]
    chunks = [{"choices": [{"index": 0, "delta": {"reasoning_details": [piece]}}]} for piece in pieces]
    whole = [{**text, "text": "hm", "signature": "S"}, {**text, "text": "x"}]

    assert collect(chunks)["choices"][0]["message"]["reasoning_details"] == whole
