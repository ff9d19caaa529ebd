"""Whole answers from chunks and back."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.assemble import collect, explode
from tests.support.fuzz import fuzz

TEXT = st.text(min_size=1, max_size=10)
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "id": TEXT,
            "type": st.just("function"),
            "function": st.fixed_dictionaries({"name": TEXT, "arguments": TEXT}),
        }
    ),
    min_size=1,
    max_size=3,
)


@st.composite
def completions(draw: st.DrawFn) -> dict[str, Any]:
    """Completions in the canonical form."""
    choices = []
    for index in range(draw(st.integers(1, 3))):
        message: dict[str, Any] = {"role": "assistant", "content": draw(st.none() | TEXT)}
        message |= draw(st.fixed_dictionaries({}, optional={"reasoning_content": TEXT, "tool_calls": CALLS}))
        choice = {
            "index": index,
            "message": message,
            "finish_reason": draw(st.sampled_from(["stop", "length"])),
        }
        choices.append(choice)
    whole = {"id": "c", "created": 1, "model": "m", "object": "chat.completion", "choices": choices}
    return whole | draw(
        st.fixed_dictionaries({}, optional={"usage": st.just({"total_tokens": 1}), "vendor": TEXT})
    )


@fuzz
@given(completions())
def test_collecting_what_was_exploded_loses_nothing(whole: dict[str, Any]) -> None:
    """collect(explode(x)) is x."""
    assert collect(explode(whole)) == whole


def piece(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **more}]}


def test_pieces_are_joined() -> None:
    """Texts, arguments by index, log probabilities and the last usage."""
    calls = [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"x"'}},
        {"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}},
        {"index": 0, "function": {"arguments": ":1}"}},
    ]
    chunks = [
        piece({"role": "assistant", "content": None}),
        piece({"content": "a"}, logprobs={"content": [1]}),
        piece({"content": "b"}, logprobs={"content": [2]}),
        *(piece({"tool_calls": [call]}) for call in calls),
        piece({}, "tool_calls"),
        {"id": "c", "choices": [], "usage": {"total_tokens": 3}},
    ]
    (choice,) = collect(chunks)["choices"]

    assert (choice["message"]["content"], choice["finish_reason"]) == ("ab", "tool_calls")
    assert [call["function"]["arguments"] for call in choice["message"]["tool_calls"]] == ['{"x":1}', "{}"]
    assert choice["logprobs"] == {"content": [1, 2]}
    assert collect(chunks)["usage"] == {"total_tokens": 3}
