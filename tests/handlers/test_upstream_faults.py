"""What a client of /chat sees when an upstream of the OpenAI dialect misbehaves."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import CHAT, COMPLETION, EVENTS, WHOLE, access_lines, chunk, gateway
from tests.support.client import Answer, Connection, request
from tests.support.gateway import RunningGateway
from tests.support.logs import expect_log
from tests.support.loops import still, wait_until
from tests.support.peer import Peer, Script
from tests.support.scripts import answer, answer_json, half_chunk, raw, silent, sse, stream
from tests.support.secrets import UPSTREAM_KEY, assert_no_secret

PIECES = sse(*EVENTS)
BODIES = pytest.mark.parametrize("body", [CHAT, WHOLE], ids=["stream", "whole"])
QUICK = {"timeouts": {"connect": 1, "first_byte": 0.2, "idle": 0.2, "total": 5}}


async def ask(
    folder: Path, script: Script, body: Any, fields: dict[str, Any] | None = None
) -> tuple[Answer, str]:
    """One request through the gateway to a peer that follows ``script``; the peer's address beside the answer."""
    async with Peer(script) as peer, gateway(folder, peer.url, fields=fields) as proxy:
        return await proxy.request("POST", "/chat", body), peer.url


def assert_refused(got: Answer, url: str, status: int, code: str) -> None:
    """A real status with our error body, which names neither key nor address."""
    assert (got.status, got.complete) == (status, True)
    error = got.json()["error"]
    assert (error["code"], error["request_id"]) == (code, got.headers["x-request-id"])
    assert got.headers["content-type"] == "application/json"
    assert url.rpartition(":")[2] not in error["message"]
    assert_no_secret(got.body)


def assert_broken_off(got: Answer, code: str, text: str) -> None:
    """Everything that came, one error event, no terminator, and a visible cut."""
    assert (got.status, got.complete) == (200, False)
    assert "connection" not in got.headers
    *chunks, last = got.events()
    assert last["error"]["code"] == code
    assert "[DONE]" not in chunks
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks) == text


REFUSALS = [
    (
        400,
        {"error": {"message": "bad", "type": "invalid_request_error", "param": "x", "code": None}},
        400,
        None,
    ),
    (400, {"error": {"message": "long", "code": "context_length_exceeded"}}, 400, "context_length_exceeded"),
    (401, {"error": {"message": f"bad key {UPSTREAM_KEY}", "code": "invalid_api_key"}}, 502, "upstream_auth"),
    (404, {"error": {"message": "no model", "code": "model_not_found"}}, 404, "model_not_found"),
    (422, {"detail": "no"}, 422, None),
    (429, {"error": {"message": "slow down"}}, 429, "rate_limit"),
    (500, {"error": "boom"}, 502, "upstream_error"),
    (503, {"error": {"message": "loading"}}, 503, "upstream_error"),
    (302, {}, 502, "upstream_error"),
]


@BODIES
@pytest.mark.parametrize(("status", "body_there", "wanted", "code"), REFUSALS)
async def test_a_refusal_before_the_first_byte_keeps_its_status(
    body: Any, status: int, body_there: Any, wanted: int, code: str | None, tmp_path: Path
) -> None:
    """4xx stay as they are, our key's failure is ours, 500 becomes 502; nothing is followed or repeated."""
    script = answer_json(body_there, status, {"Retry-After": "7", "Location": "http://169.254.169.254/"})
    async with Peer(script) as peer, gateway(tmp_path, peer.url) as proxy:
        with expect_log("handlers", "rejects our key", required=status == 401):
            got = await proxy.request("POST", "/chat", body)

        assert len(peer.requests) == 1
    assert_refused(got, peer.url, wanted, code or got.json()["error"]["code"])
    if status == 429:
        assert got.headers["retry-after"] == "7"


@BODIES
async def test_connection_refused(body: Any, tmp_path: Path) -> None:
    """Nobody listens: 502 at once."""
    async with Peer(silent()) as peer:
        url = peer.url
    async with gateway(tmp_path, url) as proxy:
        got = await proxy.request("POST", "/chat", body)

    assert_refused(got, url, 502, "upstream_unreachable")


