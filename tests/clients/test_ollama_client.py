"""Ollama's own client, blocking and not, over every kind of upstream: chat, generate, tools, formats, embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ollama import AsyncClient, Client, ResponseError

from tests.clients.kit import Reply, Serve, Served, get_weather, in_thread
from tests.support.gateway import RunningGateway
from tests.support.llamacpp import LlamaCpp

ASK: Any = [{"role": "user", "content": "hi"}]


def client(served: Served) -> Client:
    return Client(host=served.ollama)


async def test_text_of_the_blocking_client(serve: Serve) -> None:
    """Chat and generate, whole and in lines: one text, its reason to end, its counts."""

    def work(sdk: Client) -> tuple[Any, list[Any], Any, list[Any]]:
        with sdk:
            return (
                sdk.chat("m", ASK),
                list(sdk.chat("m", ASK, stream=True)),
                sdk.generate("m", "hi"),
                list(sdk.generate("m", "hi", stream=True)),
            )

    async with serve() as served:
        whole, lines, generated, pieces = await in_thread(lambda: work(client(served)))

    assert whole.message.content == "".join(line.message.content for line in lines) == served.text
    assert generated.response == "".join(piece.response for piece in pieces) == served.text
    for last in (whole, lines[-1], generated, pieces[-1]):
        assert (last.done, last.done_reason) == (True, "stop")
        assert last.eval_count > 0


async def test_loop_of_tools(serve: Serve) -> None:
    """A Python function is the tool: it is called as the model asks, and its result answered."""

    def work(sdk: Client) -> tuple[list[Any], str | None]:
        messages: list[Any] = list(ASK)
        called: list[Any] = []
        with sdk:
            while True:
                got = sdk.chat("m", messages, tools=[get_weather])
                messages.append(got.message)
                if not got.message.tool_calls:
                    return called, got.message.content
                for call in got.message.tool_calls:
                    result = get_weather(**call.function.arguments)
                    called.append((call.function.name, result))
                    messages.append({"role": "tool", "tool_name": call.function.name, "content": result})

    async with serve() as served:
        called, said = await in_thread(lambda: work(client(served)))

    assert called == [("get_weather", "sunny in Paris")]
    assert said == served.text


async def test_streamed_tools_and_format(serve: Serve) -> None:
    """A call comes whole in one line; a schema gives an object of the class."""
    async with serve() as served, AsyncClient(host=served.ollama) as sdk:
        lines = [line async for line in await sdk.chat("m", ASK, tools=[get_weather], stream=True)]
        shaped = await sdk.chat("m", ASK, format=Reply.model_json_schema(), options={"temperature": 0})

    calls = [call for line in lines for call in line.message.tool_calls or []]
    assert [(call.function.name, call.function.arguments) for call in calls] == [
        ("get_weather", {"city": "Paris"})
    ]
    assert isinstance(Reply.model_validate_json(shaped.message.content or ""), Reply)


async def test_what_is_there(serve: Serve) -> None:
    """List, show and ps; an unknown model is the client's own error, a pull is none of a gateway's business."""

    def work(sdk: Client) -> tuple[list[str | None], list[str], int, int]:
        with sdk:
            names = [model.model for model in sdk.list().models]
            capabilities = sdk.show("m").capabilities or []
            assert sdk.ps().models == []
            with pytest.raises(ResponseError) as unknown:
                sdk.chat("nobody", ASK)
            with pytest.raises(ResponseError) as pulled:
                sdk.pull("m")
        return names, capabilities, unknown.value.status_code, pulled.value.status_code

    async with serve() as served:
        names, capabilities, *statuses = await in_thread(lambda: work(client(served)))

    assert names == ["m"]
    assert "completion" in capabilities
    assert statuses == [404, 501]


async def test_embeddings_of_the_real_server(llamacpp_embedding: LlamaCpp, tmp_path: Path) -> None:
    """One vector for each text, by either call."""
    rows = {
        "here": {
            "defaults": {"api_type": "openai", "api_host": llamacpp_embedding.base},
            "e": {"model": "tiny"},
        }
    }
    async with RunningGateway(tmp_path, rows) as proxy, AsyncClient(host=proxy.origin + "/ollama") as sdk:
        several = (await sdk.embed("e", ["a", "b"])).embeddings
        one = (await sdk.embeddings("e", "a")).embedding

    assert len(several) == 2
    assert len(several[0]) == len(several[1]) == len(one) > 8
