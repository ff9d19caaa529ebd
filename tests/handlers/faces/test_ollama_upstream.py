"""POST /chat in front of Ollama's native API: a strict double judges what arrives, the answer is OpenAI's."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import Answer, Connection
from tests.support.gateway import RunningGateway
from tests.support.ollama_double import OllamaDouble
from tests.support.ollama_words import JSON_WORDS, THOUGHTS, WORDS
from tests.support.secrets import PROMPT

MESSAGES = [{"role": "user", "content": PROMPT}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
MODELS = {
    name: {"model": up} for name, up in (("llama", "llama3.2"), ("qwen", "qwen3:8b"), ("llava", "llava:7b"))
}
MODELS |= {name: {} for name in ("dies", "mute", "busy", "broken", "nope")}


def config(url: str, **defaults: Any) -> dict[str, Any]:
    return {"ollama": {"defaults": {"api_host": url, **defaults}, **MODELS}}


async def ask(folder: Path, body: dict[str, Any], **defaults: Any) -> tuple[Answer, Any]:
    """One request; the answer, and the JSON that the double received."""
    async with OllamaDouble() as double, RunningGateway(folder, config(double.url, **defaults)) as proxy:
        got = await proxy.request("POST", "/chat", {"model": "llama", "messages": MESSAGES, **body})
        return got, double.requests[-1].json() if double.requests else None


def message_of(got: Answer) -> dict[str, Any]:
    """The message of an answer in either form."""
    if got.headers["content-type"] == "application/json":
        found: dict[str, Any] = got.json()["choices"][0]["message"]
        return found
    whole: dict[str, Any] = {}
    for event in got.events()[:-1]:
        for choice in event["choices"]:
            for key, value in choice["delta"].items():
                whole[key] = (
                    (whole.get(key) or "") + value if isinstance(value, str) and key != "role" else value
                )
    return whole


def finish_of(got: Answer) -> str:
    if got.headers["content-type"] == "application/json":
        return str(got.json()["choices"][0]["finish_reason"])
    return str(
        next(c["finish_reason"] for e in got.events()[:-1] for c in e["choices"] if c["finish_reason"])
    )


BOTH = pytest.mark.parametrize("stream", [True, False])


@BOTH
async def test_text(stream: bool, tmp_path: Path) -> None:
    """The words, a stop, one id; [DONE] at the end of a stream."""
    got, sent = await ask(tmp_path, {"stream": stream})

    assert message_of(got)["content"] == "".join(WORDS)
    assert finish_of(got) == "stop"
    assert (sent["model"], sent["stream"], sent["messages"]) == ("llama3.2", stream, MESSAGES)
    if stream:
        assert got.events()[-1] == "[DONE]"
        assert len({event["id"] for event in got.events()[:-1]}) == 1
        assert not any(event.get("usage") for event in got.events()[:-1])
    else:
        usage = got.json()["usage"]
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0


async def test_usage_if_asked_for(tmp_path: Path) -> None:
    """Counts come from prompt_eval_count and eval_count, in a last chunk without choices."""
    got, _ = await ask(tmp_path, {"stream_options": {"include_usage": True}})

    assert got.events()[-2]["choices"] == []
    assert got.events()[-2]["usage"]["completion_tokens"] > 0


@BOTH
async def test_options_and_keep_alive(stream: bool, tmp_path: Path) -> None:
    """num_ctx and keep_alive work, which is why the native API is used; what the client sends wins."""
    body = {
        "stream": stream,
        "max_tokens": 5,
        "temperature": 0.5,
        "stop": "x",
        "seed": 1,
        "top_k": 3,
        "min_p": 0.1,
    }
    _, sent = await ask(
        tmp_path, body, keep_alive="30m", options={"num_ctx": 8192, "temperature": 0.1, "top_p": 0.2}
    )

    assert sent["keep_alive"] == "30m"
    assert sent["options"] == {
        "num_ctx": 8192,
        "num_predict": 5,
        "temperature": 0.5,
        "top_p": 0.2,
        "stop": ["x"],
        "seed": 1,
        "top_k": 3,
        "min_p": 0.1,
    }


async def test_length(tmp_path: Path) -> None:
    """num_predict ends the answer with ``length``."""
    got, _ = await ask(tmp_path, {"max_tokens": 2})

    assert (message_of(got)["content"], finish_of(got)) == ("".join(WORDS[:2]), "length")


@BOTH
async def test_tool_calls(stream: bool, tmp_path: Path) -> None:
    """Whole calls with ids, indexes and arguments as text; the end is ``tool_calls`` although Ollama says stop."""
    got, _ = await ask(tmp_path, {"stream": stream, "tools": [WEATHER]})

    assert finish_of(got) == "tool_calls"
    calls = message_of(got)["tool_calls"]
    assert [call["function"]["name"] for call in calls][:1] == ["get_weather"]
    assert all(isinstance(json.loads(call["function"]["arguments"]), dict) for call in calls)
    assert len({call["id"] for call in calls}) == len(calls)
    if stream:
        assert [call["index"] for call in calls] == list(range(len(calls)))


async def test_a_tool_result_goes_back(tmp_path: Path) -> None:
    """Arguments as an object, the result with the name of its function."""
    history = [
        *MESSAGES,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]
    got, sent = await ask(tmp_path, {"messages": history, "tools": [WEATHER], "stream": False})

    assert got.status == 200
    assert sent["messages"][1]["tool_calls"][0]["function"]["arguments"] == {"city": "Paris"}
    assert (sent["messages"][2]["role"], sent["messages"][2]["tool_name"]) == ("tool", "get_weather")


@BOTH
async def test_thinking(stream: bool, tmp_path: Path) -> None:
    """Ollama's thinking is ``reasoning_content``; reasoning_effort asks for it."""
    got, sent = await ask(tmp_path, {"model": "qwen", "stream": stream, "reasoning_effort": "high"})

    assert sent["think"] == "high"
    assert message_of(got)["reasoning_content"] == "".join(THOUGHTS)
    assert message_of(got)["content"] == "".join(WORDS)


