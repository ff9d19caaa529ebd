"""Ollama's native API over upstreams of three dialects, asked by the official client."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from ollama import AsyncClient, Image, ResponseError

from tests.handlers.kit import COMPLETION, EVENTS, chunk, gateway
from tests.support.anthropic_double import AnthropicDouble
from tests.support.client import Answer, Connection, request
from tests.support.gateway import RunningGateway
from tests.support.logs import expect_log
from tests.support.ollama_double import OllamaDouble
from tests.support.ollama_words import THOUGHTS
from tests.support.openai_double import OpenAIDouble
from tests.support.peer import Peer
from tests.support.scripts import answer_json, silent, sse, stream
from tests.support.secrets import assert_no_secret

ASK: Any = [{"role": "user", "content": "hi"}]
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "d",
        "parameters": {"type": "object", "properties": {}},
    },
}
DURATIONS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
#: RFC 3339 with nanoseconds.
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


def client(proxy: RunningGateway) -> AsyncClient:
    return AsyncClient(host=proxy.origin + "/ollama")


@asynccontextmanager
async def over(
    kind: str, folder: Path, model: str = "", **fields: Any
) -> AsyncIterator[tuple[RunningGateway, Any]]:
    """A gateway whose model ``m`` is at a strict double of ``kind``, and the double."""
    doubles: dict[str, Any] = {"openai": OpenAIDouble, "ollama": OllamaDouble, "anthropic": AnthropicDouble}
    models = {"openai": "gpt-double", "ollama": "qwen3:8b", "anthropic": "claude-double-4-5"}
    async with doubles[kind]() as double:
        host = double.base if kind == "openai" else double.url
        rows = {
            "up": {
                "defaults": {"api_type": kind, "api_host": host},
                "m": {"model": model or models[kind], **fields},
            }
        }
        async with RunningGateway(folder, rows) as proxy:
            yield proxy, double


async def post(proxy: RunningGateway, path: str, body: Any) -> Answer:
    return await request(proxy.origin, "POST", "/ollama" + path, body)


def lines_of(got: Answer) -> list[Any]:
    """The lines of a stream, each a JSON object."""
    assert got.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in got.body.split(b"\n")[:-1]]


KINDS = pytest.mark.parametrize("kind", ["openai", "ollama", "anthropic"])
BOTH = pytest.mark.parametrize("streaming", [True, False])


@KINDS
async def test_chat(kind: str, tmp_path: Path) -> None:
    """Whole and streamed, the same text, a reason and counts: the client keeps the path of its base URL."""
    async with over(kind, tmp_path) as (proxy, _), client(proxy) as sdk:
        whole = await sdk.chat("m", ASK)
        parts = [part async for part in await sdk.chat("m", ASK, stream=True)]

    assert whole.message.content == "".join(part.message.content or "" for part in parts) != ""
    assert (whole.done, whole.done_reason, whole.model) == (True, "stop", "m")
    assert [part.done for part in parts] == [*[False] * (len(parts) - 1), True]
    assert parts[-1].done_reason == "stop"
    assert whole.prompt_eval_count
    assert whole.eval_count == parts[-1].eval_count
    assert (whole.total_duration or 0) > 0
    assert (parts[-1].total_duration or 0) >= (parts[-1].eval_duration or 0) >= 0


@KINDS
async def test_generate(kind: str, tmp_path: Path) -> None:
    """The same in ``response``; the system text goes in front of the prompt."""
    async with over(kind, tmp_path) as (proxy, double), client(proxy) as sdk:
        whole = await sdk.generate("m", "hi", system="be brief")
        parts = [part async for part in await sdk.generate("m", "hi", stream=True)]
        sent = double.requests[0].json()

    assert whole.response == "".join(part.response for part in parts) != ""
    assert (whole.done_reason, parts[-1].done_reason) == ("stop", "stop")
    assert "be brief" in json.dumps(sent)
    assert [message["content"] for message in sent["messages"]][-1] in (
        "hi",
        [{"type": "text", "text": "hi"}],
    )


async def test_every_line_is_complete(tmp_path: Path) -> None:
    """Model, time with nanoseconds and ``done`` on each line; durations and counts on the last."""
    async with over("openai", tmp_path) as (proxy, _):
        got = await post(proxy, "/api/chat", {"model": "m:latest", "messages": ASK})
        lines = lines_of(got)

    assert got.complete
    assert all(line["model"] == "m:latest" and TIME.fullmatch(line["created_at"]) for line in lines)
    assert all(set(line) == {"model", "created_at", "message", "done"} for line in lines[:-1])
    assert [line["created_at"] for line in lines] == sorted(line["created_at"] for line in lines)
    last = lines[-1]
    assert (last["done"], last["message"]) == (True, {"role": "assistant", "content": ""})
    assert all(type(last[name]) is int for name in DURATIONS)
    assert last["total_duration"] == last["prompt_eval_duration"] + last["eval_duration"] > 0
    assert (last["prompt_eval_count"], last["eval_count"]) == (9, len(lines) - 1)


@KINDS
@BOTH
async def test_tools(kind: str, streaming: bool, tmp_path: Path) -> None:
    """A call with its arguments as an object, its result by name only, and the answer after it."""
    async with over(kind, tmp_path) as (proxy, _), client(proxy) as sdk:
        messages: Any = [{"role": "user", "content": "weather?"}]
        if streaming:
            parts = [part async for part in await sdk.chat("m", messages, tools=[TOOL], stream=True)]
            calls = [call for part in parts for call in part.message.tool_calls or ()]
            assert not parts[-1].message.tool_calls
            reason = parts[-1].done_reason
        else:
            whole = await sdk.chat("m", messages, tools=[TOOL])
            calls, reason = list(whole.message.tool_calls or ()), whole.done_reason
        messages.append({"role": "assistant", "content": "", "tool_calls": [c.model_dump() for c in calls]})
        messages.append({"role": "tool", "tool_name": "get_weather", "content": "sunny"})
        after = await sdk.chat("m", messages, tools=[TOOL])

    assert (calls[0].function.name, reason) == ("get_weather", "stop")
    assert isinstance(calls[0].function.arguments, dict)
    assert after.message.content
    assert not after.message.tool_calls


async def test_pieces_of_calls_come_out_whole(tmp_path: Path) -> None:
    """Pieces that are mixed, that lack an index, or that are no object: each call once, before the last line."""

    def piece(**fields: Any) -> Any:
        return chunk({"tool_calls": [fields]})

    events = [
        piece(index=0, id="a", type="function", function={"name": "f", "arguments": '{"x"'}),
        piece(index=1, id="b", type="function", function={"name": "g", "arguments": ""}),
        piece(index=0, function={"arguments": ":1}"}),
        piece(id="c", type="function", function={"name": "h", "arguments": "no"}),
        piece(function={"arguments": "ne"}),
        chunk({}, "tool_calls"),
    ]
    async with Peer(stream(*sse(*events))) as peer, gateway(tmp_path, peer.url) as proxy:
        lines = lines_of(await post(proxy, "/api/chat", {"model": "m", "messages": ASK}))

    assert [line["done"] for line in lines] == [False, True]
    assert lines[0]["message"]["tool_calls"] == [
        {"id": "a", "function": {"index": 0, "name": "f", "arguments": {"x": 1}}},
        {"id": "b", "function": {"index": 1, "name": "g", "arguments": {}}},
        {"id": "c", "function": {"index": 2, "name": "h", "arguments": {"arguments": "none"}}},
    ]
    assert lines[1]["done_reason"] == "stop"
    assert "prompt_eval_count" not in lines[1]  # nobody said how many


@BOTH
async def test_thinking(streaming: bool, tmp_path: Path) -> None:
    """Ollama's own thinking comes out as thinking, and goes back in the history."""
    history: Any = [*ASK, {"role": "assistant", "content": "yes", "thinking": "hm"}, *ASK]
    async with over("ollama", tmp_path) as (proxy, double), client(proxy) as sdk:
        if streaming:
            parts = [part async for part in await sdk.chat("m", history, think="high", stream=True)]
            thought = "".join(part.message.thinking or "" for part in parts)
        else:
            thought = (await sdk.chat("m", history, think="high")).message.thinking or ""
        unthought = await sdk.generate("m", "hi", think=False)
        first, second = (double.requests[n].json() for n in (0, 1))

    assert thought == "".join(THOUGHTS)
    assert first["think"] == "high"
    assert first["messages"][1] == {"role": "assistant", "content": "yes", "thinking": "hm"}
    assert second["think"] is False
    assert not unthought.thinking


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
        message = sent["messages"][-1]
        if kind == "ollama":
            assert (message["images"], message["content"]) == ([encoded], "what?")
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
        unlimited = await post(proxy, "/api/chat", {**body, "options": {"num_predict": -1}, "stream": False})
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
    assert "max_tokens" not in second


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
    messages[1]["tool_calls"][0]["function"]["index"] = 0
    assert (sent["tools"], sent["messages"]) == (tools, messages)


