"""/ping, /tags, /status, and what all endpoints share: methods, hosts, limits, bad bodies, old clients."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import CHAT, MESSAGES, access_lines, gateway
from tests.support.client import Connection
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.secrets import UPSTREAM_KEY, assert_no_secret

NOWHERE = "http://127.0.0.1:9"
DEMO: dict[str, Any] = {"demo": {"demo": {"languages": ["en"], "input_size": 4096}}}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_ping(method: str, tmp_path: Path) -> None:
    """``pong`` as text, with the headers of every answer."""
    async with gateway(tmp_path, NOWHERE) as proxy:
        got = await proxy.request(method, "/ping")

    assert (got.status, got.body) == (200, b"pong" if method == "GET" else b"")
    assert got.headers["content-type"].startswith("text/plain")
    assert got.headers["x-request-id"]
    assert got.headers["x-config-generation"].startswith("1-")


async def test_tags(tmp_path: Path) -> None:
    """Models in a form that Ollama's readers understand; inactive ones, hosts and keys are not shown."""
    rows = {
        "here": {
            "defaults": {"api_type": "openai", "api_host": NOWHERE, "api_token": UPSTREAM_KEY},
            "m": {},
            "off": {"active": False},
        },
        "there": {
            "defaults": {"api_type": "vllm", "api_host": NOWHERE},
            "m": {"input_size": 100, "prompt": "tone"},
        },
    }
    async with RunningGateway(tmp_path, rows) as proxy:
        got = await proxy.request("GET", "/tags")

    (model,) = got.json()["models"]
    wanted = {
        "name": "m",
        "model": "m",
        "providers": ["here", "there"],
        "api_type": "openai",
        "input_size": 100,
    }
    assert {key: model[key] for key in wanted} == wanted
    assert {"modified_at", "size", "digest", "details", "languages", "prompt", "provider"} <= set(model)
    assert_no_secret(got.body)
    assert b"127.0.0.1" not in got.body


async def test_status(tmp_path: Path) -> None:
    """What runs now, without hosts and keys."""
    async with gateway(tmp_path, NOWHERE) as proxy:
        got = await proxy.request("GET", "/status")

    report = got.json()
    assert (report["state"], report["problems"], report["generation"]) == ("applied", [], 1)
    assert {"hash", "loaded_at", "version", "uptime", "watcher", "prompts", "workers"} <= set(report)
    assert got.headers["x-config-generation"] == f"1-{report['hash'][:8]}"
    assert_no_secret(got.body)
    assert b"127.0.0.1" not in got.body


async def test_a_rejected_edit_is_told_until_it_is_mended(tmp_path: Path) -> None:
    """The old state serves, /status says rejected with every problem and no value; then applied again."""
    from tests.support.logs import expect_log

    async with RunningGateway(tmp_path, DEMO) as proxy:
        proxy.write_config(
            json.dumps({"demo": {"demo": {"weigth": 1, "active": "yes", "api_token": UPSTREAM_KEY}}})
        )
        with expect_log("llm_proxy.live.state.registry", "rejected"):
            await proxy.service.registry.reload("test")
        report = (await proxy.request("GET", "/status")).json()
        alive = await proxy.request("POST", "/chat", {"model": "demo", "messages": MESSAGES, "stream": False})
        proxy.write_config(DEMO)
        await proxy.service.registry.reload("test")
        mended = (await proxy.request("GET", "/status")).json()

    assert (report["state"], report["generation"], alive.status) == ("rejected", 1, 200)
    assert any("weigth" in problem and "weight" in problem for problem in report["problems"])
    assert any("active" in problem for problem in report["problems"])
    assert (mended["state"], mended["problems"], mended["generation"]) == ("applied", [], 1)
    assert_no_secret(json.dumps(report))


async def test_the_demo_model_streams(tmp_path: Path) -> None:
    """The shipped model answers over real HTTP, labelled, word by word, with usage."""
    async with RunningGateway(tmp_path, DEMO) as proxy:
        body = {"model": "demo", "messages": [{"role": "user", "content": "one two"}]}
        got = await proxy.request("POST", "/chat", {**body, "stream_options": {"include_usage": True}})

    assert got.text() == "[demo model: no language model is behind this answer] You said: one two"
    assert len(got.pieces) > 5
    assert got.events()[-2]["usage"]["prompt_tokens"] == 2


async def test_the_demo_has_no_embeddings(tmp_path: Path) -> None:
    """Told as of every upstream that has none, not by an answer of a server that nobody knows."""
    async with RunningGateway(tmp_path, DEMO) as proxy:
        got = await proxy.request("POST", "/v1/embeddings", {"model": "demo", "input": "x"})
    assert (got.status, got.json()["error"]["code"]) == (400, "not_supported")


