"""LangChain's models for OpenAI and for Ollama over every kind of upstream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from tests.clients.kit import WEATHER, Reply, Serve, Served, in_thread
from tests.clients.kit import get_weather as weather
from tests.support.secrets import CLIENT_KEY

pytestmark = pytest.mark.one_python("it speaks by the official clients, which other tests run on each Python")

get_weather = tool(weather)
HI = [HumanMessage("hi")]


def openai(served: Served, **more: Any) -> ChatOpenAI:
    fields: Any = {
        "model": "m",
        "base_url": served.openai,
        "api_key": SecretStr(CLIENT_KEY),
        "max_retries": 0,
    }
    return ChatOpenAI(**fields, temperature=0, **more)


@asynccontextmanager
async def ollama(served: Served) -> AsyncIterator[ChatOllama]:
    """A model whose two clients are closed: LangChain leaves them to the garbage collector."""
    model = ChatOllama(model="m", base_url=served.ollama, temperature=0)
    try:
        yield model
    finally:
        clients: Any = (model._client, model._async_client)
        clients[0].close()
        await clients[1].close()


async def streamed(model: Any) -> Any:
    """A stream's message, joined as LangChain does."""
    pieces = [piece async for piece in model.astream(HI)]
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    return whole


async def loop_of_tools(model: Any) -> tuple[list[Any], BaseMessage]:
    """What was called, and the last answer."""
    bound = model.bind_tools([get_weather])
    messages: list[Any] = list(HI)
    called: list[Any] = []
    while True:
        answer: AIMessage = await bound.ainvoke(messages)
        messages.append(answer)
        if not answer.tool_calls:
            return called, answer
        for call in answer.tool_calls:
            result = await get_weather.ainvoke(call)
            called.append((call["name"], result.content))
            messages.append(result)


async def test_openai_text(serve: Serve) -> None:
    """Blocking, waiting and streamed: one text, with its usage."""
    async with serve() as served:
        model = openai(served, stream_usage=True)
        whole, joined = await in_thread(lambda: model.invoke(HI)), await streamed(model)

    assert whole.text == joined.text == served.text
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] > 0
    assert joined.usage_metadata["output_tokens"] > 0
    assert joined.response_metadata["finish_reason"] == "stop"


async def test_openai_tools(serve: Serve) -> None:
    """A loop of tools."""
    async with serve() as served:
        called, answer = await loop_of_tools(openai(served))

    assert (called, answer.text) == ([("get_weather", WEATHER)], served.text)


async def test_openai_responses_tools(serve: Serve) -> None:
    """The same by the Responses API."""
    async with serve() as served:
        called, answer = await loop_of_tools(openai(served, use_responses_api=True))
        joined = await streamed(openai(served, use_responses_api=True))

    assert called == [("get_weather", WEATHER)]
    assert answer.text == joined.text == served.text


async def test_openai_structured_output(serve: Serve) -> None:
    """By a schema: an object of the class."""
    async with serve() as served:
        model = openai(served).with_structured_output(Reply, method="json_schema")
        got = await model.ainvoke(HI)

    assert isinstance(got, Reply)


async def test_ollama_text(serve: Serve) -> None:
    """Blocking, waiting and streamed: one text, with its usage."""
    async with serve() as served, ollama(served) as model:
        whole, joined = await in_thread(lambda: model.invoke(HI)), await streamed(model)

    assert whole.text == joined.text == served.text
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] > 0
    assert joined.response_metadata["done_reason"] == "stop"


async def test_ollama_tools(serve: Serve) -> None:
    """A loop of tools."""
    async with serve() as served, ollama(served) as model:
        called, answer = await loop_of_tools(model)

    assert (called, answer.text) == ([("get_weather", WEATHER)], served.text)


async def test_ollama_structured_output(serve: Serve) -> None:
    """By a format: an object of the class."""
    async with serve() as served, ollama(served) as model:
        got = await model.with_structured_output(Reply, method="json_schema").ainvoke(HI)

    assert isinstance(got, Reply)