@BODIES
async def test_closed_without_an_answer(body: Any, tmp_path: Path) -> None:
    """An upstream that accepts and closes is unreachable; a fresh connection is not tried twice."""
    async with Peer(raw(end="cut")) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await proxy.request("POST", "/chat", body)

        assert len(peer.requests) == 1
    assert_refused(got, peer.url, 502, "upstream_unreachable")


@BODIES
async def test_never_answers(body: Any, tmp_path: Path) -> None:
    """The limit that fired is named, and the upstream sees our close."""
    async with Peer(silent()) as peer, gateway(tmp_path, peer.url, fields=QUICK) as proxy:
        got = await proxy.request("POST", "/chat", body)
        await peer.closed_by_client()

    assert_refused(got, peer.url, 504, "timeout_first_byte")


async def test_headers_and_comments_are_no_first_event(tmp_path: Path) -> None:
    """Servers send headers and comments long before a token: the first-byte limit watches events."""
    got, url = await ask(tmp_path, stream(b": thinking\n\n", end="silence"), CHAT, QUICK)

    assert_refused(got, url, 504, "timeout_first_byte")


async def test_silence_in_mid_stream(tmp_path: Path) -> None:
    """After the last event within the idle limit comes an error event, and a cut."""
    got, _ = await ask(tmp_path, stream(*PIECES[:2], end="silence"), CHAT, QUICK)

    assert_broken_off(got, "timeout_idle", "one")


async def test_total_limit(tmp_path: Path) -> None:
    """A stream that never ends meets the total limit, however lively it is."""
    lively = [part for _ in range(400) for part in (PIECES[1], 0.02)]
    limits = {"timeouts": {"total": 0.3}}
    async with Peer(stream(*lively)) as peer, gateway(tmp_path, peer.url, fields=limits) as proxy:
        got = await proxy.request("POST", "/chat", CHAT)
        await peer.closed_by_client()

    assert (got.complete, got.events()[-1]["error"]["code"]) == (False, "timeout_total")


BREAKS = {
    "reset": stream(*PIECES[:2], end="reset"),
    "cut between chunks": stream(*PIECES[:2], end="cut"),
    "cut in a chunk": stream(*PIECES[:2], half_chunk(PIECES[2]), end="cut"),
    "no terminator": stream(*PIECES[:2]),
    "bad chunk size": raw(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"%x\r\n%b\r\n" % (len(PIECES[1]), PIECES[1]),
        b"zz\r\n",
        end="silence",
    ),
    "malformed event": stream(*PIECES[:2], b"data: {not json\n\n"),
    "not UTF-8": stream(*PIECES[:2], b'data: {"choices": "\xff"}\n\n'),
    "error object": stream(
        *PIECES[:2], b'data: {"error": {"message": "engine died", "code": 500}}\n\n', PIECES[-1]
    ),
    "oversized event": stream(*PIECES[:2], b"data: " + b"x" * (2 << 20)),
}


@pytest.mark.parametrize("script", BREAKS.values(), ids=BREAKS.keys())
async def test_a_break_in_mid_stream_is_visible(script: Script, tmp_path: Path) -> None:
    """Whatever went wrong, complete events come first, then one error event, no [DONE], no last chunk."""
    got, _ = await ask(tmp_path, script, CHAT)

    assert_broken_off(got, "upstream_error", "one")


async def test_a_cut_behind_the_terminator_is_a_break(tmp_path: Path) -> None:
    """Success needs the terminator and whole HTTP framing."""
    got, _ = await ask(tmp_path, stream(*PIECES, end="cut"), CHAT)

    assert_broken_off(got, "upstream_error", "one two")


WRONG_BODIES = {
    "login page": answer(b"<html>log in</html>", content_type="text/html"),
    "error object": answer_json({"error": {"message": "no"}}),
    "empty": answer(b""),
    "cut": raw(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", end="cut"
    ),
    "no choices": answer_json({"object": "list"}),
    "two lengths": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", end="cut"),
}


@BODIES
@pytest.mark.parametrize("script", WRONG_BODIES.values(), ids=WRONG_BODIES.keys())
async def test_a_200_that_is_no_answer_is_a_502(script: Script, body: Any, tmp_path: Path) -> None:
    """Clients take a 200 with anything else for an empty answer, so it is not passed on."""
    got, url = await ask(tmp_path, script, body)

    assert_refused(got, url, 502, "upstream_error")