METHODS = [
    ("GET", "/chat", 405, "POST"),
    ("HEAD", "/chat", 405, "POST"),
    ("OPTIONS", "/chat", 405, "POST"),
    ("DELETE", "/ping", 405, "GET, HEAD"),
    ("POST", "/tags", 405, "GET, HEAD"),
    ("PUT", "/conversation_with_model", 405, "POST"),
    ("BREW", "/ping", 405, "GET, HEAD"),
    ("get", "/ping", 405, "GET, HEAD"),
    ("GET", "/nothing", 404, None),
    ("POST", "/nothing", 404, None),
    ("GET", "/chat/x", 404, None),
]


@pytest.mark.parametrize(("method", "path", "status", "allow"), METHODS)
async def test_methods_and_paths(
    method: str, path: str, status: int, allow: str | None, tmp_path: Path
) -> None:
    """405 lists what is allowed, an unknown path is a 404; always JSON."""
    async with gateway(tmp_path, NOWHERE) as proxy:
        got = await proxy.request(method, path)

    assert (got.status, got.headers.get("allow")) == (status, allow)
    assert got.headers["content-type"] == "application/json"
    if method != "HEAD":
        assert got.json()["error"]["request_id"] == got.headers["x-request-id"]


BODIES = [
    (b"", "invalid_json"),
    (b"not json", "invalid_json"),
    (b"[]", "invalid_json"),
    (b'"x"', "invalid_json"),
    (b"\xff\xfe", "invalid_json"),
    (b"\xef\xbb\xbf{}", "invalid_json"),
    ('{"a": 1}'.encode("utf-16"), "invalid_json"),
    (b'{"a": NaN}', "invalid_json"),
    (b'{"a": 1e999}', "invalid_json"),
    (b'{"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "invalid_json"),
    (b'{"a": 1, "a": 2}', "invalid_json"),
    (b'{"a": "\\ud800"}', "invalid_json"),
    (b'{"a": ' + b"9" * 5_000 + b"}", "invalid_json"),
    (b"{}", "invalid_request"),
    (json.dumps({"model": "m", "messages": []}).encode(), "invalid_request"),
    (
        json.dumps({"model": "m", "messages": [{"role": "", "content": "x"}]}).encode(),
        "invalid_request",
    ),
    (json.dumps({**CHAT, "temperature": "hot"}).encode(), "invalid_request"),
    (json.dumps({**CHAT, "stream": "yes"}).encode(), "invalid_request"),
    (json.dumps({**CHAT, "tools": [{}]}).encode(), "invalid_request"),
]


@pytest.mark.parametrize(("body", "code"), BODIES)
async def test_bad_bodies(body: bytes, code: str, tmp_path: Path) -> None:
    """A 400 that says what is wrong; the connection and the process go on."""
    async with gateway(tmp_path, NOWHERE) as proxy, Connection(proxy.url) as client:
        got = await client.request("POST", "/chat", body, headers={"Content-Length": str(len(body))})
        after = await client.request("GET", "/ping")

    assert (got.status, got.json()["error"]["code"], after.status) == (400, code, 200)


async def test_every_problem_is_listed(tmp_path: Path) -> None:
    """One 400 for all of them, each with its path."""
    bad = {"model": 1, "messages": [{"role": "", "content": 1}], "temperature": "hot", "stop": 3}
    async with gateway(tmp_path, NOWHERE) as proxy:
        error = (await proxy.request("POST", "/chat", bad)).json()["error"]

    assert {p["path"] for p in error["problems"]} == {
        "model",
        "messages.0.role",
        "messages.0.content",
        "temperature",
        "stop",
    }


HEADS = [
    ({"Content-Encoding": "br"}, 415, "unsupported_media_type"),
    ({"Content-Type": "multipart/form-data; boundary=x"}, 415, "unsupported_media_type"),
    ({"Host": "evil.example"}, 403, "host_not_allowed"),
]


@pytest.mark.parametrize(("headers", "status", "code"), HEADS)
async def test_refused_by_the_head(headers: dict[str, str], status: int, code: str, tmp_path: Path) -> None:
    """What the head alone condemns is answered in the usual form."""
    async with gateway(tmp_path, NOWHERE) as proxy:
        got = await proxy.request("POST", "/chat", CHAT, headers=headers)

    assert (got.status, got.json()["error"]["code"]) == (status, code)


async def test_allowed_hosts(tmp_path: Path) -> None:
    """Names of LLM_PROXY_API_ALLOWED_HOSTS are served too, whatever the port."""
    async with gateway(tmp_path, NOWHERE, allowed_hosts="proxy.example") as proxy:
        good = await proxy.request("GET", "/ping", headers={"Host": "Proxy.Example:99"})
        bad = await proxy.request("GET", "/ping", headers={"Host": "other.example"})

    assert (good.status, bad.status) == (200, 403)


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_body_over_the_limit(framing: str, tmp_path: Path) -> None:
    """413 with a readable answer although the client goes on sending; one access line."""
    size = 2_000_000
    head = "POST /api/chat HTTP/1.1\r\nHost: localhost\r\n"
    if framing == "length":
        request = (head + f"Content-Length: {size}\r\n\r\n").encode() + b"x" * size
    else:
        request = (head + "Transfer-Encoding: chunked\r\n\r\n").encode() + b"8000\r\n%b\r\n" % (
            b"x" * 0x8000
        ) * 60
    async with gateway(tmp_path, NOWHERE, max_body_size=100_000) as proxy, Connection(proxy.url) as client:
        with access_lines() as lines:
            client.writer.write(request)
            got = await client.rest(await client.head())
            await wait_until(lambda: bool(lines))

    assert (got.status, got.json()["error"]["code"], got.headers["connection"]) == (
        413,
        "request_too_large",
        "close",
    )
    assert [line["status"] for line in lines] == [413]


async def test_a_refused_body_needs_no_100_continue(tmp_path: Path) -> None:
    """A client that asks first gets the final status."""
    async with gateway(tmp_path, NOWHERE, max_body_size=100_000) as proxy, Connection(proxy.url) as client:
        head = "POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\nExpect: 100-continue\r\n\r\n"
        client.writer.write(head.encode())
        got = await client.head()

    assert got.status == 413


async def test_a_body_that_never_ends(tmp_path: Path) -> None:
    """408 at the limit, and the connection is closed."""
    async with gateway(tmp_path, NOWHERE, body_timeout=0.1) as proxy, Connection(proxy.url) as client:
        client.writer.write(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        got = await client.rest(await client.head())
        rest = await asyncio.wait_for(client.reader.read(), 5)

    assert (got.status, got.json()["error"]["code"], rest) == (408, "request_timeout", b"")


async def test_leaving_in_the_middle_of_a_body_is_logged(tmp_path: Path) -> None:
    """499, and no upstream was asked."""
    async with gateway(tmp_path, NOWHERE) as proxy:
        with access_lines() as lines:
            async with Connection(proxy.url) as client:
                client.writer.write(
                    b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
                )
                await client.writer.drain()
            await wait_until(lambda: bool(lines))

    assert [(line["status"], line["code"]) for line in lines] == [(499, "client_gone")]


async def test_a_chunked_request(tmp_path: Path) -> None:
    """A request body may come in pieces of one byte."""
    data = json.dumps({"model": "demo", "messages": MESSAGES, "stream": False}).encode()
    async with RunningGateway(tmp_path, DEMO) as proxy, Connection(proxy.url) as client:
        client.writer.write(
            b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        client.writer.write(b"".join(b"1\r\n%c\r\n" % byte for byte in data) + b"0\r\n\r\n")
        got = await client.rest(await client.head())

    assert got.status == 200


@pytest.mark.parametrize("stream", [True, False])
async def test_an_http_1_0_client(stream: bool, tmp_path: Path) -> None:
    """It gets its answer unchunked, ended by the connection."""
    body = {"model": "demo", "messages": MESSAGES, "stream": stream}
    async with RunningGateway(tmp_path, DEMO) as proxy, Connection(proxy.url) as client:
        await client.send("POST", "/chat", body, version="1.0")
        got = await client.rest(await client.head())

    assert got.status == 200
    assert "transfer-encoding" not in got.headers
    assert (b"[DONE]" in got.body) is stream


async def test_debug_object(tmp_path: Path) -> None:
    """IN_DEBUG adds what an operator wants to know, and no secret."""
    async with gateway(tmp_path, "http://127.0.0.1:1", in_debug="1") as proxy:
        got = await proxy.request("POST", "/chat", {**CHAT, "stream": False})

    assert got.json()["error"]["debug"]["kind"] == "refused"
    assert_no_secret(got.body)


async def test_an_internal_fault_is_generic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 without a traceback for the client; the log has the stack without values."""
    from handlers import tags
    from tests.support.logs import expect_log

    def broken(*_: Any) -> None:
        raise RuntimeError(UPSTREAM_KEY)

    monkeypatch.setattr(tags, "tag", broken)
    async with gateway(tmp_path, NOWHERE) as proxy:
        with expect_log("handlers.base.handler", "unhandled"):
            got = await proxy.request("GET", f"/tags?key={UPSTREAM_KEY}")

    assert (got.status, got.json()["error"]["code"]) == (500, "internal_error")
    assert_no_secret(got.body)
