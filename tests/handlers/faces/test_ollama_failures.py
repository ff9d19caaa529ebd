"""Failures on the Ollama face: one text in ``error``, before the first line and after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ollama import ResponseError

from tests.handlers.kit import COMPLETION, EVENTS, chunk, gateway
from tests.support.client import request
from tests.support.logs import expect_log
from tests.support.ollama_client import ASK, BOTH, client, lines_of, over, post
from tests.support.peer import Peer
from tests.support.scripts import answer_json, silent, sse, stream
from tests.support.secrets import assert_no_secret

ODD = [
    {"content": [5]},
    {"tool_calls": "x"},
    {"tool_calls": ["x"]},
    {"tool_calls": [{"id": 7, "function": {}}]},
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


BAD: list[tuple[str, str, Any, int]] = [
    ("GET", "/api/chat", None, 405),
    ("POST", "/api/tags", {}, 405),
    ("GET", "/api/nothing", None, 404),
    ("POST", "/api/chat", b"{", 400),
    ("POST", "/api/chat", {"messages": ASK}, 400),
    ("POST", "/api/chat", {"model": "mm", "messages": ASK}, 404),
    ("POST", "/api/chat", {"model": "m", "messages": [{"role": "", "content": "x"}]}, 400),
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


@pytest.mark.parametrize("model", ["dies", "mute"])
async def test_ollama_breaks_off(model: str, tmp_path: Path) -> None:
    """An upstream's own error line, or an end without ``done: true``, is told the same way."""
    async with over("ollama", tmp_path, model) as (proxy, _):
        got = await post(proxy, "/api/generate", {"model": "m", "prompt": "hi"})

    *said, last = lines_of(got)
    assert "".join(line["response"] for line in said).startswith("Hello from")
    assert (list(last), got.complete) == (["error"], False)