async def test_a_whole_answer_to_a_stream_becomes_a_stream(tmp_path: Path) -> None:
    """A server that ignores ``stream: true`` is still answered as a stream."""
    got, _ = await ask(tmp_path, answer_json(COMPLETION), CHAT)

    assert (got.status, got.complete) == (200, True)
    assert got.text() == "one two"
    assert got.events()[-1] == "[DONE]"


async def test_a_stream_for_a_whole_answer_is_collected(tmp_path: Path) -> None:
    """A server that streams without being asked is still answered as one object."""
    got, _ = await ask(tmp_path, stream(*PIECES), WHOLE)

    assert got.json()["choices"][0]["message"]["content"] == "one two"


def quiet(folder: Path, url: str, settings: dict[str, Any]) -> RunningGateway:
    """A gateway with other keep-alive settings."""
    return gateway(folder, url, **settings)


async def test_keep_alives_begin_the_stream(tmp_path: Path) -> None:
    """A thinking upstream: status held back for a while, then comments, then the answer; an error is an event."""
    gate = asyncio.Event()
    quick: dict[str, Any] = {"keepalive_after": 0.05, "keepalive_interval": 0.05}
    script = stream(gate, *PIECES)
    async with (
        Peer(script) as peer,
        gateway(tmp_path, peer.url, **quick) as proxy,
        Connection(proxy.url) as client,
    ):
        await client.send("POST", "/chat", CHAT)
        answer = await client.head()
        assert await client.piece(answer) == b": keep-alive\n\n"
        assert await client.piece(answer) == b": keep-alive\n\n"
        gate.set()
        await client.rest(answer)

    assert (answer.complete, answer.text()) == (True, "one two")


@pytest.mark.parametrize("after", [0.02, 60.0], ids=["as soon as the others", "much later"])
async def test_keep_alives_in_mid_stream(after: float, tmp_path: Path) -> None:
    """Between two tokens that are far apart they come at their interval, however long the first was to wait."""
    gate = asyncio.Event()
    quick: dict[str, Any] = {"keepalive_after": after, "keepalive_interval": 0.05}
    async with (
        Peer(stream(*PIECES[:3], gate, *PIECES[3:])) as peer,
        gateway(tmp_path, peer.url, **quick) as proxy,
        Connection(proxy.url) as client,
    ):
        await client.send("POST", "/chat", CHAT)
        answer = await client.head()
        while await client.piece(answer) != b": keep-alive\n\n":
            pass
        assert await client.piece(answer) == b": keep-alive\n\n"
        gate.set()
        await client.rest(answer)

    assert (answer.complete, answer.text()) == (True, "one two")


async def test_after_a_keep_alive_a_refusal_is_an_event(tmp_path: Path) -> None:
    """The 200 is out, so the upstream's error can only be told in the stream; its head says nothing of an answer that was not
    there."""
    gate = asyncio.Event()

    async def late(exchange: Any) -> None:
        await gate.wait()
        await answer_json({"error": {"message": "no"}}, 429)(exchange)

    quick: dict[str, Any] = {"keepalive_after": 0.05}
    async with Peer(late) as peer, quiet(tmp_path, peer.url, quick) as proxy, Connection(proxy.url) as client:
        await client.send("POST", "/chat", CHAT)
        got = await client.head()
        await client.piece(got)
        gate.set()
        await client.rest(got)

    assert_broken_off(got, "rate_limit", "")
    assert "x-llm-attempts" not in got.headers


@pytest.mark.parametrize("moment", ["before the head", "before the first event", "in mid-stream", "whole"])
async def test_the_upstream_sees_that_the_client_left(moment: str, tmp_path: Path) -> None:
    """Within 100 ms (here: a generous multiple), at every moment; logged as 499."""
    scripts = {
        "before the head": silent(),
        "before the first event": stream(end="silence"),
        "in mid-stream": stream(*PIECES[:2], end="silence"),
        "whole": silent(),
    }
    async with Peer(scripts[moment]) as peer, gateway(tmp_path, peer.url) as proxy:
        with access_lines() as lines:
            async with Connection(proxy.url) as client:
                await client.send("POST", "/chat", WHOLE if moment == "whole" else CHAT)
                await peer.received()
                if moment == "in mid-stream":
                    await client.piece(await client.head())
            left = time.monotonic()
            seen = await peer.closed_by_client(deadline=2)
            await wait_until(lambda: bool(lines))

        assert not proxy.service.gateway.running
    assert seen - left < 1
    assert [(line["status"], line["code"], line["ended_by"]) for line in lines] == [
        (499, "client_gone", "client")
    ]


