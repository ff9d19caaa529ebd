"""Anthropic's own client, blocking and not, over every kind of upstream: text, streams, schemas, the tool runner."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic, beta_async_tool, beta_tool

from tests.clients.kit import WEATHER, Reply, Serve, Served, get_weather, in_thread
from tests.support.secrets import CLIENT_KEY

ASK: Any = [{"role": "user", "content": "hi"}]
COMMON: Any = {"model": "m", "max_tokens": 2048, "messages": ASK}


def client(served: Served) -> Anthropic:
    return Anthropic(base_url=served.anthropic, api_key=CLIENT_KEY, max_retries=0)


def waiting(served: Served) -> AsyncAnthropic:
    return AsyncAnthropic(base_url=served.anthropic, api_key=CLIENT_KEY, max_retries=0)


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


async def test_text_of_the_blocking_client(serve: Serve) -> None:
    """Whole, as raw events, and by the helper that joins a stream: one text, its stop reason, its usage."""

    def work(sdk: Anthropic) -> tuple[Any, list[Any], str, Any, int]:
        with sdk:
            whole = sdk.messages.create(**COMMON)
            with sdk.messages.create(**COMMON, stream=True) as live:
                events = list(live)
            with sdk.messages.stream(**COMMON) as helper:
                text = "".join(helper.text_stream)
                joined = helper.get_final_message()
            return (
                whole,
                events,
                text,
                joined,
                sdk.messages.count_tokens(model="m", messages=ASK).input_tokens,
            )

    async with serve() as served:
        whole, events, text, joined, counted = await in_thread(lambda: work(client(served)))

    assert text_of(whole) == text == text_of(joined) == served.text
    assert (events[0].type, events[-1].type) == ("message_start", "message_stop")
    assert whole.stop_reason == joined.stop_reason == "end_turn"
    assert whole.usage.output_tokens > 0
    assert joined.usage.output_tokens > 0
    assert counted > 0


async def test_schema(serve: Serve) -> None:
    """``.parse`` gives an object of the class."""
    async with serve() as served, waiting(served) as sdk:
        got = await sdk.messages.parse(**COMMON, output_format=Reply, extra_body={"temperature": 0})

    assert isinstance(got.parsed_output, Reply)


async def test_tool_runner_of_the_blocking_client(serve: Serve) -> None:
    """It calls the function that the model asks for, sends the result, and ends with the answer to it."""
    seen: list[str] = []

    @beta_tool(name="get_weather")
    def weather(city: str) -> str:
        """The weather of a city.

        Args:
            city: Where.
        """
        seen.append(city)
        return get_weather(city)

    def work(sdk: Anthropic) -> list[Any]:
        with sdk:
            return list(sdk.beta.messages.tool_runner(**COMMON, tools=[weather]))

    async with serve() as served:
        messages = await in_thread(lambda: work(client(served)))

    assert seen == ["Paris"]
    assert [message.stop_reason for message in messages] == ["tool_use", "end_turn"]
    assert text_of(messages[-1]) == served.text


async def test_streamed_tool_runner(serve: Serve) -> None:
    """The same from streams."""

    @beta_async_tool(name="get_weather")
    async def weather(city: str) -> str:
        """The weather of a city.

        Args:
            city: Where.
        """
        return get_weather(city)

    async with serve() as served, waiting(served) as sdk:
        runner = sdk.beta.messages.tool_runner(**COMMON, tools=[weather], stream=True)
        messages = [await stream.get_final_message() async for stream in runner]
        results = await weather.call({"city": "Paris"})

    assert results == WEATHER
    assert [message.stop_reason for message in messages] == ["tool_use", "end_turn"]
    assert text_of(messages[-1]) == served.text


async def test_message_threads_are_not_kept(serve: Serve) -> None:
    """The tool runner begins with a thread; the refusal is the one on which it sends the whole conversation."""
    async with serve() as served, waiting(served) as sdk:
        with pytest.raises(anthropic.BadRequestError) as refused:
            await sdk.messages.create(**COMMON, extra_body={"thread": {"type": "create"}})

    told: Any = refused.value.body
    assert told["error"]["details"] == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}


async def test_models(serve: Serve) -> None:
    """The list and one of them, in this API's form."""
    async with serve() as served, waiting(served) as sdk:
        listed = [model async for model in sdk.models.list()]
        one = await sdk.models.retrieve("m")

    assert [(model.id, model.type) for model in listed] == [("m", "model")]
    assert one == listed[0]


async def test_errors_are_its_own(serve: Serve) -> None:
    """An unknown model, and a request that lacks something."""
    async with serve() as served, waiting(served) as sdk:
        with pytest.raises(anthropic.NotFoundError) as unknown:
            await sdk.messages.create(**{**COMMON, "model": "nobody"})
        with pytest.raises(anthropic.BadRequestError):
            await sdk.messages.create(**{**COMMON, "messages": []})

    assert unknown.value.body["error"]["type"] == "not_found_error"  # type: ignore[index]
