"""POST /chat in front of Anthropic's API: a strict double judges what arrives, the answer is OpenAI's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.support.anthropic_double import JSON_WORDS, MESSAGE_ID, THOUGHTS, WORDS, AnthropicDouble
from tests.support.anthropic_rules import signature
from tests.support.client import Answer
from tests.support.gateway import RunningGateway
from tests.support.native_gateway import PIXEL, result_of
from tests.support.native_kit import WEATHER, asked, call, said
from tests.support.secrets import PROMPT, UPSTREAM_KEY, assert_no_secret

MESSAGES = [{"role": "user", "content": PROMPT}]
TIME = {"type": "function", "function": {"name": "get_time"}}
MODELS: dict[str, Any] = {
    "new": {"model": "claude-double"},
    "old": {
        "model": "claude-double-4-5",
        "options": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    },
    **{
        name: {}
        for name in ("dies", "mute", "nope", "error-400", "error-403", "error-413", "error-429", "error-529")
    },
}
BOTH = pytest.mark.parametrize("stream", [True, False])


def config(url: str, **defaults: Any) -> dict[str, Any]:
    return {"anthropic": {"defaults": {"api_host": url, "api_token": UPSTREAM_KEY, **defaults}, **MODELS}}


async def ask(folder: Path, body: dict[str, Any], **defaults: Any) -> tuple[Answer, Any]:
    """One request; the answer, and the JSON that the double received."""
    async with (
        AnthropicDouble(UPSTREAM_KEY) as double,
        RunningGateway(folder, config(double.url, **defaults)) as proxy,
    ):
        got = await proxy.request("POST", "/chat", {"model": "new", "messages": MESSAGES, **body})
        return got, double.requests[-1].json() if double.requests else None


@BOTH
async def test_text(stream: bool, tmp_path: Path) -> None:
    """The words, a stop, the upstream's id; usage counts the cache."""
    got, sent = await ask(tmp_path, {"stream": stream, "stream_options": {"include_usage": True}})

    result = result_of(got)
    assert result.message == {"role": "assistant", "content": "".join(WORDS)}
    assert result.finish == {0: "stop"}
    assert result.usage is not None
    assert (result.usage["prompt_tokens"], result.usage["completion_tokens"]) == (15, len(WORDS))
    assert (sent["model"], sent["stream"], sent["messages"]) == ("claude-double", stream, MESSAGES)
    assert MESSAGE_ID in got.body.decode()
    assert got.headers["x-llm-model"] == "claude-double"
    assert_no_secret(got.body, [UPSTREAM_KEY])


@BOTH
async def test_a_turn_with_everything(stream: bool, tmp_path: Path) -> None:
    """System texts, images, calls, results in parallel, sampling: the strict double finds nothing wrong."""
    history = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What?"}, PIXEL]},
        asked(call("get_weather", '{"city": "Paris"}', "c:1"), call("get_time", "", "c:2"), content=" "),
        said("sunny", "c:1"),
        said("noon", "c:2"),
        {"role": "user", "content": "And?"},
    ]
    body = {
        "stream": stream,
        "messages": history,
        "tools": [WEATHER, TIME],
        "temperature": 1.5,
        "stop": ["never"],
        "max_tokens": 100,
        "user": "u",
        "seed": 1,
        "frequency_penalty": 0.5,
    }
    got, _ = await ask(tmp_path, body)

    assert got.status == 200, got.body
    assert result_of(got).message["content"] == "".join(WORDS)
    lost = {"temperature (clamped to 1)", "seed", "frequency_penalty"}
    assert set(got.headers["x-dropped-params"].split(", ")) == lost


@BOTH
@pytest.mark.parametrize(
    ("given", "names"), [({}, ["get_weather", "get_time"]), ({"parallel_tool_calls": False}, ["get_weather"])]
)
async def test_tool_calls(stream: bool, given: dict[str, Any], names: list[str], tmp_path: Path) -> None:
    """Parallel calls with ids and arguments as text; one at a time if the client says so."""
    got, _ = await ask(tmp_path, {"stream": stream, "tools": [WEATHER, TIME], **given})

    result = result_of(got)
    calls = result.message["tool_calls"]
    assert result.finish == {0: "tool_calls"}
    assert [one["function"]["name"] for one in calls] == names
    assert all(json.loads(one["function"]["arguments"]) == {"city": "Paris"} for one in calls)
    assert [one["id"] for one in calls] == [f"toolu_double_{at}" for at in range(len(names))]


