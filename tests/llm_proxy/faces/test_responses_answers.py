"""What vendors add to an answer comes out of the Responses face in the place that the API has for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_proxy.faces.responses.face import ResponsesFace
from llm_proxy.faces.responses.input import Turns
from llm_proxy.faces.responses.request import read
from llm_proxy.wire.events import ChatResponse, Chunk
from tests.support.responses_reader import Reader, parsed
from tests.support.responses_types import check_event, check_response

WAYS = pytest.mark.parametrize("whole", [True, False])
SOURCE: Any = {"start_index": 0, "end_index": 5, "title": "S", "url": "http://s"}
CITED: Any = {"type": "url_citation", "url_citation": SOURCE}
DETAILS: list[Any] = [
    {"type": "reasoning.text", "text": "hm", "signature": None, "index": 0, "format": "anthropic-claude-v1"},
    {"type": "reasoning.encrypted", "data": "SIG", "id": "x1", "format": "google-gemini-v1", "index": 1},
]
CALL: Any = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
EXTRA: Any = {"google": {"thought_signature": "sig"}}


def a_face(**fields: Any) -> ResponsesFace:
    return ResponsesFace(read({"model": "m", "input": "q", **fields}), 1, clock=lambda: 2)


def answered(
    message: dict[str, Any], whole: bool, face: ResponsesFace | None = None, finish: str = "stop"
) -> Any:
    """The response for a message, whole or in one delta for each of its fields; the official types take all of it."""
    face = face or a_face()
    if whole:
        response = json.loads(
            face.whole(ChatResponse({"choices": [{"message": message, "finish_reason": finish}]}))
        )
        check_response(response)
        return response
    chunks = [Chunk({"choices": [{"delta": {name: value}}]}) for name, value in message.items()]
    last = Chunk({"choices": [{"delta": {}, "finish_reason": finish}]})
    events = parsed(face.events([*chunks, last]) + face.end())
    Reader().read(json.loads(json.dumps(events)))
    for event in events:
        check_event(event)
    return events[-1]["response"]


@WAYS
@pytest.mark.parametrize("order", [("content", "annotations"), ("annotations", "content")])
def test_sources_of_a_text(order: tuple[str, str], whole: bool) -> None:
    """They stand in its part, in this API's form, whichever comes first."""
    fields: dict[str, Any] = {"content": "rainy", "annotations": [CITED]}
    response = answered({name: fields[name] for name in order}, whole)

    assert [part["annotations"] for part in response["output"][0]["content"]] == [
        [{"type": "url_citation", **SOURCE}]
    ]
    assert response["output"][0]["content"][0]["text"] == "rainy"


ODD: list[tuple[Any, Any]] = [
    (
        {"url": "http://s"},
        {"type": "url_citation", "start_index": 0, "end_index": 0, "title": "", "url": "http://s"},
    ),
    (
        {"type": "url_citation", "url_citation": {**SOURCE, "start_index": 0.0, "content": "more"}},
        {"type": "url_citation", **SOURCE, "content": "more"},
    ),
    ({"type": "url_citation", **SOURCE}, {"type": "url_citation", **SOURCE}),
    (
        {"type": "file_citation", "file_citation": {"file_id": "f", "filename": "n", "index": 1}},
        {"type": "file_citation", "file_id": "f", "filename": "n", "index": 1},
    ),
]


@WAYS
@pytest.mark.parametrize(("given", "wanted"), ODD, ids=str)
def test_sources_as_vendors_write_them(given: Any, wanted: Any, whole: bool) -> None:
    """Flat or deep, with fields of their own, or hardly any."""
    response = answered({"content": "rainy", "annotations": [given]}, whole)

    assert response["output"][0]["content"][0]["annotations"] == [wanted]


@WAYS
def test_sources_without_a_text(whole: bool) -> None:
    """After a call, or alone: they are not lost."""
    response = answered({"tool_calls": [CALL | {"index": 0}], "annotations": [CITED]}, whole)

    found = [item for item in response["output"] if item["type"] == "message"]
    assert [part["annotations"] for part in found[0]["content"]] == [[{"type": "url_citation", **SOURCE}]]
    assert len(response["output"]) == 2


@WAYS
@pytest.mark.parametrize("order", [("reasoning", "reasoning_details"), ("reasoning_details", "reasoning")])
def test_details_of_reasoning_go_out_and_come_back(order: tuple[str, str], whole: bool) -> None:
    """OpenRouter wants them as they were, with the calls (F26): they travel in the opaque place."""
    fields: dict[str, Any] = {"reasoning": "hm", "reasoning_details": DETAILS}
    message = {**{name: fields[name] for name in order}, "tool_calls": [CALL | {"index": 0}]}
    output = answered(message, whole, finish="tool_calls")["output"]
    back = Turns(None, [*output, {"type": "function_call_output", "call_id": "c1", "output": "r"}]).messages

    assert back[0]["reasoning_details"] == DETAILS
    assert back[0]["reasoning_content"] == "hm"
    assert [message["role"] for message in back] == ["assistant", "tool"]


