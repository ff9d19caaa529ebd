"""Whatever API a client speaks, what arrives at a server of OpenAI's dialect is what the row of its vendor takes."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from providers.vendors import VENDORS
from tests.handlers.kit import COMPLETION
from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.openai_double import OpenAIDouble
from tests.support.peer import Exchange, Peer
from tests.support.scripts import answer_json
from tests.support.vendor_rules import refusals

Json = dict[str, Any]
MARK: Json = {"cache_control": {"type": "ephemeral"}}
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
DATA = f"data:image/png;base64,{PNG}"
ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "up",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
CALL = "toolu_01ABCdef"
FUNCTION = {"name": "look", "description": "d"}

CHAT: Json = {
    "stream": False,
    "max_completion_tokens": 50,
    "user": "u" * 150,
    "prompt_cache_key": "k",
    "client_metadata": {"a": "b"},
    "top_k": 4,
    "reasoning_effort": "high",
    "tools": [{"type": "function", "function": {**FUNCTION, "parameters": {"type": "object"}}, **MARK}],
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "system one", **MARK}]},
        {"role": "developer", "content": "system two"},
        {"role": "user", "content": "please"},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "thought",
            "tool_calls": [{"id": CALL, "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {
            "role": "tool",
            "tool_call_id": CALL,
            "content": [{"type": "image_url", "image_url": {"url": DATA}}],
        },
        {"role": "assistant", "content": None, "reasoning_content": "broken off"},
        {"role": "user", "content": "go on"},
    ],
}
MESSAGES: Json = {
    "max_tokens": 50,
    "metadata": {"user_id": "u" * 150},
    "top_k": 4,
    "system": [{"type": "text", "text": "system one", **MARK}, {"type": "text", "text": "system two"}],
    "tools": [{**FUNCTION, "input_schema": {"type": "object"}, **MARK}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "please", **MARK}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "thought", "signature": "s"},
                {"type": "tool_use", "id": CALL, "name": "look", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": CALL,
                    "content": [
                        {
                            "type": "image",
                            "source": {"type": "base64", "media_type": "image/png", "data": PNG},
                        }
                    ],
                }
            ],
        },
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "broken off", "signature": "s"}]},
        {"role": "user", "content": "go on"},
    ],
}
RESPONSES: Json = {
    "instructions": "system one",
    "max_output_tokens": 50,
    "user": "u" * 150,
    "prompt_cache_key": "k",
    "client_metadata": {"a": "b"},
    "reasoning": {"effort": "high"},
    "tools": [{"type": "function", **FUNCTION, "parameters": {"type": "object"}}],
    "input": [
        {"role": "developer", "content": "system two"},
        {"role": "user", "content": "please"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "thought"}]},
        {"type": "function_call", "call_id": CALL, "name": "look", "arguments": "{}"},
        {
            "type": "function_call_output",
            "call_id": CALL,
            "output": [{"type": "input_image", "image_url": DATA}],
        },
        {"type": "reasoning", "id": "rs_2", "summary": [{"type": "summary_text", "text": "broken off"}]},
        {"role": "user", "content": "go on"},
    ],
}
OLLAMA: Json = {
    "stream": False,
    "think": True,
    "options": {"num_predict": 50, "top_k": 4, "seed": 7},
    "tools": [{"type": "function", "function": {**FUNCTION, "parameters": {"type": "object"}}}],
    "messages": [
        {"role": "system", "content": "system one"},
        {"role": "user", "content": "please"},
        {
            "role": "assistant",
            "content": "",
            "thinking": "thought",
            "tool_calls": [{"id": CALL, "function": {"name": "look", "arguments": {}}}],
        },
        {"role": "tool", "tool_call_id": CALL, "content": "seen", "images": [PNG]},
        {"role": "system", "content": "system two"},
        {"role": "assistant", "content": "", "thinking": "broken off"},
        {"role": "user", "content": "go on"},
    ],
}
CONVERSATION: Json = {
    "stream": False,
    "max_new_tokens": 50,
    "top_k": 4,
    "typical_p": 0.9,
    "repetition_penalty": 1.1,
    "system_prompt": "system one",
    "historical_messages": [
        {"role": "developer", "content": "system two"},
        {"user": "please"},
        {"role": "assistant", "content": None, "reasoning_content": "thought"},
    ],
    "user_last_statement": "go on",
}
#: The paths that speak each API, and whether the history has a picture that a tool returned.
FACES: dict[str, tuple[str, Json, bool]] = {
    "chat": ("/v1/chat/completions", CHAT, True),
    "messages": ("/v1/messages", MESSAGES, True),
    "responses": ("/v1/responses", RESPONSES, True),
    "ollama": ("/ollama/api/chat", OLLAMA, True),
    "conversation": ("/api/extended_conversation_with_model", CONVERSATION, False),
}


async def chat_only(exchange: Exchange) -> None:
    """A server that has nothing but chat: whoever is relayed to it is translated after all."""
    is_chat = exchange.request.path == "/v1/chat/completions"
    await (answer_json(ANSWER) if is_chat else answer_json({"error": {"message": "no"}}, 404))(exchange)


@asynccontextmanager
async def every_vendor(folder: Path) -> AsyncIterator[tuple[RunningGateway, Peer]]:
    """A gateway with one model for each vendor, called as that is, and the peer that is all of them."""
    async with Peer(chat_only) as peer:
        defaults = {"api_type": "openai", "api_host": peer.url + "/v1"}
        models = {name: {"vendor": name, "model": "up"} for name in VENDORS}
        async with RunningGateway(folder, {"up": {"defaults": defaults, **models}}) as proxy:
            yield proxy, peer


@pytest.mark.parametrize("face", FACES)
async def test_every_face_over_every_vendor(face: str, tmp_path: Path) -> None:
    """Nothing arrives that the vendor refuses, and everything that was said: texts of the system, of people, pictures, calls
    with their results, and the limit under the vendor's name. What does not arrive is named, but for hints."""
    path, body, pictured = FACES[face]
    async with every_vendor(tmp_path) as (proxy, peer):
        for name, vendor in VENDORS.items():
            model = {"model_name" if face == "conversation" else "model": name}
            got = await request(proxy.origin, "POST", path, {**body, **model})
            arrived = peer.requests[-1]
            sent = arrived.json()
            told = str(sent)
            dropped = got.headers.get("x-dropped-params", "")

            assert got.status == 200, (name, got.body)
            assert arrived.path == "/v1/chat/completions"
            assert refusals(sent, vendor) == [], name
            assert [told.count(word) for word in ("system one", "system two", "please", "go on")] == [1] * 4
            assert told.count(DATA) == int(pictured)
            assert [value for key, value in sent.items() if key.startswith("max_")] == [50]
            assert len(sent.get("user", "")) <= vendor.user_length
            assert ("thought" in told) or "messages.reasoning_content" in dropped
            assert ("top_k" in sent) or "top_k" in dropped or "top_k" not in str(body)
            assert not {"user", "prompt_cache_key", "client_metadata"} & {*dropped.split(", ")}