@BOTH
@pytest.mark.parametrize("model", ["new", "old"])
async def test_thinking_through_a_tool_loop(stream: bool, model: str, tmp_path: Path) -> None:
    """The double refuses thinking that was lost or changed; the client only sends back what it got."""
    body = {"model": model, "stream": stream, "tools": [WEATHER], "reasoning_effort": "low"}
    async with (
        AnthropicDouble(UPSTREAM_KEY) as double,
        RunningGateway(tmp_path, config(double.url)) as proxy,
    ):
        first = result_of(await proxy.request("POST", "/chat", {**body, "messages": MESSAGES}))
        answers = [said("sunny", one["id"]) for one in first.message["tool_calls"]]
        history = [*MESSAGES, first.message, *answers]
        second = await proxy.request("POST", "/chat", {**body, "messages": history})
        sent = double.requests[-1].json()

    thought = "".join(THOUGHTS)
    assert first.message["reasoning_content"] == thought
    assert second.status == 200, second.body
    assert "x-dropped-params" not in second.headers
    kept = {"type": "thinking", "thinking": thought, "signature": signature(thought)}
    assert sent["messages"][1]["content"][0] == kept
    assert sent["thinking"]["type"] == ("adaptive" if model == "new" else "enabled")
    assert result_of(second).message["content"] == "".join(WORDS)


async def test_a_client_that_loses_thinking_still_gets_an_answer(tmp_path: Path) -> None:
    """With a budget the API would refuse: thinking is given up for this turn, and reported."""
    history = [*MESSAGES, asked(call("get_weather", "{}", "c1")), said("sunny")]
    got, sent = await ask(
        tmp_path, {"model": "old", "messages": history, "tools": [WEATHER], "reasoning_effort": "low"}
    )

    assert got.status == 200
    assert "thinking" not in sent
    assert "reasoning_effort" in got.headers["x-dropped-params"]


async def test_the_official_openai_client_keeps_thinking(tmp_path: Path) -> None:
    """Its stream helper joins what it does not know by index, and what it joined goes back unchanged."""
    async with (
        AnthropicDouble(UPSTREAM_KEY) as double,
        RunningGateway(tmp_path, config(double.url)) as proxy,
        AsyncOpenAI(base_url=proxy.url, api_key="sk-planted-any", max_retries=0) as client,
    ):
        more: Any = {"model": "new", "tools": [WEATHER], "reasoning_effort": "high"}
        first: Any = [{"role": "user", "content": "Weather?"}]
        async with client.chat.completions.stream(messages=first, **more) as events:
            message = (await events.get_final_completion()).choices[0].message
        assert message.tool_calls is not None
        history: Any = [
            *first,
            message.model_dump(exclude_none=True, exclude={"parsed"}),
            said("x", message.tool_calls[0].id),
        ]
        for one in history[1]["tool_calls"]:
            one["function"].pop("parsed_arguments", None)
        async with client.chat.completions.stream(messages=history, **more) as events:
            answer = (await events.get_final_completion()).choices[0].message
        sent = double.requests[-1].json()

    assert sent["messages"][1]["content"][0]["signature"] == signature("".join(THOUGHTS))
    assert answer.content == "".join(WORDS)


@pytest.mark.parametrize(
    ("given", "text", "finish"),
    [
        ({"max_tokens": 2}, WORDS[:2], "length"),
        ({"stop": "double"}, WORDS[:3], "stop"),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": {"type": "object"}},
                }
            },
            JSON_WORDS,
            "stop",
        ),
    ],
    ids=["length", "stop", "schema"],
)
@BOTH
async def test_ends(stream: bool, given: Any, text: tuple[str, ...], finish: str, tmp_path: Path) -> None:
    """Length, a stop sequence and a schema for the answer."""
    result = result_of((await ask(tmp_path, {"stream": stream, **given}))[0])

    assert (result.message["content"], result.finish[0]) == ("".join(text), finish)
