"""Names of tools and arguments that a vendor does not take: others on the way there, the client's own in what comes back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.wire.events import Chunk, Done, Event, Failed
from providers.anthropic.provider import AnthropicProvider
from providers.base import BaseProvider
from providers.common.tool_names import ANTHROPIC, GEMINI, OPENAI, Grammar, fitted, new_names
from providers.gemini.provider import GeminiProvider
from tests.support.fuzz import fuzz
from tests.support.native_kit import USER, ask, asked, body_of, call, row, said

LONG = "mcp__a_server_with_a_long_name__" + "x" * 120
ODD = [LONG, LONG + "y", "files/read", "żółw", "a b"]
#: Of OData and of query strings; three that would become one, one that is too long, one that fits.
KEYS = ["$top", "filter[id]", "filter(id)", "filter_id_", "@odata.type", "k" * 70, "", "good"]
GRAMMARS = {"openai": OPENAI, "anthropic": ANTHROPIC, "gemini": GEMINI}
PROVIDERS: dict[str, BaseProvider] = {"anthropic": AnthropicProvider(), "gemini": GeminiProvider()}
Json = dict[str, Any]


def tool(name: str, keys: Sequence[str] = (), **more: Any) -> Json:
    schema = {"type": "object", "properties": {key: {"type": "string"} for key in keys}, **more}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def request(**more: Any) -> Any:
    """All of them declared, one chosen, each called already with an argument of each name."""
    arguments = json.dumps(dict.fromkeys(KEYS, 1))
    calls = [call(name, arguments, call_id=f"c{at}") for at, name in enumerate(ODD)]
    results = [said("x", f"c{at}", name=name) for at, name in enumerate(ODD)]
    return ask(
        tools=[tool(name, KEYS, required=["$top", "good"]) for name in ODD],
        tool_choice={"type": "function", "function": {"name": LONG}},
        messages=[USER, asked(*calls), *results, USER],
        **more,
    )


def fits(sent: Mapping[str, Any], grammar: Grammar) -> bool:
    """Whether the vendor takes every name of tools and arguments in a canonical request."""
    calls = [one for message in sent["messages"] for one in message.get("tool_calls", ())]
    keys = [key for one in sent["tools"] for key in one["function"]["parameters"]["properties"]]
    keys += [key for one in calls for key in json.loads(one["function"]["arguments"])]
    names = [one["function"]["name"] for one in (*sent["tools"], *calls)]
    return all(map(grammar.name.fullmatch, names)) and (
        grammar.key is None or all(map(grammar.key.fullmatch, keys))
    )


@pytest.mark.parametrize("name", GRAMMARS)
def test_on_the_way_there(name: str) -> None:
    """In the grammar, one for each, the same in every place, required ones too; what fits stays."""
    sent = fitted(request(), GRAMMARS[name])[0].sent
    declared = [one["function"]["name"] for one in sent["tools"]]
    keys = [*sent["tools"][0]["function"]["parameters"]["properties"]]
    called = sent["messages"][1]["tool_calls"]

    assert fits(sent, GRAMMARS[name])
    assert len({*declared}) == len(ODD)
    assert [one["function"]["name"] for one in called] == declared
    assert [one.get("name") for one in sent["messages"][2:-1]] == declared
    assert sent["tool_choice"]["function"]["name"] == declared[0]
    assert [*json.loads(called[0]["function"]["arguments"])] == keys
    assert sent["tools"][0]["function"]["parameters"]["required"] == [keys[0], "good"]
    assert (len({*keys}), keys[3], keys[-1]) == (len(KEYS), "filter_id_", "good")


def test_what_fits_is_the_same_object() -> None:
    given = ask(tools=[tool("f", ["a.b", "c-d", "_"])], messages=[USER, asked(call("f")), said("x")])

    for grammar in GRAMMARS.values():
        assert fitted(given, grammar)[0] is given
        assert new_names(ask().sent, grammar) is None


@pytest.mark.parametrize(
    ("choice", "path"),
    [
        ({"type": "tool", "name": "a b"}, ("name",)),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [tool("a b")]}},
            ("allowed_tools", "tools", 0, "function", "name"),
        ),
    ],
    ids=str,
)
def test_other_forms_of_a_choice(choice: Json, path: tuple[Any, ...]) -> None:
    sent = fitted(ask(tools=[tool("a b")], tool_choice=choice), ANTHROPIC)[0].sent
    found = sent["tool_choice"]
    for step in path:
        found = found[step]

    assert found == sent["tools"][0]["function"]["name"] != "a b"


def test_keys_of_what_is_combined_at_the_root() -> None:
    """They come together in one object (``root_schema``), those behind references too."""
    schema = {
        "anyOf": [{"properties": {"$a": {}}, "required": ["$a"]}, {"$ref": "#/definitions/B"}, True],
        "definitions": {"B": {"properties": {"b c": {}}}},
    }
    given = ask(tools=[{"type": "function", "function": {"name": "f", "parameters": schema}}])
    made = PROVIDERS["anthropic"].chat_call(given, row("anthropic", "claude-opus-4-6"))

    assert [*body_of(made)["tools"][0]["input_schema"]["properties"]] == ["_a", "b_c"]
    assert made.dropped == ("tools.0.function.parameters.anyOf",)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": 1},
        {"type": "object", "properties": {"$a": True}, "required": "x"},
        {"anyOf": 1},
        {"required": [1, "$a"], "properties": {"$a": None}},
    ],
    ids=str,
)
def test_schemas_that_mean_nothing_raise_nothing(schema: Json) -> None:
    given = ask(tools=[{"type": "function", "function": {"name": "a b", "parameters": schema}}])

    for name, provider in PROVIDERS.items():
        assert provider.chat_call(given, row(name, "m")).body


def anthropic_answer(new: Json) -> Json:
    blocks = [
        {"type": "tool_use", "id": f"t{at}", "name": one["name"], "input": dict.fromkeys(properties(one), 1)}
        for at, one in enumerate(new["tools"])
    ]
    usage = {"input_tokens": 1, "output_tokens": 1}
    return {"id": "m", "type": "message", "content": blocks, "stop_reason": "tool_use", "usage": usage}


def properties(declared: Json) -> list[str]:
    return [*(declared.get("input_schema") or declared["parametersJsonSchema"])["properties"]]


def gemini_answer(new: Json) -> Json:
    parts = [
        {"functionCall": {"name": one["name"], "args": dict.fromkeys(properties(one), 1)}}
        for one in new["tools"][0]["functionDeclarations"]
    ]
    return {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}]}


ANSWERS = {"anthropic": anthropic_answer, "gemini": gemini_answer}


def answer(name: str) -> Json:
    """A call of each tool with each argument, by the names that it was offered with."""
    return ANSWERS[name](body_of(PROVIDERS[name].chat_call(request(), row(name, "m"))))


@pytest.mark.parametrize("name", ANSWERS)
def test_back_again(name: str) -> None:
    got = PROVIDERS[name].chat_response(json.dumps(answer(name)).encode(), request())
    calls = [one["function"] for one in got.data["choices"][0]["message"]["tool_calls"]]

    assert [one["name"] for one in calls] == ODD
    assert all(json.loads(one["arguments"]) == dict.fromkeys(KEYS, 1) for one in calls)


def stream(name: str, cut: int) -> bytes:
    """The same answer as a stream, its arguments in pieces of ``cut`` characters."""
    whole = answer(name)
    events: list[Json] = [whole]
    if name == "anthropic":
        events = [{"type": "message_start", "message": {**whole, "content": []}}]
        for index, block in enumerate(whole["content"]):
            text = json.dumps(block["input"])
            events.append(
                {"type": "content_block_start", "index": index, "content_block": {**block, "input": {}}}
            )
            events += [
                {
                    "type": "content_block_delta",
                    "index": index,
                    "delta": {"type": "input_json_delta", "partial_json": text[at : at + cut]},
                }
                for at in range(0, len(text), cut)
            ]
            events.append({"type": "content_block_stop", "index": index})
        events.append(
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}}
        )
        events.append({"type": "message_stop"})
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def joined(events: Sequence[Event]) -> list[tuple[str, str]]:
    """Name and arguments of each call, as a client joins them."""
    calls: dict[int, list[str]] = {}
    for event in events:
        if not isinstance(event, Chunk):
            continue
        for choice in event.data["choices"]:
            for one in choice["delta"].get("tool_calls", ()):
                entry = calls.setdefault(one["index"], ["", ""])
                entry[0] += one["function"].get("name", "")
                entry[1] += one["function"].get("arguments", "")
    return [(name, arguments) for name, arguments in calls.values()]


@pytest.mark.parametrize("name", ANSWERS)
@given(cut=st.integers(1, 90), piece=st.integers(1, 400))
@fuzz
def test_back_again_in_a_stream(name: str, cut: int, piece: int) -> None:
    """However it is cut, and before the reason for the end."""
    data = stream(name, cut)
    decoder = PROVIDERS[name].stream_decoder(request(stream=True))
    events = [event for at in range(0, len(data), piece) for event in decoder.feed(data[at : at + piece])]
    events += decoder.close()
    ends = [
        bool(event.data["choices"] and event.data["choices"][0]["finish_reason"])
        for event in events
        if isinstance(event, Chunk)
    ]

    assert events[-1] == Done()
    assert [one for one, _ in joined(events)] == ODD
    assert all(json.loads(arguments) == dict.fromkeys(KEYS, 1) for _, arguments in joined(events))
    assert joined(events) == joined(
        [event for event, _ in zip(events, ends[: ends.index(True)], strict=False)]
    )


def test_a_stream_that_breaks_gives_what_it_had() -> None:
    data = stream("anthropic", 5)
    decoder = PROVIDERS["anthropic"].stream_decoder(request(stream=True))
    events = [*decoder.feed(data[: data.rindex(b"input_json_delta")]), *decoder.close()]

    assert isinstance(events[-1], Failed)
    assert joined(events)[0][1].startswith('{"')
    assert len(joined(events)) == len(ODD)
