"""Items of a Responses request become the messages of a conversation."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.faces.responses.input import Turns, packed, unpacked
from tests.support.fuzz import fuzz

USER: Any = {"role": "user", "content": "u"}
BLOCK: Any = {"type": "thinking", "thinking": "t", "signature": "s", "index": 0}
LATER: Any = {"type": "thinking", "thinking": "l", "signature": "s", "index": 2}


def said(text: str) -> Any:
    return {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }


def thought(text: str, *blocks: Any) -> Any:
    sealed = {"encrypted_content": packed(blocks)} if blocks else {}
    return {
        "type": "reasoning",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": text}],
        **sealed,
    }


def call(name: str) -> Any:
    return {"type": "function_call", "call_id": name, "name": name, "arguments": "{}"}


def result(name: str) -> Any:
    return {"type": "function_call_output", "call_id": name, "output": "r"}


CONVERSATIONS: dict[str, tuple[list[Any], list[str]]] = {
    "one answer is one message": (
        [thought("t"), said("a"), call("f"), call("g"), result("f"), result("g")],
        ["t|a|f g", "tool", "tool"],
    ),
    "text after a call belongs to it, for results must follow calls": (
        [call("f"), said("a"), thought("t"), call("g"), result("f"), result("g")],
        ["t|a|f g", "tool", "tool"],
    ),
    "two answers in a row stay two": ([said("a"), said("b")], ["|a|", "|b|"]),
    "a thought after a text begins a message": (
        [thought("t", BLOCK), said("a"), thought("l", LATER), call("f"), result("f")],
        ["t|a|", "l||f", "tool"],
    ),
    "a result ends a message": (
        [call("f"), result("f"), call("g"), result("g")],
        ["||f", "tool", "||g", "tool"],
    ),
    "an empty thought is none": ([{"type": "reasoning", "summary": []}, USER], ["user"]),
    "a refusal was said": (
        [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}, USER],
        ["|no|", "user"],
    ),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_what_belongs_together(name: str) -> None:
    """Thoughts | text | calls of each assistant's message, and the roles of the others."""
    items, wanted = CONVERSATIONS[name]
    turns = Turns(None, items)

    assert (turns.problems, turns.dropped) == ([], [])
    assert [outline(message) for message in turns.messages] == wanted


def outline(message: dict[str, Any]) -> str:
    if message["role"] != "assistant":
        return str(message["role"])
    calls = " ".join(one["function"]["name"] for one in message.get("tool_calls", ()))
    return f"{message.get('reasoning_content', '')}|{message['content'] or ''}|{calls}"


def test_signed_thoughts_stand_on_their_message() -> None:
    """As they were given out, each on the message that it led to."""
    items = [thought("t", BLOCK), said("a"), thought("l", LATER), call("f"), result("f")]
    messages = Turns(None, items).messages

    assert [message["thinking_blocks"] for message in messages[:2]] == [[BLOCK], [LATER]]


SEALED = [
    "gAAAAABo-from-elsewhere",
    "thinking:###",
    "thinking:" + base64.b64encode(b"{}").decode(),
    "thinking:" + base64.b64encode(b"[1]").decode(),
    "thinking:" + base64.b64encode(b"[" * 200_000).decode(),
]


@pytest.mark.parametrize("sealed", SEALED, ids=range(len(SEALED)))
def test_thoughts_of_another_origin_are_named_as_dropped(sealed: str) -> None:
    """Nobody else can read what OpenAI encrypts; the text beside it stays."""
    turns = Turns(None, [{**thought("t"), "encrypted_content": sealed}, said("a"), USER])

    assert turns.dropped == ["input.0.encrypted_content"]
    assert turns.messages[0] == {"role": "assistant", "content": "a", "reasoning_content": "t"}


@fuzz
@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none())))
def test_blocks_come_back_as_they_went(blocks: list[dict[str, Any]]) -> None:
    """Whatever a vendor puts into them."""
    assert unpacked(packed(blocks)) == blocks


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "text", "content"]), inner)
    ),
    max_leaves=5,
)
KINDS = ["message", "reasoning", "function_call", "function_call_output", "item_reference", "new"]
ITEM = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS) | VALUE},
    optional={
        name: VALUE | st.sampled_from(["user", "assistant"])
        for name in (
            "role",
            "content",
            "summary",
            "call_id",
            "name",
            "arguments",
            "output",
            "encrypted_content",
        )
    },
)


@fuzz
@given(st.lists(ITEM, max_size=4))
def test_any_input_is_messages_or_problems(items: list[dict[str, Any]]) -> None:
    """Never anything else, and each problem names its item."""
    turns = Turns(None, items)

    assert turns.messages or turns.problems
    assert all(problem.path.startswith("input") for problem in turns.problems)
