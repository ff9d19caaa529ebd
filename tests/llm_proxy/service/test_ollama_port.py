"""Ollama's API at the root of a port of its own, for tools that take a host and a port and nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from ollama import AsyncClient, ResponseError

from tests.support.client import Answer, Connection, request
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.program import Program
from tests.support.scripts import sse, stream

ASK: Any = [{"role": "user", "content": "one two"}]
DEMO: dict[str, Any] = {"demo": {"demo": {}}}
WORKERS = pytest.mark.parametrize("workers", [1, 2])


def refuses(url: str) -> bool:
    """Whether nobody listens there any more."""
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


@WORKERS
async def test_the_official_client_needs_no_path(workers: int, tmp_path: Path) -> None:
    """With nothing but host and port it lists, shows, chats and generates, streamed and not; the log and the status say
    where."""
    async with Program(tmp_path, DEMO, workers=workers, ollama_port=0) as program:
        url = program.lines("listening")[0]["ollama_url"]
        async with AsyncClient(host=url) as client:
            names = [model.model for model in (await client.list()).models]
            shown = await client.show("demo")
            running = await client.ps()
            whole = await client.chat("demo", ASK)
            pieces = [piece.message.content async for piece in await client.chat("demo", ASK, stream=True)]
            written = await client.generate("demo", "one two")
            with pytest.raises(ResponseError) as refused:
                await client.pull("demo")
        status = await program.status()

    assert url.startswith("http://127.0.0.1:")
    assert url.rpartition(":")[2] != program.url.rpartition(":")[2].partition("/")[0]
    assert status["ollama"] == url
    assert len(status["workers"]) == workers
    assert (names, running.models) == (["demo"], [])
    assert shown.capabilities == ["completion"]
    assert "one two" in str(whole.message.content)
    assert "".join(map(str, pieces)) == whole.message.content == written.response
    assert len(pieces) > 2
    assert refused.value.status_code == 501


async def test_the_root_is_ollamas_alone(tmp_path: Path) -> None:
    """Paths are those of that API, errors in its form; nothing else is served there, and the main port serves it below
    ``/ollama`` as before."""
    async with Program(tmp_path, DEMO, ollama_port=0) as program:
        url = program.lines("listening")[0]["ollama_url"]
        origin = program.url.removesuffix("/api")
        root = await request(url, "GET", "/")
        head = await request(url, "HEAD", "/")
        version = await request(url, "GET", "/api/version")
        strange = [await request(url, "GET", path) for path in ("/api/ping", "/ollama", "/openapi.json")]
        wrong = await request(url, "GET", "/api/chat")
        below = await request(origin, "GET", "/ollama/api/version")
        elsewhere = await request(origin, "GET", "/")

    assert (root.status, root.body, head.status, head.body) == (200, b"Ollama is running", 200, b"")
    assert version.json() == below.json()
    assert [answer.status for answer in strange] == [404] * 3
    assert all(isinstance(answer.json()["error"], str) for answer in (*strange, wrong))
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert elsewhere.body.startswith(b"llm-proxy-api ")


async def test_another_host_name_is_refused_there_too(tmp_path: Path) -> None:
    """On loopback a web page under a name of its own does not reach it (DNS rebinding)."""
    async with Program(tmp_path, DEMO, ollama_port=0) as program:
        url = program.lines("listening")[0]["ollama_url"]
        refused = await request(url, "GET", "/api/tags", headers={"Host": "evil.example"})

    assert refused.status == 403


@WORKERS
async def test_it_drains_with_the_other(workers: int, tmp_path: Path) -> None:
    """At a stop nobody is accepted on either port, open connections are told, and a stream that ends in time is
    whole."""
    gate = asyncio.Event()
    first, *rest = sse(*(chunk(word) for word in ("one", " two")), chunk(None))
    config = {"peer": {"defaults": {"api_type": "openai"}, "m": {"model": "up"}}}
    async with Peer(stream(first, gate, *rest)) as peer:
        config["peer"]["defaults"] |= {"api_host": peer.url + "/v1", "api_token": "k"}
        async with (
            Program(tmp_path, config, workers=workers, ollama_port=0) as program,
            Connection(program.lines("listening")[0]["ollama_url"]) as client,
            Connection(program.lines("listening")[0]["ollama_url"]) as idle,
        ):
            url = program.lines("listening")[0]["ollama_url"]
            await client.send("POST", "/api/chat", {"model": "m", "messages": ASK})
            head = await client.head()
            await idle.request("GET", "/api/version")
            program.signal(signal.SIGTERM)
            await program.logged("stopping")
            await wait_until(lambda: refuses(url))
            late = await idle.request("GET", "/api/version")
            gate.set()
            answer = await client.rest(head)
            code = await program.ended()

    assert (late.status, isinstance(late.json()["error"], str)) == (503, True)
    assert answer.complete
    assert lines(answer)[-1]["done"] is True
    assert "".join(line["message"]["content"] for line in lines(answer)) == "one two"
    assert code == 0


def chunk(word: str | None) -> dict[str, Any]:
    """A chunk of a stream; None ends it."""
    delta = {} if word is None else {"content": word}
    choice = {"index": 0, "delta": delta, "finish_reason": "stop" if word is None else None}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": [choice]}


def lines(answer: Answer) -> list[Any]:
    """The lines of a stream."""
    return [json.loads(line) for line in answer.body.splitlines()]


@WORKERS
async def test_a_taken_port_is_one_clear_line(workers: int, tmp_path: Path) -> None:
    """It names the port, the exit status is 1, and nothing was served on the other."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with Program(tmp_path, DEMO, expect="end", workers=workers, ollama_port=port) as program:
            code = await program.ended()

    assert code == 1
    (line,) = program.plain()
    assert line.startswith(f"llm-proxy: cannot listen on 127.0.0.1:{port}: Address already in use by ")
    assert line.endswith(
        f"(pid {os.getpid()}); LLM_PROXY_API_OLLAMA_PORT or --ollama-port names another port"
    )
    assert program.lines() == []


@pytest.mark.parametrize("port", ["x", "70000", "-1", "8123"])
async def test_nonsense_is_exit_status_2(port: str, tmp_path: Path) -> None:
    """Also the number of the main port."""
    async with Program(tmp_path, DEMO, expect="end", port=8123, ollama_port=port) as program:
        code = await program.ended()

    assert code == 2
    (line,) = program.plain()
    assert line.startswith("llm-proxy: LLM_PROXY_API_OLLAMA_PORT: ")
    assert "allowed: " in line