async def test_no_thinking(tmp_path: Path) -> None:
    """reasoning_effort none switches it off."""
    got, sent = await ask(tmp_path, {"model": "qwen", "stream": False, "reasoning_effort": "none"})

    assert sent["think"] is False
    assert "reasoning_content" not in message_of(got)


@pytest.mark.parametrize(
    ("asked", "sent_format"),
    [
        ({"type": "json_object"}, "json"),
        (
            {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
            {"type": "object"},
        ),
    ],
)
async def test_response_format(asked: Any, sent_format: Any, tmp_path: Path) -> None:
    """JSON mode and JSON schema."""
    got, sent = await ask(tmp_path, {"response_format": asked, "stream": False})

    assert sent["format"] == sent_format
    assert message_of(got)["content"] == "".join(JSON_WORDS)


async def test_images(tmp_path: Path) -> None:
    """A data: URL becomes raw base64 beside the joined text."""
    image = base64.b64encode(b"\x89PNG planted").decode()
    content = [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}},
        {"type": "text", "text": "b"},
    ]
    got, sent = await ask(
        tmp_path, {"model": "llava", "messages": [{"role": "user", "content": content}], "stream": False}
    )

    assert got.status == 200
    assert sent["messages"] == [{"role": "user", "content": "a\nb", "images": [image]}]


async def test_logprobs(tmp_path: Path) -> None:
    """They come in OpenAI's form."""
    got, _ = await ask(tmp_path, {"logprobs": True, "top_logprobs": 1, "stream": False})

    assert got.json()["choices"][0]["logprobs"]["content"][0]["logprob"] == -0.25


async def test_what_ollama_has_no_word_for_is_reported(tmp_path: Path) -> None:
    """In X-Dropped-Params, and only what would have mattered."""
    body = {
        "n": 2,
        "logit_bias": {"1": 1},
        "user": "u",
        "tool_choice": "required",
        "tools": [WEATHER],
        "stream": False,
    }
    got, _ = await ask(tmp_path, body)

    assert set(got.headers["x-dropped-params"].split(", ")) == {"n", "logit_bias", "tool_choice"}


BAD = [
    ({"content": [{"type": "image_url", "image_url": {"url": "http://h/x.png"}}]}, "messages.0.content.0"),
    ({"content": [{"type": "input_audio", "input_audio": {}}]}, "messages.0.content.0.type"),
]


@pytest.mark.parametrize(("message", "param"), BAD)
async def test_what_cannot_be_said_at_all(message: Any, param: str, tmp_path: Path) -> None:
    """A 400 that names the part; nothing was sent."""
    got, sent = await ask(tmp_path, {"messages": [{"role": "user", **message}]})

    assert sent is None
    assert got.status == 400
    assert got.json()["error"]["param"].startswith(param)


@BOTH
@pytest.mark.parametrize(
    ("model", "status", "code"),
    [("nope", 404, "model_not_found"), ("busy", 503, "upstream_error"), ("broken", 502, "upstream_error")],
)
async def test_refusals(model: str, status: int, code: str, stream: bool, tmp_path: Path) -> None:
    """Before the first line an error keeps its status, and its text."""
    got, _ = await ask(tmp_path, {"model": model, "stream": stream})

    assert (got.status, got.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("model", ["dies", "mute"])
async def test_a_stream_that_breaks_off(model: str, tmp_path: Path) -> None:
    """An error line, and an end without ``done: true``, are one error event and a cut."""
    got, _ = await ask(tmp_path, {"model": model})

    assert (got.status, got.complete) == (200, False)
    assert got.events()[-1]["error"]["code"] == "upstream_error"
    assert "[DONE]" not in got.events()


async def test_tokens_arrive_one_by_one(tmp_path: Path) -> None:
    """The first line is with the client before the second was sent."""
    async with OllamaDouble() as double, RunningGateway(tmp_path, config(double.url)) as proxy:
        double.gate = asyncio.Event()
        async with Connection(proxy.url) as client:
            await client.send("POST", "/chat", {"model": "llama", "messages": MESSAGES})
            got = await client.head()
            await client.piece(got)
            assert not got.complete
            double.gate.set()
            await client.rest(got)

    assert got.text() == "".join(WORDS)


async def test_passthrough_reaches_the_native_api(tmp_path: Path) -> None:
    """Whatever else Ollama offers is reachable as it is."""
    async with OllamaDouble() as double, RunningGateway(tmp_path, config(double.url)) as proxy:
        got = await proxy.request("GET", "/passthrough/ollama/api/version")

    assert set(got.json()) == {"version"}
