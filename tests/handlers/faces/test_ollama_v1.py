"""What an Ollama serves besides its own API: OpenAI's and Anthropic's, on its port and below ``/ollama``; and what every
program looks at first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from llm_proxy.service.endpoints import ollama_routes, routes_of
from tests.support.client import Answer, request
from tests.support.gateway import RunningGateway
from tests.support.program import Program

DEMO: dict[str, Any] = {"demo": {"demo": {}}}
ASK = {"model": "demo", "messages": [{"role": "user", "content": "one two"}]}
CALLS: list[tuple[str, str, Any]] = [
    ("POST", "/v1/chat/completions", ASK),
    ("POST", "/v1/completions", {"model": "demo", "prompt": "one two"}),
    ("POST", "/v1/responses", {"model": "demo", "input": "one two"}),
    ("POST", "/v1/messages", {**ASK, "max_tokens": 50}),
    ("POST", "/v1/messages/count_tokens", ASK),
    ("GET", "/v1/models", None),
    ("GET", "/v1/models/demo", None),
]


async def test_all_of_them_below_ollama(tmp_path: Path) -> None:
    """Each answers there as it does at the root, streams and errors too."""
    async with RunningGateway(tmp_path, DEMO) as proxy:
        for method, path, body in CALLS:
            pairs = [await request(proxy.origin, method, base + path, body) for base in ("", "/ollama")]
            assert [answer.status for answer in pairs] == [200, 200], path
            assert pairs[0].json().keys() == pairs[1].json().keys()
        streamed = await request(proxy.origin, "POST", "/ollama/v1/chat/completions", {**ASK, "stream": True})
        unknown = [
            await request(proxy.origin, "POST", "/ollama" + path, {**(body or {}), "model": "nobody"})
            for method, path, body in CALLS
            if method == "POST" and not path.endswith("count_tokens")
        ]

    assert streamed.events()[-1] == "[DONE]"
    assert [answer.status for answer in unknown] == [404] * 4
    assert all(isinstance(answer.json()["error"], dict) for answer in unknown)


async def test_the_port_is_a_whole_ollama(tmp_path: Path) -> None:
    """The official clients of OpenAI and of Anthropic need nothing but that port: what Ollama's own instructions for
    Claude Code and Codex say."""
    async with Program(tmp_path, DEMO, ollama_port=0) as program:
        url = program.lines("listening")[0]["ollama_url"]
        async with AsyncOpenAI(base_url=url + "/v1", api_key="ollama") as openai:
            names = [model.id async for model in openai.models.list()]
            chat = await openai.chat.completions.create(**ASK)  # type: ignore[call-overload]
            response = await openai.responses.create(model="demo", input="one two", store=False)
        async with AsyncAnthropic(base_url=url, auth_token="ollama") as anthropic:
            message = await anthropic.messages.create(**ASK, max_tokens=50)  # type: ignore[call-overload]
        first = [await request(url, method, path) for method, path in FIRST_LOOKS]
        embedding = await request(url, "POST", "/v1/embeddings", {"model": "nobody", "input": "a"})

    assert names == ["demo"]
    assert "one two" in chat.choices[0].message.content
    assert "one two" in response.output_text
    assert "one two" in message.content[0].text
    assert [answer.status for answer in first] == [200] * len(FIRST_LOOKS)
    assert embedding.status == 404


FIRST_LOOKS = [
    ("HEAD", "/"),
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/api/version"),
    ("GET", "/api/tags"),
    ("GET", "/v1/models"),
    ("HEAD", "/v1/models"),
]


async def test_the_root_says_who_is_here(tmp_path: Path) -> None:
    """The root, ``/health`` and what Claude Code looks at are answered at the main address, GET and HEAD."""
    async with RunningGateway(tmp_path, DEMO) as proxy:
        root = await request(proxy.origin, "GET", "/")
        health = await request(proxy.origin, "GET", "/health")
        heads = [await request(proxy.origin, "HEAD", path) for path in ("/", "/health", "/api/hello")]
        proxy.service.gateway.draining = True
        leaving = await request(proxy.origin, "GET", "/health")
        proxy.service.gateway.draining = False

    assert (root.status, root.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert root.body.startswith(b"llm-proxy-api ")
    assert b"OpenAI /v1, Anthropic /, Ollama /ollama; see /docs, /console" in root.body
    assert root.body.count(b"\n") == 1
    assert (health.status, health.json()) == (200, {"status": "ok"})
    assert [(answer.status, answer.body) for answer in heads] == [(200, b"")] * 3
    assert (leaving.status, leaving.json()) == (503, {"status": "draining"})


def openai_form(answer: Answer) -> str:
    """The message of an error in OpenAI's form."""
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    return str(error["message"])