def test_details_that_come_in_pieces_and_late() -> None:
    """The pieces of one text are one entry again; what comes behind a call stands in an item behind it."""
    face = a_face()
    pieces: list[Any] = [
        {"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a", "index": 0}]},
        {
            "reasoning": "b",
            "reasoning_details": [{"type": "reasoning.text", "text": "b", "index": 0, "signature": "s"}],
        },
        {"tool_calls": [CALL | {"index": 0}]},
        {"reasoning_details": [DETAILS[1]]},
    ]
    events = parsed(face.events([Chunk({"choices": [{"delta": delta}]}) for delta in pieces]) + face.end())
    output = events[-1]["response"]["output"]
    back = Turns(None, [*output, {"type": "function_call_output", "call_id": "c1", "output": "r"}]).messages

    assert [item["type"] for item in output] == ["reasoning", "function_call", "reasoning"]
    assert back[0]["reasoning_details"] == [
        {"type": "reasoning.text", "text": "ab", "index": 0, "signature": "s"},
        DETAILS[1],
    ]


@WAYS
@pytest.mark.parametrize("included", [True, False])
def test_the_signature_of_a_call(included: bool, whole: bool) -> None:
    """It stands on the item, and, for a client that keeps nothing else, in the opaque place if that was asked for."""
    face = a_face(include=["reasoning.encrypted_content"] if included else [])
    call = {**CALL, "index": 0, "extra_content": EXTRA}
    output = answered({"tool_calls": [call]}, whole, face, finish="tool_calls")["output"]
    kept = [{name: value for name, value in item.items() if name != "extra_content"} for item in output]
    back = [
        Turns(None, [*items, {"type": "function_call_output", "call_id": "c1", "output": "r"}]).messages[0]
        for items in (output, kept)
    ]

    assert back[0]["tool_calls"][0]["extra_content"] == EXTRA
    assert back[1]["tool_calls"][0].get("extra_content") == (EXTRA if included else None)


@WAYS
def test_a_refusal(whole: bool) -> None:
    """It is a part of its own, and goes back as what was said."""
    response = answered({"content": None, "refusal": "No."}, whole)

    assert response["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]
    assert Turns(None, response["output"]).messages == [{"role": "assistant", "content": "No."}]


@WAYS
def test_a_picture(whole: bool) -> None:
    """An item with its data; one by address is told in the text."""
    pictures = ["data:image/png;base64,aaaa", "http://p/1.png"]
    images = [{"type": "image_url", "image_url": {"url": url}} for url in pictures]
    output = answered({"content": "see", "images": images}, whole)["output"]

    assert [item["type"] for item in output] == ["message", "image_generation_call", "message"]
    assert (output[1]["result"], output[1]["output_format"]) == ("aaaa", "png")
    assert output[2]["content"][0]["text"] == "![](http://p/1.png)"


#: What the suite of Open Responses (openresponses.org) wants in every response object, and of which type.
WANTED: dict[str, Any] = {
    "id": str,
    "object": str,
    "created_at": int,
    "status": str,
    "model": str,
    "output": list,
    "tools": list,
    "completed_at": int,
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "background": bool,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": dict,
    "parallel_tool_calls": bool,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": dict,
    "safety_identifier": None,
    "presence_penalty": int,
    "frequency_penalty": int,
    "service_tier": str,
    "store": bool,
    "temperature": int,
    "text": dict,
    "tool_choice": str,
    "top_logprobs": int,
    "top_p": int,
    "truncation": str,
    "usage": None,
}


@pytest.mark.parametrize("finish", ["stop", "length"])
def test_every_field_is_there(finish: str) -> None:
    """In the whole object and in each event that has one; a response that did not complete has not completed."""
    face = a_face(tools=[{"type": "function", "name": "f"}])
    chunks = [Chunk({"choices": [{"delta": {"content": "x"}, "finish_reason": finish}]})]
    events = parsed(face.events(chunks) + face.end())
    responses = [event["response"] for event in events if "response" in event]
    face = a_face(tools=[{"type": "function", "name": "f"}])
    data = {"choices": [{"message": {"content": "x"}, "finish_reason": finish}]}
    responses.append(json.loads(face.whole(ChatResponse(data))))

    for response in responses:
        missing = {
            name
            for name, kind in WANTED.items()
            if name not in response
            or not (response[name] is None or isinstance(response[name], kind or object))
        }
        assert missing == set()
        assert (response["temperature"], response["top_p"], response["service_tier"]) == (1, 1, "default")
        assert (response["presence_penalty"], response["frequency_penalty"]) == (0, 0)
        assert response["tools"] == [
            {"type": "function", "name": "f", "description": None, "parameters": None, "strict": None}
        ]
    ends = [response["completed_at"] for response in responses]
    assert ends == ([None, None, 2, 2] if finish == "stop" else [None] * 4)


def test_what_was_asked_is_echoed() -> None:
    """And the tier that the upstream says it used."""
    asked = {
        "temperature": 0.5,
        "top_p": 0.25,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "service_tier": "priority",
    }
    data = {"choices": [{"message": {"content": "x"}}], "service_tier": "flex"}
    got = json.loads(a_face(**asked).whole(ChatResponse(data)))

    assert {name: got[name] for name in asked} == {**asked, "service_tier": "flex"}
    assert json.loads(a_face(**asked).whole(ChatResponse({"choices": []})))["service_tier"] == "default"