async def test_status_says_whose_row(tmp_path: Path) -> None:
    """Of each model, also where the host implied it."""
    rows = {
        "groq": {"defaults": {"api_token": "k"}, "a": {}},
        "openai": {"defaults": {"api_token": "k"}, "b": {}, "c": {"api_host": "http://127.0.0.1:9/v1"}},
        "box": {
            "defaults": {"api_type": "vllm", "api_host": "http://127.0.0.1:9"},
            "d": {},
            "e": {"vendor": "strict"},
        },
        "ollama": {"f": {}},
    }
    async with RunningGateway(tmp_path, rows) as proxy:
        told = (await request(proxy.origin, "GET", "/api/status/models")).json()

    assert {row["name"]: row["vendor"] for row in told["models"]} == {
        "a": "groq",
        "b": "openai",
        "c": "lenient",
        "d": "vllm",
        "e": "strict",
        "f": "",
    }


async def test_embeddings(tmp_path: Path) -> None:
    """Their parameters obey the row as well: another name for the dimensions, and hints that go without a word."""
    answer = {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "model": "m",
    }
    asked = {"input": "x", "dimensions": 4, "user": "u", "client_metadata": {}, "truncate": "END"}
    async with Peer(answer_json(answer)) as peer:
        defaults = {"api_type": "openai", "api_host": peer.url}
        rows = {
            "up": {
                "defaults": defaults,
                **{name: {"vendor": name} for name in ("openai", "mistral", "lenient")},
            }
        }
        async with RunningGateway(tmp_path, rows) as proxy:
            found = {}
            for name in rows["up"].keys() - {"defaults"}:
                got = await request(proxy.origin, "POST", "/v1/embeddings", {"model": name, **asked})
                found[name] = (peer.requests[-1].json(), got.headers.get("x-dropped-params"))

    assert found == {
        "openai": ({"model": "openai", "input": "x", "dimensions": 4, "user": "u"}, "truncate"),
        "mistral": ({"model": "mistral", "input": "x", "output_dimension": 4}, "truncate"),
        "lenient": (
            {"model": "lenient", "input": "x", "dimensions": 4, "user": "u", "truncate": "END"},
            None,
        ),
    }


