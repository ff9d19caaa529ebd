"""Names of tools that a vendor does not take: others on the way there, the client's own in what comes back."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.events import Chunk, Done
from providers.discovery import discover
from providers.vendors import VENDORS
from tests.support.native_kit import USER, ask, asked, body_of, call, decoded, said

OPENAI = discover()["openai"]
LONG = "mcp__a_server_with_a_long_name__" + "x" * 60
ODD = [LONG, LONG + "y", "files.read", "files/read", "7zip", "żółw", "a b"]
GOOD = ["f", "get_weather", "mcp__docs__search", "A-b", "x" * 64]
GRAMMAR = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")


def tool(name: str) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {}}},
    }


def request(**more: Any) -> Any:
    """All of them declared, one chosen, each called already."""
    calls = [call(name, call_id=f"c{at}") for at, name in enumerate(ODD + GOOD)]
    return ask(
        tools=[tool(name) for name in ODD + GOOD],
        tool_choice={"type": "function", "function": {"name": LONG}},
        messages=[
            USER,
            asked(*calls),
            *(said("x", f"c{at}", name=name) for at, name in enumerate(ODD + GOOD)),
        ],
        **more,
    )


def sent(vendor: str) -> dict[str, Any]:
    return body_of(
        OPENAI.chat_call(request(), Deployment("p", "m", "openai", "http://h", "m", vendor=vendor))
    )


@pytest.mark.parametrize("vendor", VENDORS)
def test_on_the_way_there(vendor: str) -> None:
    """In the grammar, one for each, the same in every place; what fits, and what goes to a server without one, stays."""
    body = sent(vendor)
    declared = [one["function"]["name"] for one in body["tools"]]

    assert [one["function"]["name"] for one in body["messages"][1]["tool_calls"]] == declared
    assert body["tool_choice"]["function"]["name"] == declared[0]
    assert declared[len(ODD) :] == GOOD
    assert len({*declared}) == len(declared)
    if VENDORS[vendor].tool_names:
        assert all(GRAMMAR.fullmatch(name) for name in declared)
        assert declared[2].startswith("files_read_")
    else:
        assert declared[: len(ODD)] == ODD


@pytest.mark.parametrize("name", ["gone.long.ago"])
def test_a_tool_that_is_not_offered_any_more(name: str) -> None:
    """Its calls in a history are refused by their names too."""
    made = OPENAI.chat_call(
        ask(messages=[USER, asked(call(name)), said("x")]),
        Deployment("p", "m", "openai", "http://h", "m", vendor="openai"),
    )

    assert GRAMMAR.fullmatch(body_of(made)["messages"][1]["tool_calls"][0]["function"]["name"])


def completion(names: list[str], key: str) -> dict[str, Any]:
    calls = [{"index": at, **call(name, call_id=f"n{at}")} for at, name in enumerate(names)]
    choice = {
        "index": 0,
        key: {"role": "assistant", "content": None, "tool_calls": calls},
        "finish_reason": "tool_calls",
    }
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def test_back_again() -> None:
    """Whole: the client's own names; an answer without any passes to the byte."""
    renamed = [one["function"]["name"] for one in sent("openai")["tools"]]
    got = OPENAI.chat_response(json.dumps(completion(renamed, "message")).encode(), request())
    plain = b'{ "choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}'

    for data in (got.data, json.loads(got.raw or b"")):
        calls = data["choices"][0]["message"]["tool_calls"]
        assert [one["function"]["name"] for one in calls] == ODD + GOOD
    assert OPENAI.chat_response(plain, request()).raw == plain


def test_back_again_in_a_stream() -> None:
    """The same, event by event; every other event is the upstream's own."""
    renamed = [one["function"]["name"] for one in sent("openai")["tools"]]
    text = b'data: {"choices":[{"index":0,"delta":{"content":"hm"}}]}\n\n'
    calls = b"data: " + json.dumps(completion(renamed, "delta")).encode() + b"\n\n"
    rest = b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}\n\n'
    odd = b'data: {"choices":[{"index":0,"delta":{"tool_calls":"x"}},{"index":1,"delta":{"tool_calls":[1]}}]}\n\n'
    events = decoded(
        OPENAI.stream_decoder(request(stream=True)), [text, calls, rest, odd, b"data: [DONE]\n\n"]
    )

    assert [event.raw for event in events[:4:2] if isinstance(event, Chunk)] == [text, rest]
    assert isinstance(events[1], Chunk)
    for data in (events[1].data, json.loads((events[1].raw or b"")[5:])):
        named = data["choices"][0]["delta"]["tool_calls"]
        assert [one["function"]["name"] for one in named] == ODD + GOOD
    assert events[-1] == Done()


def test_most_requests_have_a_plain_decoder() -> None:
    """Names that fit cost nothing in a stream."""
    plain = OPENAI.stream_decoder(ask(tools=[tool("f")], stream=True))

    assert type(plain) is type(OPENAI.stream_decoder(ask(stream=True)))
    assert type(plain) is not type(OPENAI.stream_decoder(request(stream=True)))
