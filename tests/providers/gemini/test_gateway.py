"""POST /chat in front of the Gemini API: a strict double judges what arrives, the answer is OpenAI's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.support.client import Answer
from tests.support.gateway import RunningGateway
from tests.support.gemini_double import ARGUMENTS, JSON_WORDS, RESPONSE_ID, THOUGHTS, WORDS, GeminiDouble
from tests.support.gemini_rules import ANY_SIGNATURE, signature
from tests.support.native_gateway import PIXEL, result_of
from tests.support.native_kit import WEATHER, asked, call, said
from tests.support.secrets import PROMPT, UPSTREAM_KEY, assert_no_secret

MESSAGES = [{"role": "user", "content": PROMPT}]
TIME = {"type": "function", "function": {"name": "get_time"}}
MODELS: dict[str, Any] = {
    "new": {"model": "gemini-3-double"},
    "old": {"model": "models/gemini-2.5-double"},
    "blocked": {},
}
BOTH = pytest.mark.parametrize("stream", [True, False])


def config(url: str, **defaults: Any) -> dict[str, Any]:
    return {"gemini": {"defaults": {"api_host": url, "api_token": UPSTREAM_KEY, **defaults}, **MODELS}}


async def ask(folder: Path, body: dict[str, Any], **defaults: Any) -> tuple[Answer, Any]:
    """One request; the answer, and the JSON that the double received."""
    async with (
        GeminiDouble(UPSTREAM_KEY) as double,
        RunningGateway(folder, config(double.url, **defaults)) as proxy,
    ):
        got = await proxy.request("POST", "/chat", {"model": "new", "messages": MESSAGES, **body})
        return got, double.requests[-1].json() if double.requests else None


@BOTH
@pytest.mark.parametrize("model", ["new", "old"])
async def test_text(stream: bool, model: str, tmp_path: Path) -> None:
    """The words, a stop, the upstream's id, usage."""
    got, sent = await ask(
        tmp_path, {"model": model, "stream": stream, "stream_options": {"include_usage": True}}
    )

    result = result_of(got)
    assert result.message["content"] == "".join(WORDS)
    assert result.finish == {0: "stop"}
    assert result.usage is not None
    assert result.usage["prompt_tokens"] == 9
    assert result.usage["prompt_tokens_details"] == {"cached_tokens": 4}
    assert sent == {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]}
    assert RESPONSE_ID in got.body.decode()
    assert_no_secret(got.body, [UPSTREAM_KEY])


@BOTH
@pytest.mark.parametrize("model", ["new", "old"])
async def test_a_turn_with_everything(stream: bool, model: str, tmp_path: Path) -> None:
    """System texts, images, calls of another vendor, results in parallel, sampling: the double finds nothing wrong."""
    history = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What?"}, PIXEL]},
        asked(call("get_weather", '{"city": "Paris"}', "c:1"), call("get_time", "", "c:2"), content=""),
        said("sunny", "c:1"),
        said('{"hour": 12}', "c:2"),
        {"role": "user", "content": "And?"},
    ]
    body = {
        "model": model,
        "stream": stream,
        "messages": history,
        "tools": [WEATHER, TIME],
        "temperature": 1.5,
        "top_p": 0.5,
        "top_k": 40,
        "stop": ["never"],
        "max_tokens": 100,
        "seed": 1,
        "frequency_penalty": 0.5,
        "logprobs": True,
        "top_logprobs": 2,
        "user": "u",
        "logit_bias": {"1": 1},
    }
    got, sent = await ask(tmp_path, body)

    assert result_of(got).message["content"] == "".join(WORDS)
    assert got.headers["x-dropped-params"] == "logit_bias"
    assert sent["contents"][1]["parts"][0].get("thoughtSignature") == (
        ANY_SIGNATURE if model == "new" else None
    )


@BOTH
@pytest.mark.parametrize("model", ["new", "old"])
@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("auto", ["get_weather", "get_time"]),
        ({"type": "function", "function": {"name": "get_time"}}, ["get_time"]),
    ],
    ids=["auto", "named"],
)
async def test_tool_calls(stream: bool, model: str, choice: Any, names: list[str], tmp_path: Path) -> None:
    """Parallel calls with distinct ids and arguments as text; the end is tool_calls although the API says STOP."""
    got, _ = await ask(
        tmp_path, {"model": model, "stream": stream, "tools": [WEATHER, TIME], "tool_choice": choice}
    )

    result = result_of(got)
    calls = result.message["tool_calls"]
    assert result.finish == {0: "tool_calls"}
    assert [one["function"]["name"] for one in calls] == names
    assert all(json.loads(one["function"]["arguments"]) == ARGUMENTS for one in calls)
    assert len({one["id"] for one in calls}) == len(names)


