"""The double of OpenAI behaves as the official client expects, and refuses what the real API refuses."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from tests.support import openai_double
from tests.support.client import Answer, request
from tests.support.openai_double import OpenAIDouble
from tests.support.secrets import UPSTREAM_KEY

HI: list[Any] = [{"role": "user", "content": "hi"}]
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
TOOLS: list[Any] = [TOOL]
TEXT = "".join(openai_double.WORDS)


def openai_client(double: OpenAIDouble, key: str = UPSTREAM_KEY) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=double.base, api_key=key, max_retries=0, timeout=5)


async def test_client_streams() -> None:
    """The official client reads text, finish reason and, only if asked for, one usage chunk with no choices."""
    async with OpenAIDouble(UPSTREAM_KEY) as double, openai_client(double) as client:
        for options in ({}, {"stream_options": {"include_usage": True}}):
            create: Any = client.chat.completions.create
            stream = await create(model="gpt-double", messages=HI, stream=True, **options)
            chunks = [chunk async for chunk in stream]
            text = "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices)

            assert text == TEXT
            assert {chunk.id for chunk in chunks} == {openai_double.ID}
            assert [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason] == ["stop"]
            assert [bool(chunk.usage) for chunk in chunks].count(True) == len(options)
            assert (chunks[-1].choices == []) is bool(options)


async def test_client_reads_whole_answers() -> None:
    """Text, the limit of tokens, JSON, several choices, logprobs, models and embeddings, as the client parses them."""
    async with OpenAIDouble() as double, openai_client(double) as client:
        create = client.chat.completions.create
        text = await create(model="gpt-double", messages=HI, n=2, logprobs=True)
        short = await create(model="gpt-double", messages=HI, max_completion_tokens=2)
        form = await create(model="gpt-double", messages=HI, response_format={"type": "json_object"})
        vectors = await client.embeddings.create(model="text-embedding-double", input=["a", "b"])
        models = await client.models.list()

    assert [choice.message.content for choice in text.choices] == [TEXT, TEXT]
    assert text.choices[0].logprobs is not None
    assert text.usage is not None
    assert text.usage.total_tokens == 9 + len(openai_double.WORDS)
    assert (short.choices[0].message.content, short.choices[0].finish_reason) == ("Hello from", "length")
    assert json.loads(form.choices[0].message.content or "") == {"answer": 42}
    assert [item.embedding for item in vectors.data] == [[0.6, 0.8]] * 2
    assert [model.id for model in models.data] == list(openai_double.MODELS)


async def test_client_calls_a_tool() -> None:
    """A call comes whole or in fragments that the client joins; after the tool's answer there is text."""
    async with OpenAIDouble() as double, openai_client(double) as client:
        whole = await client.chat.completions.create(model="gpt-double", messages=HI, tools=TOOLS)
        stream = await client.chat.completions.create(
            model="gpt-double", messages=HI, tools=TOOLS, stream=True
        )
        deltas = [d async for chunk in stream for c in chunk.choices for d in c.delta.tool_calls or []]
        message = whole.choices[0].message
        assert message.tool_calls
        turn: list[Any] = [
            *HI,
            message,
            {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sun"},
        ]
        after = await client.chat.completions.create(model="gpt-double", messages=turn, tools=TOOLS)

    assert whole.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls[0].type == "function"
    assert json.loads(message.tool_calls[0].function.arguments) == {"city": "Paris"}
    assert (deltas[0].id, deltas[0].function and deltas[0].function.name) == ("call_double_1", "weather")
    assert json.loads("".join(d.function.arguments or "" for d in deltas if d.function)) == {"city": "Paris"}
    assert after.choices[0].message.content == TEXT


async def test_errors_by_name() -> None:
    """A model named error-STATUS gives that status, an unknown one 404, a wrong or missing key 401."""
    async with OpenAIDouble(UPSTREAM_KEY) as double:
        for status in openai_double.ERRORS:
            answer = await chat(double, {"model": f"error-{status}", "messages": HI, "stream": True})
            assert (answer.status, set(answer.json()["error"])) == (
                status,
                {"message", "type", "param", "code"},
            )
            assert ("retry-after" in answer.headers) is (status in (429, 503))
        assert (await chat(double, {"model": "nobody", "messages": HI})).status == 404
        assert (await request(double.base, "GET", "/models")).status == 401
        async with openai_client(double, "sk-planted-wrong") as client:
            with pytest.raises(openai.AuthenticationError, match="sk-planted-wrong"):
                await client.models.list()


async def chat(double: OpenAIDouble, body: Any) -> Answer:
    bearer = {"Authorization": f"Bearer {double.api_key}"}
    return await request(double.base, "POST", "/chat/completions", body, headers=bearer)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": 3}, "temperature"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "assistant", "content": None}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "y"}]}, "messages[0].role"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, None),
        ({"tools": [{"type": "function", "function": {"name": "no blanks"}}]}, "tools[0].function.name"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"response_format": {"type": "json"}}, "response_format.type"),
        ({"num_ctx": 4096}, None),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
    ],
)
async def test_refuses(change: dict[str, Any], param: str | None) -> None:
    """What the real API answers with a 400 naming the parameter, the double does too."""
    async with OpenAIDouble() as double:
        answer = await chat(double, {"model": "gpt-double", "messages": HI, **change})

    assert (answer.status, answer.json()["error"]["param"]) == (400, param)
    assert answer.json()["error"]["type"] == "invalid_request_error"