async def test_length_and_logprobs(tmp_path: Path) -> None:
    """The reason for an end at the limit, and log probabilities, in both forms."""
    async with over("openai", tmp_path) as (proxy, _):
        body = {"model": "m", "messages": ASK, "options": {"num_predict": 2}, "logprobs": True}
        lines = lines_of(await post(proxy, "/api/chat", body))
        whole = (await post(proxy, "/api/chat", {**body, "stream": False})).json()

    assert (lines[-1]["done_reason"], whole["done_reason"]) == ("length", "length")
    assert [line["logprobs"][0]["token"] for line in lines[:2]] == ["Hello", " from"]
    assert whole["logprobs"][0]["logprob"] == -0.25


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


async def test_what_is_there(tmp_path: Path) -> None:
    """List, show and ps in the client's own types; ``m`` and ``m:latest`` are one model."""
    async with over("openai", tmp_path, input_size=32768) as (proxy, _), client(proxy) as sdk:
        listed, shown = (await sdk.list()).models, await sdk.show("m:latest")
        running = await sdk.ps()
        with pytest.raises(ResponseError, match="model 'nobody' not found") as unknown:
            await sdk.show("nobody")
        raw = await request(proxy.origin, "GET", "/ollama/api/tags")

    assert [model.model for model in listed] == ["m"]
    assert listed[0].modified_at == shown.modified_at
    assert shown.capabilities == ["completion", "tools", "vision"]
    assert shown.modelinfo is not None
    assert shown.modelinfo["openai.context_length"] == 32768
    assert running.models == []
    assert unknown.value.status_code == 404
    assert "127.0.0.1" not in raw.body.decode()


