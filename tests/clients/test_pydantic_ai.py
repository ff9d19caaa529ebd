"""Pydantic AI over every kind of upstream: an agent with a tool, objects as answers, streams; by OpenAI's two APIs."""

from __future__ import annotations

from typing import Any

import pytest
from openai import AsyncOpenAI
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.clients.kit import Reply, Serve, get_weather
from tests.support.secrets import CLIENT_KEY

pytestmark = pytest.mark.one_python("it speaks by the official clients, which other tests run on each Python")

MODELS = pytest.mark.parametrize("kind", [OpenAIChatModel, OpenAIResponsesModel])


def provider(sdk: AsyncOpenAI) -> OpenAIProvider:
    return OpenAIProvider(openai_client=sdk)


@MODELS
async def test_agent_with_a_tool(kind: Any, serve: Serve) -> None:
    """The agent calls the function, and ends with the answer to it; streamed too."""
    asked: list[str] = []

    async with (
        serve() as served,
        AsyncOpenAI(base_url=served.openai, api_key=CLIENT_KEY, max_retries=0) as sdk,
    ):
        agent = Agent(kind("m", provider=provider(sdk)))

        @agent.tool_plain(name="get_weather")
        def weather(city: str) -> str:
            """The weather of a city."""
            asked.append(city)
            return get_weather(city)

        whole = await agent.run("weather?")
        async with agent.run_stream("weather?") as live:
            streamed = await live.get_output()

    assert asked == ["Paris", "Paris"]
    assert whole.output == streamed == served.text
    assert whole.usage.output_tokens > 0


@MODELS
async def test_object_as_answer(kind: Any, serve: Serve) -> None:
    """By the upstream's own structured output."""
    async with (
        serve() as served,
        AsyncOpenAI(base_url=served.openai, api_key=CLIENT_KEY, max_retries=0) as sdk,
    ):
        agent = Agent(
            kind("m", provider=provider(sdk)),
            output_type=NativeOutput(Reply),
            model_settings={"temperature": 0},
        )
        whole = await agent.run("hi")
        async with agent.run_stream("hi") as live:
            streamed = await live.get_output()

    assert isinstance(whole.output, Reply)
    assert streamed == whole.output
