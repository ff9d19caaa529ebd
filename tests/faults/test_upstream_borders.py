"""U36, U37, U39: what does not cross from one side to the other, and what does although it comes early."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.relay.upstream import HIGH_WATER
from tests.faults.kit import (
    FORMS,
    PATHS,
    PIECES,
    ask,
    assert_idle,
    healthy,
    once,
    suffering,
)
from tests.handlers.kit import CHAT, COMPLETION, WHOLE, access_lines, gateway
from tests.support.client import Connection
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Peer, Script
from tests.support.scripts import answer, answer_json, head, raw, stream

in_each_form = pytest.mark.parametrize("form", FORMS)


@in_each_form
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_u36_redirects_are_not_followed(form: str, status: int, tmp_path: Path) -> None:
    """S5: no second connection is made, wherever it points; chat makes it a 502, passthrough shows the status."""
    async with Peer(healthy) as other:
        target = f"{other.url}/v1/chat/completions"
        async with suffering(tmp_path, answer(b"", status, {"Location": target})) as (peer, proxy):
            with access_lines() as lines:
                got = await ask(proxy, form)
                await wait_until(lambda: bool(lines))
            assert len(peer.requests) == 1
        assert other.connections == 0

    assert "location" not in got.headers
    assert got.status == (status if form == "passthrough" else 502)
    if form != "passthrough":
        assert (lines[0]["phase"], lines[0]["kind"]) == ("head", "redirect")


#: Large enough for back-pressure, and for our parsing it off the loop.
LARGE = 4 << 20


def large(form: str) -> dict[str, Any]:
    """A request of 4 MiB."""
    if form == "passthrough":
        return {"any": "x" * LARGE}
    return {**(CHAT if form == "stream" else WHOLE), "messages": [{"role": "user", "content": "x" * LARGE}]}


@in_each_form
async def test_u37_an_early_answer(form: str, tmp_path: Path) -> None:
    """An upstream that refuses before it has read the body is heard, and its answer is the client's."""

    async def early(exchange: Exchange) -> None:
        said = b'{"error": {"message": "too long for me", "code": "string_above_max_length"}}'
        await exchange.send(
            head(413, {"Content-Type": "application/json", "Content-Length": str(len(said))}) + said
        )
        await exchange.left()

    async with Peer(early, read_body=False) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await proxy.request("POST", PATHS[form], large(form))
        await assert_idle(proxy)

    assert got.status == (413 if form == "passthrough" else 400)
    assert b"too long for me" in got.body


@in_each_form
async def test_u37_a_close_while_we_send(form: str, tmp_path: Path) -> None:
    """Without an answer it is a 502 that says in the log that it happened while writing."""
    async with Peer(raw(end="reset"), read_body=False) as peer, gateway(tmp_path, peer.url) as proxy:
        with access_lines() as lines:
            got = await proxy.request("POST", PATHS[form], large(form))
            await wait_until(lambda: bool(lines))
        await assert_idle(proxy)
        assert len(peer.requests) == 1

    assert (got.status, got.json()["error"]["code"]) == (502, "upstream_unreachable")
    assert lines[0]["phase"] == "write"


THEIRS = {
    "Set-Cookie": "a=b",
    "Server": "theirs",
    "Alt-Svc": "h3",
    "Connection": "close, X-Secret",
    "X-Secret": "1",
    "Keep-Alive": "timeout=5",
    "Access-Control-Allow-Origin": "*",
    "Strict-Transport-Security": "max-age=1",
    "X-Request-Id": "theirs",
}
#: All that an answer of ours may carry.
OURS = set(
    "server date content-type content-length transfer-encoding vary x-request-id x-trace-id x-config-generation "
    "x-llm-provider x-llm-model x-llm-attempts x-prompt x-dropped-params cache-control x-accel-buffering".split()
)
TRANSLATED: dict[str, tuple[Script, Any]] = {
    "stream": (stream(*PIECES, headers=THEIRS, end="close"), CHAT),
    "whole": (answer_json(COMPLETION, headers=THEIRS), WHOLE),
    "whole as stream": (answer_json(COMPLETION, headers=THEIRS), CHAT),
    "stream as whole": (stream(*PIECES, headers=THEIRS, end="close"), WHOLE),
    "refusal": (answer_json({"error": {"message": "no"}}, 422, THEIRS), CHAT),
}


@pytest.mark.parametrize("name", TRANSLATED)
async def test_u39_an_upstreams_headers_end_here(name: str, tmp_path: Path) -> None:
    """Of what the upstream says about itself, its connection and its body nothing is in an answer of ours."""
    script, body = TRANSLATED[name]
    async with Peer(script) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await proxy.request("POST", "/chat", body)

    assert set(got.headers) <= OURS
    assert got.headers["server"].startswith("llm-proxy-api/")
    assert got.headers["x-request-id"] != "theirs"
    assert got.complete


async def test_u39_the_bodys_length_is_that_of_what_is_sent(tmp_path: Path) -> None:
    """An answer larger than all buffers arrives whole, under its own length."""
    content = "ł" * HIGH_WATER * 4
    message = {"role": "assistant", "content": content}
    big = {**COMPLETION, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    async with (
        Peer(once(answer_json(big))) as peer,
        gateway(tmp_path, peer.url) as proxy,
        Connection(proxy.url) as client,
    ):
        got = await asyncio.wait_for(client.request("POST", "/chat", WHOLE), 20)
        again = await client.request("POST", "/chat", WHOLE)

    assert got.complete
    assert int(got.headers["content-length"]) == len(got.body)
    assert got.json()["choices"][0]["message"]["content"] == content
    assert again.json()["choices"][0]["message"]["content"] == "one two"
