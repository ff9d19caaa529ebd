"""The vendors' own clients judge the scripted model: what it says, each of them reads; what it refuses, each of them says."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import ollama
import openai
import pytest
from google import genai
from google.genai import errors, types

from tests.apps.scripted.mind import done
from tests.apps.scripted.server import ScriptedModel

pytestmark = pytest.mark.one_python("the scripted model is no part of the product")

TASK = "Say the word word1"
_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION: Any = {"name": "get_weather", "description": "d", "parameters": _SCHEMA}
CHAT_KINDS = pytest.mark.parametrize("kind", ["openai", "gpt5", "plain-openai", "strict", "vllm"])


@CHAT_KINDS
async def test_openai(kind: str) -> None:
    """Chat, whole and streamed: the text, and a call with its arguments."""
    async with ScriptedModel(kind) as model, openai.AsyncOpenAI(base_url=model.host, api_key="k") as client:
        asked: Any = {"model": "m", "messages": [{"role": "user", "content": TASK}]}
        whole = await client.chat.completions.create(**asked)
        async with client.chat.completions.stream(
            **asked, tools=[{"type": "function", "function": FUNCTION}]
        ) as live:
            called = await live.get_final_completion()

    assert whole.choices[0].message.content == done("word1")
    assert called.choices[0].finish_reason == "tool_calls"
    (call,) = called.choices[0].message.tool_calls or []
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city": "Paris"}')


@pytest.mark.parametrize(("kind", "status"), [("vllm", 200), ("strict", 400)])
async def test_the_name_of_a_tools_message(kind: str, status: int) -> None:
    """vLLM's type of a message has ``name`` for every role; who takes OpenAI's own fields only refuses it in a tool's."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages: Any = [
        {"role": "user", "content": TASK},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "name": "f", "content": "x"},
    ]
    async with ScriptedModel(kind) as model, openai.AsyncOpenAI(base_url=model.host, api_key="k") as client:
        try:
            await client.chat.completions.create(model="m", messages=messages)
            told = 200
        except openai.BadRequestError as refused:
            told = refused.status_code

    assert told == status


async def test_responses() -> None:
    """The same by Responses; a picture in a tool's message of chat is refused as OpenAI does."""
    async with (
        ScriptedModel("openai") as model,
        openai.AsyncOpenAI(base_url=model.host, api_key="k") as client,
    ):
        whole = await client.responses.create(model="m", input=TASK)
        tool: Any = {"type": "function", **FUNCTION, "strict": None}
        async with client.responses.stream(model="m", input=TASK, tools=[tool]) as live:
            streamed = await live.get_final_response()
        picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        messages: Any = [
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": [picture]},
        ]
        with pytest.raises(openai.BadRequestError, match="image_url"):
            await client.chat.completions.create(model="m", messages=messages)

    assert whole.output_text == done("word1")
    assert [item.type for item in streamed.output] == ["reasoning", "function_call"]


async def test_anthropic() -> None:
    """Messages, whole and streamed, with a thought that must come back as it was."""
    async with (
        ScriptedModel("anthropic") as model,
        anthropic.AsyncAnthropic(base_url=model.host, api_key="k") as client,
    ):
        asked: Any = {
            "model": "m",
            "max_tokens": 2000,
            "thinking": {"type": "enabled", "budget_tokens": 1024},
        }
        user: Any = {"role": "user", "content": TASK}
        whole = await client.messages.create(**asked, messages=[user])
        tools: Any = [{"name": "get_weather", "input_schema": _SCHEMA}]
        async with client.messages.stream(**asked, messages=[user], tools=tools) as live:
            called = await live.get_final_message()
        content: Any = called.content
        thought, use = content
        result = {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "rain"}],
        }
        back: Any = [user, {"role": "assistant", "content": content}, result]
        last = await client.messages.create(**asked, tools=tools, messages=back)
        back[1] = {"role": "assistant", "content": [use]}
        with pytest.raises(anthropic.BadRequestError, match="Expected `thinking`"):
            await client.messages.create(**asked, tools=tools, messages=back)

    assert [block.type for block in whole.content] == [thought.type, "text"] == ["thinking", "text"]
    assert (called.stop_reason, use.type) == ("tool_use", "tool_use")
    assert last.content[-1].model_dump()["text"] == done("word1")


async def test_ollama() -> None:
    """The native chat, whole and streamed; a model without thinking refuses to think."""
    async with ScriptedModel("plain-ollama") as model:
        client = ollama.AsyncClient(host=model.host)
        asked: Any = {"model": "m", "messages": [{"role": "user", "content": TASK}]}
        whole = await client.chat(**asked)
        lines = [line async for line in await client.chat(**asked, stream=True)]
        called = await client.chat(**asked, tools=[{"type": "function", "function": FUNCTION}])
        with pytest.raises(ollama.ResponseError, match="does not support thinking"):
            await client.chat(**asked, think=True)
        await client._client.aclose()

    assert whole.message.content == "".join(line.message.content or "" for line in lines) == done("word1")
    assert lines[-1].done
    assert (called.message.tool_calls or [])[0].function.arguments == {"city": "Paris"}


async def test_gemini() -> None:
    """generateContent, whole and streamed; a call that comes back without its signature is refused."""
    async with ScriptedModel("gemini") as model:
        options = types.HttpOptions(base_url=model.host, api_version="v1beta")

        def work() -> tuple[Any, Any, str]:
            with genai.Client(api_key="k", http_options=options) as client:
                tools: Any = [
                    {"function_declarations": [{"name": "get_weather", "parameters_json_schema": _SCHEMA}]}
                ]
                whole = client.models.generate_content(model="m", contents=TASK)
                quiet: Any = {"tools": tools, "automatic_function_calling": {"disable": True}}
                *_, last = client.models.generate_content_stream(model="m", contents=TASK, config=quiet)
                call = types.Part(function_call=types.FunctionCall(name="get_weather", args={}))
                result = types.Part(function_response=types.FunctionResponse(name="get_weather", response={}))
                turns: Any = [
                    types.Content(role="model", parts=[call]),
                    types.Content(role="user", parts=[result]),
                ]
                try:
                    client.models.generate_content(
                        model="m", contents=[types.UserContent(TASK), *turns], config=quiet
                    )
                except errors.ClientError as error:
                    return whole, last, str(error)
                return whole, last, ""

        whole, last, refused = await asyncio.to_thread(work)

    assert whole.text == done("word1")
    part = last.candidates[0].content.parts[0]
    assert (part.function_call.name, bool(part.thought_signature)) == ("get_weather", True)
    assert "thought_signature" in refused
