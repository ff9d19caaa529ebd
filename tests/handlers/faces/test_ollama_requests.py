"""What the Ollama face makes of a request, for upstreams of every dialect."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from ollama import Image

from tests.handlers.kit import COMPLETION, EVENTS, gateway
from tests.support.ollama_client import ASK, KINDS, TOOL, client, lines_of, over, post
from tests.support.peer import Peer
from tests.support.scripts import answer_json, silent, sse, stream

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


THINK = [
    ("openai", True, {"reasoning_effort": "medium"}, ""),
    ("openai", "low", {"reasoning_effort": "low"}, ""),
    ("openai", False, {}, "think"),
    ("vllm", True, {"chat_template_kwargs": {"enable_thinking": True}}, ""),
    ("vllm", "high", {"chat_template_kwargs": {"enable_thinking": True}, "reasoning_effort": "high"}, ""),
    ("vllm", False, {"chat_template_kwargs": {"enable_thinking": False}}, ""),
]


@pytest.mark.parametrize(("kind", "think", "wanted", "dropped"), THINK)
async def test_thinking_in_other_words(
    kind: str, think: Any, wanted: Any, dropped: str, tmp_path: Path
) -> None:
    """As the upstream's dialect says it; what it cannot say is reported."""
    answer = {
        **COMPLETION,
        "choices": [{"message": {"content": "x", "reasoning": "hm"}, "finish_reason": "stop"}],
    }
    async with (
        Peer(answer_json(answer)) as peer,
        gateway(tmp_path, peer.url, fields={"api_type": kind}) as proxy,
    ):
        got = await post(proxy, "/api/chat", {"model": "m", "messages": ASK, "think": think, "stream": False})
        sent = peer.requests[0].json()

    assert got.json()["message"] == {"role": "assistant", "content": "x", "thinking": "hm"}
    assert {k: sent[k] for k in ("reasoning_effort", "chat_template_kwargs") if k in sent} == wanted
    assert got.headers.get("x-dropped-params", "") == dropped


@KINDS
async def test_images(kind: str, tmp_path: Path) -> None:
    """Raw base64 arrives as the upstream takes it, with the type that the first bytes show."""
    async with (
        over(kind, tmp_path, "llava:7b" if kind == "ollama" else "") as (proxy, double),
        client(proxy) as sdk,
    ):
        await sdk.chat("m", [{"role": "user", "content": "what?", "images": [Image(value=PNG)]}])
        await sdk.generate("m", "what?", images=[PNG])
        bodies = [received.json() for received in double.requests]

    encoded = base64.b64encode(PNG).decode()
    for sent in bodies:
        message = sent["messages"][-1] if "messages" in sent else sent
        if kind == "ollama":
            assert message["images"] == [encoded]
        elif kind == "openai":
            assert message["content"][1]["image_url"]["url"] == f"data:image/png;base64,{encoded}"
        else:
            source = next(block["source"] for block in message["content"] if block["type"] == "image")
            assert (source["media_type"], source["data"]) == ("image/png", encoded)


@KINDS
async def test_format(kind: str, tmp_path: Path) -> None:
    """A JSON schema reaches each dialect."""
    schema = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
    async with over(kind, tmp_path) as (proxy, double), client(proxy) as sdk:
        got = await sdk.chat("m", ASK, format=schema)
        sent = double.requests[0].json()

    assert json.loads(got.message.content or "") == {"answer": 42}
    if kind == "ollama":
        assert sent["format"] == schema
    elif kind == "openai":
        assert sent["response_format"]["json_schema"]["schema"] == schema
    else:
        assert sent["output_config"]["format"]["schema"]["properties"] == schema["properties"]


OPTIONS = {
    "num_predict": 3.0,
    "num_ctx": 8192,
    "repeat_penalty": 1.2,
    "temperature": 0.5,
    "top_k": 7,
    "stop": ["x"],
    "mirostat": None,
}


async def test_options_in_other_words(tmp_path: Path) -> None:
    """Canonical names for another dialect; what only a runner understands is reported; no empty tools."""
    body = {
        "model": "m",
        "messages": ASK,
        "options": OPTIONS,
        "keep_alive": "5m",
        "format": "json",
        "tools": [],
    }
    async with Peer(stream(*sse(*EVENTS))) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await post(proxy, "/api/chat", {**body, "tool_choice": "none"})
        unlimited = await post(
            proxy, "/api/chat", {**body, "options": {"num_predict": -1, "stop": []}, "stream": False}
        )
        sent, second = (received.json() for received in peer.requests)

    del sent["stream_options"]
    assert sent == {
        "model": "up",
        "messages": ASK,
        "stream": True,
        "max_tokens": 3,
        "repetition_penalty": 1.2,
        "temperature": 0.5,
        "top_k": 7,
        "stop": ["x"],
        "response_format": {"type": "json_object"},
        "tool_choice": "none",
    }
    assert got.headers["x-dropped-params"] == "num_ctx, keep_alive"
    assert unlimited.status == 200
    assert not {"max_tokens", "stop"} & set(second)


async def test_nothing_is_lost_on_the_way_to_ollama(tmp_path: Path) -> None:
    """The options, format, keep_alive, thinking and fields that nobody knows arrive as they were sent."""
    options = {
        "num_ctx": 8192,
        "num_predict": -2,
        "repeat_penalty": 1.2,
        "mirostat": 1,
        "vendor_option": {"x": 1},
    }
    fields = {"keep_alive": "5m", "format": "json", "think": False, "truncate": False, "vendor": {"y": 1}}
    tools = [TOOL]
    messages = [
        *ASK,
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "i", "function": {"name": "f", "arguments": {"é": 1}}}],
        },
        {"role": "tool", "tool_name": "f", "tool_call_id": "i", "content": "r"},
    ]
    async with over("ollama", tmp_path) as (proxy, double):
        body = {"model": "m", "messages": messages, "tools": tools, "options": options, **fields}
        got = await post(proxy, "/api/chat", body)
        sent = double.requests[0].json()

    assert lines_of(got)[-1]["done"]
    assert "x-dropped-params" not in got.headers
    assert sent["options"] == options
    assert {name: sent[name] for name in fields} == fields
    assert (sent["tools"], sent["messages"]) == (tools, messages)


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
@pytest.mark.parametrize(
    ("keep_alive", "reason"), [(None, "load"), ("5m", "load"), (0, "unload"), ("0s", "unload")]
)
async def test_nothing_to_answer(path: str, keep_alive: Any, reason: str, tmp_path: Path) -> None:
    """No messages or no prompt: one object, and no call of the upstream; the model must be there all the same."""
    async with Peer(silent()) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await post(proxy, path, {"model": "m", "messages": [], "prompt": "", "keep_alive": keep_alive})
        unknown = await post(proxy, path, {"model": "nobody"})

        assert not peer.requests
    assert got.headers["content-type"] == "application/json"
    assert (got.json()["done"], got.json()["done_reason"]) == (True, reason)
    assert unknown.status == 404
