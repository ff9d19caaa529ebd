"""OpenAI's own client, blocking and not, over every kind of upstream: text, streams, schemas, a loop of tools."""

from __future__ import annotations

import json
from typing import Any

import openai
from openai import AsyncOpenAI, OpenAI, pydantic_function_tool
from pydantic import BaseModel, Field

from tests.clients.kit import WEATHER, Reply, Serve, Served, get_weather, in_thread
from tests.support.secrets import CLIENT_KEY

ASK: Any = [{"role": "user", "content": "hi"}]


class GetWeather(BaseModel):
    """The weather of a city."""

    city: str = Field(description="Where.")


TOOL = pydantic_function_tool(GetWeather, name="get_weather")
RESPONSES_TOOL: Any = {"type": "function", **dict(TOOL["function"].items())}


def client(served: Served) -> OpenAI:
    return OpenAI(base_url=served.openai, api_key=CLIENT_KEY, max_retries=0)


def waiting(served: Served) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=served.openai, api_key=CLIENT_KEY, max_retries=0)


def plain(message: Any) -> dict[str, Any]:
    """The message as it goes back: OpenAI's API refuses what ``parse`` adds to it."""
    calls = [call.model_dump(include={"id", "type", "function"}) for call in message.tool_calls or []]
    for call in calls:
        call["function"].pop("parsed_arguments")
    return {"role": "assistant", "content": message.content, **({"tool_calls": calls} if calls else {})}


async def test_text_of_the_blocking_client(serve: Serve) -> None:
    """Whole, streamed, and by the helper that joins a stream: one text, its reason to end, its usage."""

    def work(sdk: OpenAI) -> tuple[Any, list[Any], Any]:
        with sdk:
            whole = sdk.chat.completions.create(model="m", messages=ASK)
            usage: Any = {"include_usage": True}
            with sdk.chat.completions.create(
                model="m", messages=ASK, stream=True, stream_options=usage
            ) as live:
                chunks = list(live)
            with sdk.chat.completions.stream(model="m", messages=ASK) as helper:
                events = list(helper)
                return whole, chunks, (events, helper.get_final_completion())

    async with serve() as served:
        whole, chunks, (events, joined) = await in_thread(lambda: work(client(served)))

    assert whole.choices[0].message.content == served.text
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == served.text
    assert joined.choices[0].message.content == served.text
    assert "".join(event.delta for event in events if event.type == "content.delta") == served.text
    assert [c.choices[0].finish_reason for c in (whole, joined)] == ["stop", "stop"]
    assert whole.usage.completion_tokens > 0
    assert chunks[-1].usage.completion_tokens > 0


async def test_schema(serve: Serve) -> None:
    """``.parse`` and a parsed stream give an object of the class."""
    async with serve() as served, waiting(served) as sdk:
        common: Any = {"model": "m", "messages": ASK, "response_format": Reply, "temperature": 0}
        whole = await sdk.chat.completions.parse(**common)
        async with sdk.chat.completions.stream(**common) as live:
            streamed = await live.get_final_completion()

    assert isinstance(whole.choices[0].message.parsed, Reply)
    assert streamed.choices[0].message.parsed == whole.choices[0].message.parsed


async def test_loop_of_tools(serve: Serve) -> None:
    """Until the model calls no more: parsed arguments, the function's result, the answer to it."""

    def work(sdk: OpenAI) -> tuple[list[Any], str | None]:
        called: list[Any] = []
        messages = list(ASK)
        with sdk:
            while True:
                done = sdk.chat.completions.parse(model="m", messages=messages, tools=[TOOL])
                message = done.choices[0].message
                if not message.tool_calls:
                    return called, message.content
                messages.append(plain(message))
                for call in message.tool_calls:
                    asked = call.function.parsed_arguments
                    assert isinstance(asked, GetWeather)
                    result = get_weather(asked.city)
                    called.append((call.function.name, result))
                    messages.append({"role": "tool", "tool_call_id": call.id, "content": result})

    async with serve() as served:
        called, said = await in_thread(lambda: work(client(served)))

    assert (called, said) == ([("get_weather", WEATHER)], served.text)


async def test_streamed_loop_of_tools(serve: Serve) -> None:
    """The same from streams that the client joins."""
    async with serve() as served, waiting(served) as sdk:
        messages, called = list(ASK), []
        for _ in range(2):
            async with sdk.chat.completions.stream(model="m", messages=messages, tools=[TOOL]) as live:
                message = (await live.get_final_completion()).choices[0].message
            messages.append(plain(message))
            for call in message.tool_calls or []:
                called.append(json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": WEATHER})

    assert called == [{"city": "Paris"}]
    assert message.content == served.text


async def test_responses(serve: Serve) -> None:
    """The Responses API: whole, streamed, a class, and a loop of tools that sends the items back."""

    def work(sdk: OpenAI) -> tuple[Any, ...]:
        with sdk:
            whole = sdk.responses.create(model="m", input="hi")
            with sdk.responses.stream(model="m", input="hi") as live:
                deltas = [event.delta for event in live if event.type == "response.output_text.delta"]
                streamed = live.get_final_response()
            parsed = sdk.responses.parse(model="m", input="hi", text_format=Reply, temperature=0)
            items: list[Any] = list(ASK)
            first = sdk.responses.create(model="m", input=items, tools=[RESPONSES_TOOL])
            items += first.output
            for item in first.output:
                if item.type == "function_call":
                    result = get_weather(**json.loads(item.arguments))
                    items.append({"type": "function_call_output", "call_id": item.call_id, "output": result})
            after = sdk.responses.create(model="m", input=items, tools=[RESPONSES_TOOL])
            return whole, deltas, streamed, parsed, items, after

    async with serve() as served:
        whole, deltas, streamed, parsed, items, after = await in_thread(lambda: work(client(served)))

    assert {whole.output_text, "".join(deltas), streamed.output_text, after.output_text} == {served.text}
    assert isinstance(parsed.output_parsed, Reply)
    assert items[-1]["output"] == WEATHER


async def test_completions_and_models(serve: Serve) -> None:
    """The legacy text endpoint, whole and streamed, and what is there; an unknown model is the client's own error."""

    def work(sdk: OpenAI) -> tuple[Any, str, list[str], str]:
        with sdk:
            whole = sdk.completions.create(model="m", prompt="hi", max_tokens=2048)
            with sdk.completions.create(model="m", prompt="hi", max_tokens=2048, stream=True) as live:
                streamed = "".join(chunk.choices[0].text for chunk in live)
            names = [model.id for model in sdk.models.list()]
            try:
                sdk.chat.completions.create(model="nobody", messages=ASK)
            except openai.NotFoundError as error:
                return whole, streamed, names, str(error.code)
        raise AssertionError("an unknown model was answered")

    async with serve() as served:
        whole, streamed, names, code = await in_thread(lambda: work(client(served)))

    assert whole.choices[0].text == streamed == served.text
    assert (names, code) == (["m"], "model_not_found")
