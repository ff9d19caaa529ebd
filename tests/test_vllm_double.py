"""The double of vLLM says what the recorded server says, in the same shape."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.client import Answer, request
from tests.support.native_kit import WEATHER
from tests.support.openai_rules import check_chat
from tests.support.openai_values import Refused
from tests.support.recordings import recording
from tests.support.vllm_double import VllmDouble

ASK: dict[str, Any] = {"model": "gpt-double", "messages": [{"role": "user", "content": "hi"}]}


async def ask(double: VllmDouble, **fields: Any) -> Answer:
    return await request(double.base, "POST", "/chat/completions", {**ASK, **fields})


def shape(events: list[Any]) -> dict[str, set[str]]:
    """The fields of a stream's chunks, choices, deltas and pieces of calls."""
    chunks = [event for event in events if isinstance(event, dict)]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    deltas = [choice["delta"] for choice in choices]
    calls = [call for delta in deltas for call in delta.get("tool_calls") or []]
    found = {"chunk": chunks, "choice": choices, "delta": deltas, "call": calls}
    return {name: {key for value in values for key in value} for name, values in found.items()}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("tools-stream", {"tools": [WEATHER]}),
        ("reasoning-stream", {"reasoning_effort": "low"}),
        ("usage-stream", {"stream_options": {"include_usage": True}}),
    ],
)
async def test_streams(name: str, fields: dict[str, Any]) -> None:
    """Each field of a piece is one that the recorded server has; what a client reads is there."""
    async with VllmDouble() as double:
        found = await ask(double, stream=True, **fields)
    recorded = Answer(200, {}, recording(f"vllm/{name}.sse")).events()
    known, ours = shape(recorded), shape(found.events())

    assert found.events()[-1] == recorded[-1] == "[DONE]"
    assert ours["delta"] - known["delta"] <= {"role", "content"}
    assert known["delta"] <= ours["delta"]
    assert ours["call"] == known["call"]
    assert ours["choice"] - {"stop_reason"} <= known["choice"]
    assert ours["chunk"] - known["chunk"] <= {"system_fingerprint"}


async def test_whole_answers() -> None:
    """The same for a message, and for the counts."""
    async with VllmDouble() as double:
        found = (await ask(double, tools=[WEATHER], reasoning_effort="low")).json()
    recorded = json.loads(recording("vllm/tools.json"))

    assert found["choices"][0]["message"].keys() == recorded["choices"][0]["message"].keys()
    assert found["usage"].keys() == recorded["usage"].keys()
    assert found["choices"][0].keys() <= recorded["choices"][0].keys()


async def test_errors() -> None:
    """A code that repeats the status, a key refused in one word, and the terminator after an error in a stream."""
    async with VllmDouble("key") as double:
        refused = await ask(double)
    async with VllmDouble() as double:
        long = await ask(double, model="error-400")
        broken = await ask(double, model="dies", stream=True)
    errors = "vllm/errors/"
    recorded = json.loads(recording(errors + "400-context-overflow.json"))["error"]
    *_, error, last = broken.events()

    assert refused.json() == json.loads(recording(errors + "401-wrong-key.json"))
    assert {**long.json()["error"], "message": ""} == {**recorded, "message": ""}
    assert (error, last) == (json.loads(recording(errors + "500-engine-dead.json")), "[DONE]")


async def test_fields_that_it_does_not_know() -> None:
    """It takes what OpenAI refuses."""
    marked = {**ASK["messages"][0], "cache_control": {"type": "ephemeral"}}
    async with VllmDouble() as double:
        assert (await ask(double, messages=[marked], top_k=5)).status == 200
    with pytest.raises(Refused, match=r"Unknown parameter: 'messages\[0\].cache_control'"):
        check_chat({**ASK, "messages": [marked]})