async def test_is_anybody_there(tmp_path: Path) -> None:
    """GET and HEAD of the base, with and without a slash, and the version."""
    async with gateway(tmp_path, "http://127.0.0.1:9") as proxy:
        for path in ("/ollama", "/ollama/"):
            got = await request(proxy.origin, "GET", path)
            head = await request(proxy.origin, "HEAD", path)
            assert (got.status, got.body, head.status, head.body) == (200, b"Ollama is running", 200, b"")
            assert got.headers["content-type"].startswith("text/plain")
        version = await request(proxy.origin, "GET", "/ollama/api/version")

    assert re.fullmatch(r"\d+\.\d+\.\d+", version.json()["version"])


@pytest.mark.parametrize(
    ("kind", "model"), [("openai", "text-embedding-double"), ("ollama", "nomic-embed-text")]
)
async def test_embeddings(kind: str, model: str, tmp_path: Path) -> None:
    """One vector for each text, by the present call and the old one; no text, no call."""
    async with over(kind, tmp_path, model) as (proxy, double), client(proxy) as sdk:
        several = await sdk.embed("m", ["a", "b"], keep_alive="5m", truncate=False)
        one = await sdk.embed("m", "a")
        old = await sdk.embeddings("m", "a")
        calls = len(double.requests)
        nothing = [await sdk.embed("m", ""), await sdk.embeddings("m", "")]
        raw = await post(proxy, "/api/embed", {"model": "m", "input": "a", "keep_alive": 0})
        first = double.requests[0].json()

        assert len(double.requests) == calls + 1
    assert (several.embeddings, one.embeddings) == ([[0.6, 0.8]] * 2, [[0.6, 0.8]])
    assert (several.model, several.prompt_eval_count) == ("m", 2)
    assert old.embedding == [0.6, 0.8]
    assert [nothing[0]["embeddings"], nothing[1]["embedding"]] == [[], []]
    assert (first.get("keep_alive"), first.get("truncate")) == (
        ("5m", False) if kind == "ollama" else (None, None)
    )
    assert raw.headers.get("x-dropped-params", "") == ("" if kind == "ollama" else "keep_alive")