@BOTH
@pytest.mark.parametrize("model", ["new", "old"])
async def test_signatures_through_a_tool_loop(stream: bool, model: str, tmp_path: Path) -> None:
    """The double refuses signatures that were lost or changed; the client only sends back what it got."""
    body = {"model": model, "stream": stream, "tools": [WEATHER, TIME], "reasoning_effort": "low"}
    async with GeminiDouble(UPSTREAM_KEY) as double, RunningGateway(tmp_path, config(double.url)) as proxy:
        first = result_of(await proxy.request("POST", "/chat", {**body, "messages": MESSAGES}))
        answers = [said("x", one["id"]) for one in first.message["tool_calls"]]
        history = [*MESSAGES, first.message, *answers]
        second = result_of(await proxy.request("POST", "/chat", {**body, "messages": history}))
        sent = double.requests[-1].json()

    assert first.message["reasoning_content"] == "".join(THOUGHTS)
    assert second.message["content"] == "".join(WORDS)
    signed = sent["contents"][1]["parts"][0].get("thoughtSignature")
    assert signed == (signature("get_weather") if model == "new" else None)
    assert [part["functionResponse"]["name"] for part in sent["contents"][2]["parts"]] == [
        "get_weather",
        "get_time",
    ]


async def test_the_official_openai_client_keeps_signatures(tmp_path: Path) -> None:
    """Its stream helper joins what it does not know, and what it joined goes back unchanged."""
    async with (
        GeminiDouble(UPSTREAM_KEY) as double,
        RunningGateway(tmp_path, config(double.url)) as proxy,
        AsyncOpenAI(base_url=proxy.url, api_key="sk-planted-any", max_retries=0) as client,
    ):
        more: Any = {"model": "new", "tools": [WEATHER, TIME]}
        first: Any = [{"role": "user", "content": "Weather?"}]
        async with client.chat.completions.stream(messages=first, **more) as events:
            message = (await events.get_final_completion()).choices[0].message.model_dump(exclude_none=True)
        for one in message["tool_calls"]:
            one["function"].pop("parsed_arguments", None)
        history: Any = [*first, message, *(said("x", one["id"]) for one in message["tool_calls"])]
        async with client.chat.completions.stream(messages=history, **more) as events:
            answer = (await events.get_final_completion()).choices[0].message
        sent = double.requests[-1].json()

    assert sent["contents"][1]["parts"][0]["thoughtSignature"] == signature("get_weather")
    assert answer.content == "".join(WORDS)


@pytest.mark.parametrize(
    ("given", "text", "finish"),
    [
        ({"max_tokens": 2}, WORDS[:2], "length"),
        ({"stop": "double"}, WORDS[:3], "stop"),
        ({"response_format": {"type": "json_object"}}, JSON_WORDS, "stop"),
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
    ids=["length", "stop", "json", "schema"],
)
@BOTH
async def test_ends(stream: bool, given: Any, text: tuple[str, ...], finish: str, tmp_path: Path) -> None:
    """Length, a stop sequence, JSON with and without a schema."""
    result = result_of((await ask(tmp_path, {"stream": stream, **given}))[0])

    assert (result.message["content"], result.finish[0]) == ("".join(text), finish)


@BOTH
async def test_several_choices(stream: bool, tmp_path: Path) -> None:
    """``n`` is the number of candidates; each is complete."""
    result = result_of((await ask(tmp_path, {"stream": stream, "n": 3}))[0])

    assert [message["content"] for message in result.messages.values()] == ["".join(WORDS)] * 3
    assert result.finish == dict.fromkeys(range(3), "stop")


@BOTH
async def test_a_blocked_prompt(stream: bool, tmp_path: Path) -> None:
    """An empty answer that was filtered, not an error."""
    result = result_of((await ask(tmp_path, {"model": "blocked", "stream": stream}))[0])

    assert result.finish == {0: "content_filter"}
    assert not result.message["content"]