@pytest.mark.parametrize("name", ["openai", "strict"])
async def test_the_strict_double_takes_it(name: str, tmp_path: Path) -> None:
    """OpenAI's rules as its double has them, which knows no rows: every face's conversation is answered."""
    async with OpenAIDouble() as double:
        defaults = {"api_type": "openai", "api_host": double.base, "vendor": name}
        async with RunningGateway(tmp_path, {"up": {"defaults": defaults, "gpt-double": {}}}) as proxy:
            for face, (path, body, _) in FACES.items():
                if face == "responses" and VENDORS[name].responses:
                    continue  # relayed as they are, to an API that this double has not
                model = {"model_name" if face == "conversation" else "model": "gpt-double"}
                got = await request(proxy.origin, "POST", path, {**body, **model})
                assert got.status == 200, (face, got.body)


_PDF = "https://x.example/y.pdf"
#: The same document by its address, as each API has it.
BY_ADDRESS: dict[str, tuple[str, dict[str, Any], str]] = {
    "messages": (
        "/v1/messages",
        {
            "max_tokens": 9,
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "document", "source": {"type": "url", "url": _PDF}}],
                }
            ],
        },
        "messages.0.content",
    ),
    "responses": (
        "/v1/responses",
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": _PDF}]}]},
        "input",
    ),
    "gemini": (
        "/v1beta/models/m:generateContent",
        {"contents": [{"parts": [{"fileData": {"fileUri": _PDF, "mimeType": "application/pdf"}}]}]},
        "contents",
    ),
}


@pytest.mark.parametrize("vendor", ["openrouter", "openai", "vllm", "lenient"])
async def test_a_file_by_address(vendor: str, tmp_path: Path) -> None:
    """Goes where the row says that one may; elsewhere it is a 400 in the client's own words, and nothing is asked."""
    async with Peer(answer_json(COMPLETION)) as peer:
        defaults = {"api_type": "openai", "api_host": peer.url, "vendor": vendor, "api": "chat"}
        async with RunningGateway(tmp_path, {"up": {"defaults": defaults, "m": {}}}) as proxy:
            for face, (path, body, field) in BY_ADDRESS.items():
                peer.requests.clear()
                got = await request(proxy.origin, "POST", path, {"model": "m", **body})
                if vendor == "openrouter":
                    assert got.status == 200, (face, got.body)
                    (part,) = peer.requests[0].json()["messages"][0]["content"]
                    assert (part["type"], part["file"]["file_data"]) == ("file", _PDF)
                else:
                    told = got.json()["error"]["message"]
                    assert (got.status, peer.requests) == (400, []), face
                    assert "by address" in told
                    assert field in told or got.json()["error"].get("param") == field


async def test_a_file_by_address_that_was_answered(tmp_path: Path) -> None:
    """By another model: it is told in words, and named, and the conversation goes on."""
    document = BY_ADDRESS["messages"][1]["messages"][0]
    given = BY_ADDRESS["responses"][1]["input"][0]
    content = {"role": "user", **BY_ADDRESS["gemini"][1]["contents"][0]}
    more: dict[str, dict[str, Any]] = {
        "messages": {
            "messages": [document, {"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]
        },
        "responses": {
            "input": [given, {"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]
        },
        "gemini": {
            "contents": [
                content,
                {"role": "model", "parts": [{"text": "a"}]},
                {"role": "user", "parts": [{"text": "b"}]},
            ]
        },
    }
    async with Peer(answer_json(COMPLETION)) as peer:
        defaults = {"api_type": "openai", "api_host": peer.url}
        async with RunningGateway(tmp_path, {"up": {"defaults": defaults, "m": {}}}) as proxy:
            for face, (path, body, _) in BY_ADDRESS.items():
                peer.requests.clear()
                got = await request(proxy.origin, "POST", path, {"model": "m", **body, **more[face]})
                assert got.status == 200, (face, got.body)
                assert "told as text" in got.headers["x-dropped-params"]
                assert _PDF in str(peer.requests[0].json()["messages"][0])
                assert "that this model cannot be shown" in str(peer.requests[0].json()["messages"])