def anthropic_form(answer: Answer) -> str:
    """The message of an error in Anthropic's form."""
    assert (answer.json()["type"], answer.json()["error"]["type"]) == ("error", "not_found_error")
    return str(answer.json()["error"]["message"])


def ollama_form(answer: Answer) -> str:
    """The message of an error in Ollama's form."""
    found = answer.json()["error"]
    assert isinstance(found, str)
    return found


UNKNOWN = [
    ("/chat/completions", openai_form, "/v1/chat/completions"),
    ("/v1/v1/chat/completions", openai_form, "/v1/chat/completions"),
    ("/v1/chat/completions/chat/completions", openai_form, "/v1/chat/completions"),
    ("/v1/chat/completion", openai_form, "/v1/chat/completions"),
    ("/models", openai_form, "/v1/models"),
    ("/v2/embeddings", openai_form, "/v1/embeddings"),
    ("/responses", openai_form, "/v1/responses"),
    ("/v1/v1/messages", anthropic_form, "/v1/messages"),
    ("/v1/messages/v1/messages", anthropic_form, "/v1/messages"),
    ("/anthropic/messages", anthropic_form, "/v1/messages"),
    ("/ollama/api/chats", ollama_form, "/ollama/api/chat"),
    ("/ollama/generate", ollama_form, "/ollama/api/generate"),
    ("/ollama/v1/v1/chat/completions", openai_form, "/v1/chat/completions"),
    ("/ollama/v1/chat", openai_form, "/chat"),
    ("/ollama/v1/messages/batches", anthropic_form, "/v1/messages"),
    ("/api/tag", openai_form, "/api/tags"),
    ("/nothing-like-it", openai_form, ""),
    ("/" + "x" * 5000, openai_form, ""),
]


async def test_unknown_paths(tmp_path: Path) -> None:
    """A 404 in the form of the API that the path belongs to, with what is near it and where all of them stand; for a
    client that says so, in Anthropic's."""
    version = {"anthropic-version": "2023-06-01"}
    async with RunningGateway(tmp_path, DEMO) as proxy:
        for path, form, near in UNKNOWN:
            got = await request(proxy.origin, "POST", path, {})
            claude = await request(proxy.origin, "POST", path, {}, headers=version)
            said = form(got)
            assert got.status == claude.status == 404
            assert "/docs" in said
            assert (near in said) if near else ("near" not in said), path
            assert anthropic_form(claude) == said


async def test_unknown_paths_of_the_port(tmp_path: Path) -> None:
    """The same there."""
    cases = [
        ("/api/chats", ollama_form, "/api/chat"),
        ("/chat", ollama_form, "/api/chat"),
        ("/chat/completions", ollama_form, "/v1/chat/completions"),
        ("/v1/v1/models", openai_form, "/v1/models"),
        ("/v1/messages/x", anthropic_form, "/v1/messages"),
    ]
    async with Program(tmp_path, DEMO, ollama_port=0) as program:
        url = program.lines("listening")[0]["ollama_url"]
        answers = [await request(url, "GET", path) for path, *_ in cases]

    for got, (_, form, near) in zip(answers, cases, strict=True):
        assert got.status == 404
        assert near in form(got)
        assert "/docs" in form(got)


def test_both_have_the_same() -> None:
    """All that the port serves is served below ``/ollama`` too, but for what operators ask."""
    below = {path for path, _ in routes_of("/api") if path.startswith("/ollama")}

    assert {"/ollama" + path for path, _ in ollama_routes()} - below == {
        f"/ollama/{name}" for name in ("health", "healthz", "livez", "ping", "readyz")
    }
    assert json.dumps(sorted(below)).count("/v1/") >= 15