ODD_VECTORS = [
    {"data": []},
    {"data": [{"index": 0, "embedding": "eA=="}]},
    {"data": [{"embedding": [1]}]},
    {"data": [1]},
]


@pytest.mark.parametrize("answer", ODD_VECTORS)
async def test_vectors_that_are_none(answer: Any, tmp_path: Path) -> None:
    """A 502, in this API's form."""
    async with Peer(answer_json(answer)) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await post(proxy, "/api/embed", {"model": "m", "input": "a"})

    assert (got.status, list(got.json())) == (502, ["error"])


ODD = [
    {"content": ["x"]},
    {"tool_calls": [{"index": "0", "function": {}}]},
    {"tool_calls": [{"function": {"arguments": {}}}]},
]


@pytest.mark.parametrize("odd", ODD)
@BOTH
async def test_pieces_that_do_not_fit(odd: Any, streaming: bool, tmp_path: Path) -> None:
    """What no upstream should say is the upstream's error: a 502 before the first line."""
    whole = {**COMPLETION, "choices": [{"index": 0, "message": odd, "finish_reason": "stop"}]}
    script = stream(*sse(chunk(odd))) if streaming else answer_json(whole)
    async with Peer(script) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await post(proxy, "/api/chat", {"model": "m", "messages": ASK, "stream": streaming})

    assert (got.status, list(got.json())) == (502, ["error"])


MANAGED = [
    ("POST", "pull"),
    ("POST", "push"),
    ("POST", "create"),
    ("POST", "copy"),
    ("DELETE", "delete"),
    ("POST", "blobs/sha256:00"),
]


@pytest.mark.parametrize(("method", "what"), MANAGED)
async def test_models_are_not_managed(method: str, what: str, tmp_path: Path) -> None:
    """A clear 501."""
    async with gateway(tmp_path, "http://127.0.0.1:9") as proxy:
        got = await request(proxy.origin, method, f"/ollama/api/{what}", {"model": "m"})

    assert got.status == 501
    assert what in got.json()["error"]


BAD: list[tuple[str, str, Any, int]] = [
    ("GET", "/api/chat", None, 405),
    ("POST", "/api/tags", {}, 405),
    ("GET", "/api/nothing", None, 404),
    ("POST", "/api/chat", b"{", 400),
    ("POST", "/api/chat", {"messages": ASK}, 400),
    ("POST", "/api/chat", {"model": "mm", "messages": ASK}, 404),
    ("POST", "/api/chat", {"model": "m", "messages": [{"role": "nobody", "content": "x"}]}, 400),
    ("POST", "/api/chat", {"model": "m", "messages": [{"role": "user", "content": []}]}, 400),
    ("POST", "/api/chat", {"model": "m", "messages": ASK, "format": "xml"}, 400),
    ("POST", "/api/chat", {"model": "m", "messages": ASK, "think": 3}, 400),
    ("POST", "/api/chat", {"model": "m", "messages": [{"role": "user", "images": ["%"]}]}, 400),
    ("POST", "/api/chat", {"model": "m", "messages": [{"role": "assistant", "tool_calls": [{}]}]}, 400),
    ("POST", "/api/chat", {"model": "m", "messages": ASK, "options": {"temperature": "hot"}}, 400),
    ("POST", "/api/generate", {"model": "m", "prompt": 1}, 400),
    ("POST", "/api/show", {}, 400),
    ("POST", "/api/embed", {"model": "m", "input": [1]}, 400),
    ("POST", "/api/embed", {"model": "mm", "input": []}, 404),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), BAD)
