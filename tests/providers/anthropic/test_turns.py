"""Tools and thinking in a conversation in Anthropic's form."""

from __future__ import annotations

from typing import Any

import pytest

from providers.anthropic.messages import conversation
from tests.support.native_kit import ask, asked, call, said, text

PNG = "data:image/png;base64,iVBORw0KGgo="
HI = {"role": "user", "content": "Hi"}
MARK = {"type": "ephemeral"}


def use(name: str = "f", arguments: Any = None, call_id: str = "c1") -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments or {}}


def result(content: Any, call_id: str = "c1") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": content}


def messages(*given: dict[str, Any]) -> list[dict[str, Any]]:
    return conversation(ask(messages=list(given)).messages).messages


def test_results_of_parallel_calls_are_one_turn_before_any_text() -> None:
    """The API wants all results in the turn after the calls, in front of everything else."""
    found = messages(
        HI,
        asked(call("f", '{"x": 1}', "c1"), call("g", "", "c2")),
        said("one", "c1"),
        {"role": "user", "content": "and?"},
        said([text("two"), {"type": "image_url", "image_url": {"url": PNG}}], "c2"),
    )

    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    assert found == [
        HI,
        {"role": "assistant", "content": [use("f", {"x": 1}, "c1"), use("g", {}, "c2")]},
        {"role": "user", "content": [result("one"), result([text("two"), image], "c2"), text("and?")]},
    ]


def test_a_call_after_words() -> None:
    """The text of a turn stands before its calls."""
    (_, turn) = messages(HI, asked(call(), content="Let me see."))

    assert turn == {"role": "assistant", "content": [text("Let me see."), use()]}


@pytest.mark.parametrize(
    ("calls", "answers", "expected"),
    [
        ([call(call_id="call:1.a b")], [said("x", "call:1.a b")], ["call_1_a_b"]),
        ([call(call_id=None)], [said("x", None)], ["call_1_0"]),
        (
            [call("f", call_id=None), call("g", call_id=None)],
            [said("x", None, name="g"), said("y", None, name="f")],
            ["call_1_1", "call_1_0"],
        ),
        (
            [call(call_id=None), call(call_id=None)],
            [said("x", None), said("y", None)],
            ["call_1_0", "call_1_1"],
        ),
    ],
    ids=["foreign-id", "no-id", "by-name", "by-order"],
)
def test_every_result_finds_its_call(calls: Any, answers: Any, expected: list[str]) -> None:
    """Ids are put into the API's alphabet on both sides; missing ones are made up, and matched by name or order."""
    _, turn, after = messages(HI, asked(*calls), *answers)

    assert expected == [block["tool_use_id"] for block in after["content"]]
    assert {block["id"] for block in turn["content"]} == set(expected)


def test_a_result_without_content_that_failed() -> None:
    """An empty result has no content; ``is_error`` and ``cache_control`` are kept."""
    *_, after = messages(HI, asked(call()), said("", is_error=True, cache_control=MARK))

    block = {"type": "tool_result", "tool_use_id": "c1", "is_error": True, "cache_control": MARK}
    assert after == {"role": "user", "content": [block]}


THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "sig"}
REDACTED = {"type": "redacted_thinking", "data": "EmwK"}


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ([{"index": 0, **THOUGHT}], [THOUGHT, text("So:"), use()]),
        ([{"index": 0, **REDACTED}, {"index": 1, **THOUGHT}], [REDACTED, THOUGHT, text("So:"), use()]),
        ([{"index": 0, **THOUGHT}, {"index": 2, **REDACTED}], [THOUGHT, text("So:"), REDACTED, use()]),
        ([{"index": 1, **THOUGHT}], [text("So:"), THOUGHT, use()]),
        ([THOUGHT, REDACTED], [THOUGHT, REDACTED, text("So:"), use()]),
        ([{"type": "thinking", "thinking": "of another vendor", "signature": None}], [text("So:"), use()]),
        ("nonsense", [text("So:"), use()]),
        ([7, None], [text("So:"), use()]),
    ],
    ids=["one", "two", "interleaved", "after-text", "no-index", "unsigned", "no-list", "no-objects"],
)
def test_thinking_goes_back_unchanged_and_in_its_place(kept: Any, expected: list[Any]) -> None:
    """Signed blocks return without our index: those that began the answer in front, later ones after its text."""
    _, turn = messages(HI, asked(call(), content="So:", thinking_blocks=kept, reasoning_content="Hm."))

    assert expected == turn["content"]


@pytest.mark.parametrize(
    ("history", "lost"),
    [
        ([HI, asked(call()), said("x")], True),
        ([HI, asked(call(), thinking_blocks=[THOUGHT]), said("x")], False),
        ([HI, asked(call(), thinking_blocks=[REDACTED]), said("x")], False),
        ([HI, asked(call()), said("x"), {"role": "assistant", "content": "Done."}, HI], False),
        ([HI], False),
    ],
    ids=["lost", "kept", "redacted", "over", "no-calls"],
)
def test_lost_thinking_is_noticed(history: list[dict[str, Any]], lost: bool) -> None:
    """Only results that answer a turn without thinking miss it; an older turn does not matter."""
    assert lost is conversation(ask(messages=history).messages).thinking_lost
