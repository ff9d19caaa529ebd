"""Tool calls, their results and thought signatures in a conversation in Gemini's form."""

from __future__ import annotations

from typing import Any

import pytest

from providers.gemini.contents import conversation
from tests.support.native_kit import USER, ask, asked, call, said, text

PNG = "data:image/png;base64,iVBORw0KGgo="
INLINE = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
OLD, NEW = "gemini-2.5-flash", "gemini-3-flash"
DUMMY = "skip_thought_signature_validator"


def contents(*given: dict[str, Any], model: str = OLD) -> list[dict[str, Any]]:
    return conversation(ask(messages=list(given)).messages, model).contents


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def signed(signature: str) -> dict[str, Any]:
    return {"extra_content": {"google": {"thought_signature": signature}}}


def function_call(name: str = "f", args: Any = None, call_id: str = "c1") -> dict[str, Any]:
    return {"functionCall": {"id": call_id, "name": name, "args": args or {}}}


def response(value: Any, name: str = "f", call_id: str = "c1", **more: Any) -> dict[str, Any]:
    return {"functionResponse": {"id": call_id, "name": name, "response": value, **more}}


def test_calls_and_results_are_objects_and_results_come_first() -> None:
    """Arguments and results are objects, ids and names are told on both sides, results stand before texts."""
    found = contents(
        USER,
        asked(call("f", '{"x": 1}', "c1"), call("g", "", "c2"), content="So:"),
        said("one", "c1"),
        {"role": "user", "content": "and?"},
        said([text("two"), {"type": "image_url", "image_url": {"url": PNG}}], "c2"),
    )

    assert found[1] == {
        "role": "model",
        "parts": [{"text": "So:"}, function_call("f", {"x": 1}), function_call("g", {}, "c2")],
    }
    answers = [response({"output": "one"}), response({"output": "two"}, "g", "c2", parts=[INLINE])]
    assert found[2] == user(*answers, {"text": "and?"})


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("sunny", {"output": "sunny"}),
        ("", {"output": ""}),
        ('{"temp": 20}', {"temp": 20}),
        ('{"output": "x", "code": 1}', {"output": {"output": "x", "code": 1}}),
        ('{"error": "no"}', {"output": {"error": "no"}}),
        ("[1, 2]", {"output": "[1, 2]"}),
        ("20", {"output": "20"}),
        ('{"x": NaN}', {"output": '{"x": NaN}'}),
    ],
)
def test_results(result: str, expected: dict[str, Any]) -> None:
    """An object is the response, unless the API would take one of its keys for the whole; all else is the output."""
    assert contents(USER, asked(call()), said(result))[2] == user(response(expected))


def test_results_without_ids() -> None:
    """They answer the calls of their name, else the oldest one without an answer."""
    calls = asked(call("f", call_id=None), call("g", call_id=None), call("f", call_id=None))

    found = contents(
        USER,
        calls,
        said("1", None, name="g"),
        said("2", None),
        {"role": "function", "name": "f", "content": "3"},
    )

    answers = [part["functionResponse"] for part in found[2]["parts"]]
    assert [(a["id"], a["name"]) for a in answers] == [
        ("call_1_1", "g"),
        ("call_1_0", "f"),
        ("call_1_2", "f"),
    ]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gemini-2.5-flash", None),
        ("models/gemini-1.5-pro", None),
        ("gemma-3-27b-it", None),
        ("gemini-3-flash", DUMMY),
        ("gemini-3.1-pro-preview", DUMMY),
        ("gemini-flash-latest", DUMMY),
        ("gemini-10-pro", DUMMY),
    ],
)
def test_calls_without_a_signature(model: str, expected: str | None) -> None:
    """Newer models answer 400 to them: the first of parallel calls gets what the vendor documents for this."""
    (_, turn, _) = contents(USER, asked(call(), call("g", call_id="c2")), said("x"), model=model)

    assert turn["parts"][0].get("thoughtSignature") == expected
    assert "thoughtSignature" not in turn["parts"][1]


def test_signatures_go_back_to_the_part_that_they_came_with() -> None:
    """A call's own, and that of a text; then none is made up."""
    calls = [call(), call("g", call_id="c2", **signed("sig-2"))]

    _, turn, _ = contents(USER, asked(*calls, content="So:", **signed("sig-t")), said("x"), model=NEW)

    assert turn["parts"] == [
        {"text": "So:", "thoughtSignature": "sig-t"},
        function_call(),
        {**function_call("g", {}, "c2"), "thoughtSignature": "sig-2"},
    ]


def test_a_signature_without_a_text() -> None:
    """It came with an empty text and goes back with one."""
    _, turn = contents(USER, {"role": "assistant", "content": None, **signed("sig")}, model=NEW)

    assert turn["parts"] == [{"text": "", "thoughtSignature": "sig"}]


@pytest.mark.parametrize(
    "extra", [{"extra_content": 1}, {"extra_content": {"google": []}}, signed(""), {"extra_content": None}]
)
def test_extra_content_of_other_form_is_ignored(extra: dict[str, Any]) -> None:
    """Other vendors may put anything there."""
    _, turn = contents(USER, {"role": "assistant", "content": "x", **extra})

    assert turn["parts"] == [{"text": "x"}]