async def test_a_slow_reader_stops_the_upstream(tmp_path: Path) -> None:
    """A client that reads nothing costs a bounded amount: the upstream can get rid of only so much."""
    event = b"data: " + b'{"choices":[{"index":0,"delta":{"content":"' + b"x" * 60_000 + b'"}}]}\n\n'
    sent = 0

    async def flood(exchange: Any) -> None:
        nonlocal sent
        await exchange.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        while sent < 400:
            await exchange.chunk(event)
            sent += 1
        await exchange.left()

    async with Peer(flood) as peer, gateway(tmp_path, peer.url) as proxy, Connection(proxy.url) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await client.send("POST", "/chat", CHAT)
        await peer.received()
        await wait_until(lambda: sent, 20)
        assert await still(lambda: sent) < 400
        (running,) = proxy.service.gateway.running
        assert running.exchange._size <= 1 << 20  # type: ignore[attr-defined]


async def test_draining_tells_a_running_stream(tmp_path: Path) -> None:
    """At the end of the drain a stream that still runs gets an honest error event."""
    async with Peer(stream(*PIECES[:2], end="silence")) as peer:
        proxy: RunningGateway = gateway(tmp_path, peer.url, drain_seconds=0.1)
        async with proxy, Connection(proxy.url) as client:
            await client.send("POST", "/chat", CHAT)
            got = await client.head()
            await client.piece(got)
            await proxy.service.stop(asyncio.Event())
            await client.rest(got)

    assert_broken_off(got, "draining", "one")


def beyond_json(*events: dict[str, Any]) -> list[bytes]:
    """``events`` whose "FAR" is a number that no float can hold: legal JSON, and read as infinity."""
    return [piece.replace(b'"FAR"', b"1e999") for piece in sse(*events)]


@BODIES
async def test_a_number_beyond_json(body: dict[str, Any], tmp_path: Path) -> None:
    """What a face cannot write again is the upstream's fault: 502 as long as nothing was sent."""
    odd = {"prompt_tokens": "FAR", "completion_tokens": "FAR"}
    whole = answer(json.dumps({**COMPLETION, "usage": odd}).replace('"FAR"', "1e999").encode())
    streamed = stream(*beyond_json(chunk({"content": "one"}), chunk({}, "stop", usage=odd, x="FAR")))
    path = "/chat" if body is CHAT else "/ollama/api/chat"
    async with Peer(streamed if body is CHAT else whole) as peer, gateway(tmp_path, peer.url) as proxy:
        with access_lines() as lines:
            got = await request(proxy.url if body is CHAT else proxy.origin, "POST", path, body)

    assert (got.status, got.complete) == (502, True)
    assert b"JSON cannot express" in got.body
    assert (lines[0]["code"], lines[0]["kind"]) == ("upstream_error", "event")


async def test_a_number_beyond_json_at_the_end(tmp_path: Path) -> None:
    """The same in mid-stream is one error, and a cut: here in what the Ollama dialect says last."""
    odd = {"prompt_tokens": "FAR", "completion_tokens": "FAR"}
    pieces = beyond_json(chunk({"content": "one"}), chunk({}, "stop", usage=odd))
    async with Peer(stream(*pieces)) as peer, gateway(tmp_path, peer.url) as proxy:
        with access_lines() as lines:
            got = await request(proxy.origin, "POST", "/ollama/api/chat", CHAT)

    first, last = map(json.loads, got.body.splitlines())
    assert (got.status, got.complete) == (200, False)
    assert first["message"]["content"] == "one"
    assert "JSON cannot express" in last["error"]
    assert (lines[0]["code"], lines[0]["kind"]) == ("upstream_error", "event")
