"""Calls and results of a history, in pairs: what has no partner is told as text, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.faces.call_ids import CallIds, clean
from llm_proxy.faces.pairs import paired
from tests.support.growth import ALLOWED, growth

USER: Any = {"role": "user", "content": "q"}


def call(call_id: str | None, name: str = "f") -> Any:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": '{"a":1}'}}


def asked(*calls: Any, content: Any = None) -> Any:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def said(call_id: str | None, content: Any = "r", **more: Any) -> Any:
    return {"role": "tool", "tool_call_id": call_id, "content": content, **more}


@pytest.mark.parametrize(
    "messages",
    [
        [USER],
        [USER, asked(call("1"), call("2")), said("2"), said("1"), USER],
        [USER, asked(call("1")), said("1"), asked(call("1")), said("1")],
        [{"role": "system", "content": "s"}, USER, {"role": "assistant", "content": "a"}],
    ],
)
def test_what_is_in_order_stays(messages: list[Any]) -> None:
    """The same object comes back, and nothing is named."""
    found, told = paired(messages)

    assert found is messages
    assert told == ()


LOST = '[Called the tool f: {"a":1}; there is no result of it.]'


@pytest.mark.parametrize(
    ("messages", "expected", "told"),
    [
        (
            [said("9"), USER],
            [{"role": "user", "content": "[Result of an earlier tool call 9]\nr"}, USER],
            ("messages.0 (told as text)",),
        ),
        (
            [USER, asked(call("1")), USER],
            [USER, {"role": "assistant", "content": LOST}, USER],
            ("messages.1.tool_calls (told as text)",),
        ),
        (
            [USER, asked(call("1"), call("2"), content="Both."), said("2"), USER],
            [USER, {**asked(call("2")), "content": f"Both.\n\n{LOST}"}, said("2"), USER],
            ("messages.1.tool_calls (told as text)",),
        ),
        (
            [asked(call("1"), content=[{"type": "text", "text": "x"}])],
            [
                {
                    "role": "assistant",
                    "content": [{"type": "text", "text": "x"}, {"type": "text", "text": LOST}],
                }
            ],
            ("messages.0.tool_calls (told as text)",),
        ),
        (
            [USER, asked(call("1")), said("1"), said("1", [{"type": "text", "text": "again"}])],
            [
                USER,
                asked(call("1")),
                said("1"),
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "[Result of an earlier tool call 1]"},
                        {"type": "text", "text": "again"},
                    ],
                },
            ],
            ("messages.3 (told as text)",),
        ),
    ],
    ids=["result", "call", "one-of-two", "parts", "second-result"],
)
def test_orphans_are_told(messages: list[Any], expected: list[Any], told: tuple[str, ...]) -> None:
    """After a compaction a result may have no call, or a call no result: each vendor refuses both for ever after."""
    assert paired(messages) == (expected, told)


def test_results_follow_their_calls_at_once() -> None:
    """Whatever was said in between, by a user, by the system, or by the assistant itself."""
    other: Any = {"role": "system", "content": "s"}
    more: Any = {"role": "assistant", "content": "more"}

    assert paired([USER, asked(call("1")), more, other, USER, said("1")]) == (
        [USER, asked(call("1")), said("1"), more, other, USER],
        (),
    )


def test_ids_that_are_missing_or_the_same() -> None:
    """A result without an id is that of the call with its name, or of the oldest; two calls of one id are two."""
    found, told = paired(
        [asked(call(None, "f"), call(None, "g")), said(None, "G", name="g"), said(None, "F")]
    )
    assert told == ()
    assert [c["id"] for c in found[0]["tool_calls"]] == [m["tool_call_id"] for m in found[1:]]
    assert [m["content"] for m in found[1:]] == ["F", "G"]

    found, told = paired([asked(call("x"), call("x")), said("x", "1"), said("x", "2")])
    assert told == ()
    assert [m["tool_call_id"] for m in found[1:]] == [c["id"] for c in found[0]["tool_calls"]]
    assert len({c["id"] for c in found[0]["tool_calls"]}) == 2


def test_calls_before_there_were_tools() -> None:
    """``function_call`` and the role ``function`` become a call and its result."""
    legacy: Any = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}

    found, told = paired([USER, legacy, {"role": "function", "name": "f", "content": "r"}])

    assert told == ()
    assert found[1]["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
    assert "function_call" not in found[1]
    assert (found[2]["role"], found[2]["tool_call_id"]) == ("tool", found[1]["tool_calls"][0]["id"])


def test_a_long_history_costs_little() -> None:
    """Calls without results, and results without calls: in proportion, whatever they are called."""

    def history(count: int) -> tuple[list[Any], list[Any]]:
        nameless = [
            asked(*(call(None, "f") for _ in range(count))),
            *(said(None, name="g") for _ in range(count)),
        ]
        return nameless, [asked(*(call("x") for _ in range(count))), *(said("y") for _ in range(count))]

    assert growth(history, lambda both: [paired(one) for one in both], 2500) <= ALLOWED

    ids = CallIds()
    assert len({ids.asked("x") for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("toolu_01AbC-9", "toolu_01AbC-9"),
        ("functions.Bash:0", "functions_Bash_0"),
        ("call_é", "call__"),
    ],
)
def test_ids_that_anthropic_takes(given: str, sent: str) -> None:
    """Sound ids stay, and any other is put into the same form each time."""
    assert clean(given) == sent


def test_no_two_calls_have_one_id() -> None:
    """Not even those that differ in refused letters only, begin anew with each answer, or are long; a result finds its
    call."""
    ids = CallIds()
    given = ["a.b", "a:b", "a.b", "a_b_2", "s" * 300, "s" * 300 + "t"]
    made = []
    for call_id in given:
        made.append(ids.asked(call_id))
        assert ids.answered(call_id) == made[-1]

    assert len(set(made)) == len(given)
    assert all(len(call_id) <= 64 for call_id in made)
    assert ids.answered("never.asked") == "never_asked"