async def test_bad_input(method: str, path: str, body: Any, status: int, tmp_path: Path) -> None:
    """Whatever is wrong with a request: its status, and one text in ``error``."""
    async with Peer(silent()) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await request(proxy.origin, method, "/ollama" + path, body)

        assert not peer.requests
    assert got.status == status
    assert list(got.json()) == ["error"]
    assert isinstance(got.json()["error"], str)
    assert got.headers["x-request-id"]


ERRORS = [(400, 400), (401, 502), (404, 404), (429, 429), (500, 502), (503, 503)]


@pytest.mark.parametrize(("status", "wanted"), ERRORS)
@BOTH
async def test_errors_before_the_first_line(
    status: int, wanted: int, streaming: bool, tmp_path: Path
) -> None:
    """The official client raises with the status and the text."""
    async with (
        Peer(answer_json({"error": {"message": "not now"}}, status)) as peer,
        gateway(tmp_path, peer.url) as proxy,
        client(proxy) as sdk,
    ):

        async def ask() -> None:
            if streaming:
                async for _ in await sdk.chat("m", ASK, stream=True):
                    pass
            else:
                await sdk.chat("m", ASK)

        with (
            expect_log("handlers", "rejects our key", required=status == 401),
            pytest.raises(ResponseError) as failed,
        ):
            await ask()

    assert failed.value.status_code == wanted
    assert failed.value.error
    assert not failed.value.error.startswith("{")
    assert_no_secret(failed.value.error.encode())


async def test_a_break_in_mid_stream(tmp_path: Path) -> None:
    """A line with the error, no ``done: true``, a cut: the official client raises."""
    async with (
        Peer(stream(*sse(*EVENTS)[:2], end="cut")) as peer,
        gateway(tmp_path, peer.url) as proxy,
        client(proxy) as sdk,
    ):
        raw = await post(proxy, "/api/chat", {"model": "m", "messages": ASK})
        parts = await sdk.chat("m", ASK, stream=True)
        first = await anext(parts)
        with pytest.raises(ResponseError):
            await anext(parts)

    *said, last = lines_of(raw)
    assert first.message.content == "one"
    assert [line["message"]["content"] for line in said] == ["one"]
    assert list(last) == ["error"]
    assert not any(line["done"] for line in said)
    assert not raw.complete


async def test_silence_is_filled_with_lines(tmp_path: Path) -> None:
    """While an upstream says nothing, lines without content come: no blank ones."""
    async with (
        Peer(silent()) as peer,
        gateway(tmp_path, peer.url, keepalive_after=0.05, keepalive_interval=0.05) as proxy,
        Connection(proxy.origin) as connection,
    ):
        await connection.send("POST", "/ollama/api/generate", {"model": "m", "prompt": "hi"})
        answer = await connection.head()
        lines = [json.loads(await connection.piece(answer)) for _ in range(2)]

    assert [(line["response"], line["done"]) for line in lines] == [("", False), ("", False)]


async def test_the_client_leaves(tmp_path: Path) -> None:
    """Then the upstream is left too."""
    async with over("openai", tmp_path) as (proxy, double), client(proxy) as sdk:
        double.gate = asyncio.Event()
        parts = await sdk.chat("m", ASK, stream=True)
        first = await anext(parts)
        await parts.aclose()
        await double.closed_by_client()

    assert first.message.content == "Hello"
