"""Whole answers from chunks and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.errors import UpstreamError
from llm_proxy.relay.assemble import collect, explode
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
LOGPROBS = st.fixed_dictionaries({"content": st.lists(st.integers(), min_size=1), "refusal": st.just([])})


@st.composite
def completions(draw: st.DrawFn) -> dict[str, Any]:
    """Completions in the canonical form."""
    choices = []
    for index in range(draw(st.integers(1, 3))):
        message: dict[str, Any] = {"role": "assistant", "content": draw(st.none() | TEXT)}
        message |= draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "reasoning_content": TEXT,
                    "refusal": TEXT,
                    "annotations": st.lists(TEXT),
                    "tool_calls": CALLS,
                },
            )
        )
        choice = {
            "index": index,
            "message": message,
            "finish_reason": draw(st.sampled_from(["stop", "length"])),
        }
        choices.append(
            choice | draw(st.fixed_dictionaries({}, optional={"stop_reason": TEXT, "logprobs": LOGPROBS}))
        )
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


@pytest.mark.parametrize("field", ["content", "reasoning_content", "reasoning", "refusal"])
def test_texts_are_joined(field: str) -> None:
    """Each of them, with nulls between."""
    (choice,) = collect(piece({field: text}) for text in ("a", None, "", "b"))["choices"]

    assert choice["message"][field] == "ab"


def calls_of(*pieces: list[dict[str, Any]]) -> list[tuple[str | None, str, str]]:
    """Id, name and arguments of the calls that come in ``pieces``."""
    (choice,) = collect(piece({"tool_calls": calls}) for calls in pieces)["choices"]
    calls = choice["message"]["tool_calls"]
    return [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls]


def part(
    call_id: str | None = None, name: str | None = None, arguments: str | None = None, **more: Any
) -> dict[str, Any]:
    return {"id": call_id, "function": {"name": name, "arguments": arguments}, **more}


def test_calls_without_an_index() -> None:
    """Some servers leave it out: a new id is a new call, no id or the same goes on with the latest."""
    both = [("a", "f", '{"x":1}'), ("b", "g", "{}")]

    assert calls_of([part("a", "f", '{"x"')], [part(None, None, ":1}")], [part("b", "g", "{}")]) == both
    assert calls_of([part("a", "f", '{"x":1}'), part("b", "g", "{}")]) == both
    assert (
        calls_of([part("a", "f", '{"x"')], [part("a", None, ":1}")], [part("b", "g", "{}", index=None)])
        == both
    )


def test_an_index_is_only_a_name() -> None:
    """Gaps and any order are fine; a huge one costs nothing."""
    pieces = [[part("b", "g", "{}", index=10**12)], [part("a", "f", "{}", index=3)]]

    assert calls_of(*pieces) == [("a", "f", "{}"), ("b", "g", "{}")]


def test_fields_without_a_rule() -> None:
    """Lists grow, anything else is kept as it came last, of messages and of choices."""
    chunks = [
        piece({"annotations": [1], "vendor": {"x": 1}}, stop_reason=None),
        piece({"annotations": [2], "vendor": {"x": 2}}, "stop", stop_reason=7),
        piece({"annotations": None, "vendor": None}),
    ]
    (choice,) = collect(chunks)["choices"]

    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "annotations": [1, 2],
        "vendor": {"x": 2},
    }
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", 7)


def test_choices_are_kept_apart() -> None:
    """By their index, in its order; a missing one is the first."""
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 1, "delta": {"content": "b"}}, {"delta": {"content": "a"}}]},
        {"choices": [{"index": 0, "delta": {"content": "A"}}]},
        {"choices": [{"index": 1, "delta": {"content": "B"}}]},
    ]

    assert [(c["index"], c["message"]["content"]) for c in collect(chunks)["choices"]] == [
        (0, "aA"),
        (1, "bB"),
    ]


@pytest.mark.parametrize(
    "delta",
    [
        {"content": 1},
        {"content": ["x"]},
        {"tool_calls": {}},
        {"tool_calls": [1]},
        {"tool_calls": [{"index": "0"}]},
        {"tool_calls": [{"index": True}]},
        {"tool_calls": [{"function": "f"}]},
        {"tool_calls": [{"function": {"arguments": {}}}]},
    ],
)
def test_pieces_that_do_not_fit(delta: dict[str, Any]) -> None:
    """They are the upstream's fault, and said to be."""
    with pytest.raises(UpstreamError) as caught:
        collect([piece({"content": "x"}), piece(delta)])

    assert (caught.value.status, caught.value.phase, caught.value.kind) == (502, "body", "event")


@pytest.mark.parametrize("calls", ["x", {"a": 1}, [1]])
def test_a_message_that_cannot_be_told_in_pieces(calls: Any) -> None:
    """The same for the other direction."""
    with pytest.raises(UpstreamError):
        explode({"choices": [{"index": 0, "message": {"tool_calls": calls}}]})


def test_the_order_of_chunks() -> None:
    """Role and message, then the end, for each choice; usage last and alone."""
    message = {"content": "x", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]}
    chunks = explode(
        {"id": "c", "choices": [{"message": message, "finish_reason": "stop"}], "usage": {"total_tokens": 1}}
    )

    assert [chunk["object"] for chunk in chunks] == ["chat.completion.chunk"] * 3
    assert [chunk["id"] for chunk in chunks] == ["c"] * 3
    first, end = (chunk["choices"][0] for chunk in chunks[:2])
    assert list(first["delta"]) == ["role", "content", "tool_calls"]
    assert (first["index"], end["index"], first["delta"]["tool_calls"][0]["index"]) == (0, 0, 0)
    assert (first["finish_reason"], end["delta"], end["finish_reason"]) == (None, {}, "stop")
    assert (chunks[2]["choices"], chunks[2]["usage"]) == ([], {"total_tokens": 1})
    assert "usage" not in chunks[0]
