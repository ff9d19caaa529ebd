"""What is filled into responses and events that lack what clients need, and what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.faces.responses.face import ResponsesFace
from llm_proxy.faces.responses.request import read
from llm_proxy.wire.events import ChatResponse, Chunk
from providers.openai.responses_filled import Filler
from tests.support.responses_types import check_event, check_response

CALL = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SENT = {
    "model": "m",
    "input": "x",
    "tools": [{"type": "function", "name": "f", "strict": None, "parameters": {}}],
}
#: What each event or object may lack, where it has it: numbers, places, and what says nothing.
LOST = (
    *(
        "sequence_number",
        "output_index",
        "content_index",
        "logprobs",
        "annotations",
        "summary",
        "tools",
        "tool_choice",
    ),
    *("parallel_tool_calls", "object", "cache_write_tokens", "output_tokens_details"),
)


def events() -> list[dict[str, Any]]:
    """A whole answer as the gateway itself writes it: thoughts, a text, a call."""
    face = ResponsesFace(read(SENT), 1)
    said: tuple[dict[str, Any], ...] = (
        {"reasoning_content": "hm"},
        {"content": "a"},
        {"content": "b"},
        {"tool_calls": [CALL]},
    )
    written = b"".join(face.event(Chunk({"choices": [{"delta": delta}]})) for delta in said)
    usage = {"usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}, "choices": []}
    written += face.event(Chunk(usage)) + face.end()
    return [json.loads(line[6:]) for line in written.splitlines() if line.startswith(b"data: ")]


def without(value: Any, names: tuple[str, ...]) -> Any:
    """``value`` without these fields, at any depth."""
    if isinstance(value, list):
        return [without(one, names) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: without(one, names) for name, one in value.items() if name not in names}


def test_what_lacks_nothing_stays_the_same_object() -> None:
    """Event and response; no event is put before another."""
    filler = Filler(SENT, "m")
    for event in events():
        assert filler.before(event["type"], event) == []
        assert filler.event(event) is event
    response = json.loads(
        ResponsesFace(read(SENT), 1).whole(ChatResponse({"choices": [{"message": {"content": "x"}}]}))
    )
    assert Filler(SENT, "m").whole(response) is response


@pytest.mark.parametrize("lost", [LOST, *((name,) for name in LOST)], ids=lambda lost: "+".join(lost)[:30])
def test_what_is_missing_is_what_it_was(lost: tuple[str, ...]) -> None:
    """Each field alone and all at once: the numbers are those that were left out, and the client's types are content."""
    filler = Filler(SENT, "m")
    for event in events():
        bare = without(event, lost)
        filled = filler.event(bare)
        check_event(filled)
        for name in ("sequence_number", "output_index", "content_index"):
            assert filled.get(name) == event.get(name), event["type"]
        told = {name: filled[name] for name in bare if name != "response"}
        assert without(told, lost) == {name: bare[name] for name in told}


def test_a_bare_response() -> None:
    """As llama.cpp writes it: with what was asked for."""
    part = {"type": "output_text", "text": "hi"}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
    made = Filler({**SENT, "temperature": 0.5}, "m").whole({"id": "resp_1", "output": [item]})
    check_response(made)
    assert (made["model"], made["temperature"], made["status"]) == ("m", 0.5, "completed")
    assert made["tools"][0]["name"] == "f"


@pytest.mark.parametrize(
    ("limit", "spent", "status"), [(5, 5, "incomplete"), (6, 5, "completed"), (None, 5, "completed")]
)
def test_an_end_at_the_limit(limit: int | None, spent: int, status: str) -> None:
    """Is told as one, in the response and in the event."""
    response = {"id": "r", "status": "completed", "output": [], "usage": {"output_tokens": spent}}
    filler = Filler({"model": "m", "input": "x", "max_output_tokens": limit}, "m")
    made = filler.event({"type": "response.completed", "response": response})
    assert made["type"] == f"response.{status}"
    assert made["response"]["status"] == status
    assert bool(made["response"]["incomplete_details"]) == (status == "incomplete")


def test_the_end_of_arguments() -> None:
    """Is told before the call is done, once, and not where events have numbers of their own."""
    item = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
    done: dict[str, Any] = {"type": "response.output_item.done", "item": item}
    filler = Filler(SENT, "m")
    filler.event({"type": "response.output_item.added", "item": item})
    (told,) = filler.before(done["type"], done)
    check_event(told)
    assert (told["arguments"], told["item_id"]) == ("{}", "fc_1")
    filler.before("response.function_call_arguments.done", told)
    assert filler.before(done["type"], done) == []
    assert Filler(SENT, "m").before(done["type"], {**done, "sequence_number": 3}) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from([event["type"] for event in events()]) | st.text(max_size=8)
NAMES = (
    "item",
    "item_id",
    "part",
    "response",
    "output_index",
    "sequence_number",
    "output",
    "content",
    "usage",
    "status",
    "id",
)


@given(
    st.lists(st.tuples(KINDS, st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4)), max_size=5), JSON
)
def test_whatever_comes_passes(told: list[tuple[str, dict[str, Any]]], given: Any) -> None:
    """What the upstream wrote is in what is told, whatever it is; nothing is raised."""
    filler = Filler(
        {"model": "m", "tools": given, "text": given, "reasoning": given, "max_output_tokens": given}, "m"
    )
    for kind, fields in told:
        value = {"type": kind, **fields}
        filler.before(kind, value)
        assert value.keys() <= filler.event(value).keys()
