"""U7, U8, U19 to U23, U36, U37, U39: what an upstream can do wrong, or right, before the first byte of a body."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.upstream import HIGH_WATER
from tests.faults.kit import (
    FORMS,
    PATHS,
    PIECES,
    QUICK,
    ask,
    assert_idle,
    healthy,
    once,
    suffer,
    suffering,
)
from tests.handlers.kit import CHAT, COMPLETION, WHOLE, access_lines, gateway
from tests.support.client import Connection
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Peer, Script
from tests.support.scripts import answer, answer_json, drip, head, raw, silent, stream

in_each_form = pytest.mark.parametrize("form", FORMS)


@in_each_form
async def test_u7_never_answers(form: str, tmp_path: Path) -> None:
    """504 at the first-byte limit, and the upstream sees the close."""
    met = await suffer(tmp_path, silent(), form, QUICK)

    met.refused(504, "timeout_first_byte")
    assert met.says("phase", "kind", "ended_by") == ("head", "timeout", "upstream")


async def test_u7_keep_alives_do_not_hide_it(tmp_path: Path) -> None:
    """Our own comments to the client neither stop nor move the limit; they only make it an event."""
    met = await suffer(tmp_path, silent(), "stream", QUICK, keepalive_after=0.05, keepalive_interval=0.05)

    met.broken_off("timeout_first_byte", "")
    assert met.answer.body.count(b": keep-alive\n\n") >= 2


@in_each_form
async def test_u8_a_dripping_head(form: str, tmp_path: Path) -> None:
    """The limit is for the whole head: a byte now and then does not move it."""
    met = await suffer(tmp_path, drip(head(200, {"X": "y" * 200}), 0.02), form, QUICK)

    met.refused(504, "timeout_first_byte")


OK = b"HTTP/1.1 200 OK\r\n"
HEADS: dict[str, tuple[bytes, str]] = {
    "u19 two lengths": (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "framing"),
    "u19 length and chunks": (
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "framing",
    ),
    "u19 gzip, chunked": (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "framing"),
    "u19 NUL": (OK + b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}", "framing"),
    "u19 folded": (OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}", "framing"),
    "u19 not HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "framing"),
    "u20 head over 64 KB": (OK + b"X: " + b"y" * 70_000 + b"\r\n\r\n", "too_large"),
    "u20 5,000 headers": (OK + b"X: y\r\n" * 5_000 + b"\r\n", "too_large"),
    "u21 endless 100": (b"HTTP/1.1 100 Continue\r\n\r\n" * 50, "informational"),
    "u23 101": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "protocol"),
}


@in_each_form
@pytest.mark.parametrize("name", HEADS)
async def test_heads_that_are_refused(form: str, name: str, tmp_path: Path) -> None:
    """502, the connection is closed at once although the upstream would go on, and it is never used again."""
    data, kind = HEADS[name]
    met = await suffer(tmp_path, raw(data, end="silence"), form)

    met.refused(502, "upstream_error")
    assert met.says("phase", "kind", "ended_by") == ("head", kind, "upstream")


@in_each_form
async def test_u20_sixteen_megabytes_in_one_value(form: str, tmp_path: Path) -> None:
    """An endless head is given up after its first 64 KiB: its sender gets rid of a fraction."""
    sent = 0

    async def endless(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.send(OK + b"X: ")
        while sent < 16 << 20:
            await exchange.send(b"y" * 65536)
            sent += 65536

    met = await suffer(tmp_path, endless, form)

    met.refused(502, "upstream_error")
    assert met.says("phase", "kind") == ("head", "too_large")
    assert sent < 16 << 20


@in_each_form
async def test_u21_some_informational_answers(form: str, tmp_path: Path) -> None:
    """Up to ten are skipped, early hints among them, and nothing of them reaches the client."""

    async def chatty(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 5)
        await exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 5)
        await healthy(exchange)

    async with suffering(tmp_path, chatty) as (_, proxy):
        got = await ask(proxy, form)

    assert (got.status, got.complete) == (200, True)
    assert "link" not in got.headers


BODILESS: dict[str, tuple[str, bytes, int]] = {
    "204 that promises a body": ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 10\r\n\r\n", 204),
    "304": ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nETag: x\r\n\r\n", 304),
    "HEAD": ("HEAD", OK + b"Content-Length: 10\r\n\r\n", 200),
}


@pytest.mark.parametrize("name", BODILESS)
async def test_u23_nobody_waits_for_a_body_that_never_comes(name: str, tmp_path: Path) -> None:
    """HEAD, 204 and 304 end with the head, whatever it says."""
    method, data, status = BODILESS[name]
    async with suffering(tmp_path, raw(data, end="clean")) as (_, proxy):
        got = await proxy.request(method, "/passthrough/peer/x")

    assert (got.status, got.body, got.complete) == (status, b"", True)


@pytest.mark.parametrize("form", ["stream", "whole"])
@pytest.mark.parametrize("status", [204, 304])
async def test_u23_no_answer_to_a_chat(form: str, status: int, tmp_path: Path) -> None:
    """A status without a body answers no question: 502, at once."""
    met = await suffer(tmp_path, raw(head(status), end="close"), form)

    met.refused(502, "upstream_error")


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
    "server date content-type content-length transfer-encoding vary x-request-id x-config-generation "
    "x-llm-provider x-llm-model x-prompt x-dropped-params cache-control x-accel-buffering".split()
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
