"""S11, S12: planted keys, credentials and prompts, and everything that may go wrong with them."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.cli.check import check
from tests.handlers.kit import CHAT, WHOLE
from tests.support.client import Connection, request
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Peer, Script
from tests.support.program import Program
from tests.support.scripts import answer, answer_json, in_turn, raw, silent, sse, stream
from tests.support.secrets import (
    CLIENT_KEY,
    COOKIE,
    OTHER_UPSTREAM_KEY,
    PROMPT,
    QUERY_KEY,
    UPSTREAM_KEY,
    assert_no_secret,
)


def echo(status: int) -> Script:
    """An upstream that shows in its error whatever it was sent: our key, the prompt, the headers."""

    async def script(exchange: Exchange) -> None:
        request = exchange.request
        words = f"{request.header('Authorization')} {request.header('X-Extra')} {COOKIE}"
        await answer_json(
            {"error": {"message": words, "code": UPSTREAM_KEY}}, status, {"Set-Cookie": COOKIE}
        )(exchange)

    return script


async def echo_in_stream(exchange: Exchange) -> None:
    """The same in an error event."""
    words = f"{exchange.request.header('Authorization')} was refused"
    await stream(*sse({"error": {"message": words, "code": words}}))(exchange)


#: What goes wrong behind the one model; each request meets the next.
FAULTS: list[Script] = [
    *(echo(status) for status in (400, 401, 403, 404, 413, 422, 429, 500, 503)),
    echo_in_stream,
    answer(b"", 302, {"Location": f"http://{UPSTREAM_KEY}@127.0.0.1/"}),
    answer(f"<html>{UPSTREAM_KEY}".encode(), content_type="text/html"),
    raw(f"HTTP/1.1 200 OK\r\nX-Key {UPSTREAM_KEY}\r\n\r\n".encode(), end="cut"),
    raw(end="reset"),
    silent(),
]
BAD_CONFIGS: list[Any] = [
    {"peer": {"m": {"api_tokn": UPSTREAM_KEY, "api_token": 3, "api_host": f"http://u:{UPSTREAM_KEY}@h/"}}},
    {"peer": {"m": {"api_token": "${NOT_SET}", "headers": {"X": [UPSTREAM_KEY]}, "active": UPSTREAM_KEY}}},
    {"peer": {"m": {"api_type": UPSTREAM_KEY, "timeouts": {"connect": UPSTREAM_KEY}}}},
    f'{{"peer": {{"m": {{"api_token": "{UPSTREAM_KEY}" "{OTHER_UPSTREAM_KEY}"}}}}}}',
]


def planted(url: str, folder: Path) -> dict[str, Any]:
    """A configuration whose secrets come from the environment, from a file, and in plain text."""
    (folder / "secret").write_text(OTHER_UPSTREAM_KEY)
    common = {"api_type": "openai", "timeouts": {"connect": 0.5, "first_byte": 0.5, "total": 5}}
    extra = {"X-Extra": f"${{file:{folder / 'secret'}}}"}
    plain = {**common, "api_token": UPSTREAM_KEY, "headers": {"X-Extra": OTHER_UPSTREAM_KEY}}
    return {
        "peer": {
            "defaults": {**common, "api_host": url + "/v1", "api_token": "${PLANTED_KEY}", "headers": extra},
            "m": {"model": "up"},
        },
        "dead": {"defaults": {**plain, "api_host": "http://127.0.0.1:9/v1"}, "dead": {}},
        "tls": {"defaults": {**plain, "api_host": url.replace("http", "https")}, "tls": {}},
        "nowhere": {"defaults": {**plain, "api_host": "http://nowhere.invalid/v1"}, "nowhere": {}},
    }


@pytest.mark.timeout(seconds=90)
@pytest.mark.parametrize("log_format", ["json", "text"])
async def test_s11_planted_secrets(
    log_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys from everywhere, every failure, DEBUG and IN_DEBUG: no key, credential or prompt in any log line, header or
    body of ours, nor in what ``check`` prints, in any disguise."""
    monkeypatch.setenv("PLANTED_KEY", UPSTREAM_KEY)
    theirs = {"Authorization": f"Bearer {CLIENT_KEY}", "X-Api-Key": CLIENT_KEY, "Cookie": COOKIE}
    query = f"?key={QUERY_KEY}"
    shown: list[str] = []
    async with Peer(in_turn(*FAULTS)) as peer:
        program = Program(
            tmp_path,
            planted(peer.url, tmp_path),
            in_debug=1,
            log_format=log_format,
            expect="end",
            watch="poll",
        )
        async with program:
            url = await listening(program)
            for number in range(len(FAULTS)):
                got = await request(url, "POST", "/chat" + query, (WHOLE, CHAT)[number % 2], headers=theirs)
                shown.append(f"{got.status} {got.headers} {got.body!r}")
            assert peer.requests[0].header("Authorization") == f"Bearer {UPSTREAM_KEY}"
            assert peer.requests[0].header("X-Extra") == OTHER_UPSTREAM_KEY
            for model in ("dead", "tls", "nowhere"):
                got = await request(url, "POST", "/chat" + query, {**WHOLE, "model": model}, headers=theirs)
                assert got.status in (502, 504)
                form = {"model": model, "path": f"/x{query}", "headers": theirs, "body": {"prompt": PROMPT}}
                other = await request(url, "POST", "/passthrough", form, headers=theirs)
                shown += [f"{got.headers} {got.body!r}", f"{other.headers} {other.body!r}"]
            shown += await asked_badly(url)
            shown += [
                str(await request(url, "GET", path + query, headers=theirs))
                for path in ("/status", "/tags", "/x")
            ]
            for bad in BAD_CONFIGS if log_format == "json" else BAD_CONFIGS[:1]:
                program.write_config(bad)
                await judged(program, url, "rejected")
                shown.append(str(await request(url, "GET", "/status")))
                shown.append(checked(program, capsys))
                program.write_config(planted(peer.url, tmp_path))
                await judged(program, url, "applied")
            program.signal(signal.SIGTERM)
            assert await program.ended() == 0
            shown.append(program.stderr.read_text())

    assert shown[-1].count("upstream_error") > 5, "the log is there"
    for text in shown:
        assert_no_secret(text)


async def listening(program: Program) -> str:
    """Where it listens, whatever its log looks like."""
    url = await wait_until(lambda: re.search(r"http://127\.0\.0\.1:\d+/api", program.stderr.read_text()), 20)
    assert url is not None
    return url[0]


async def asked_badly(url: str) -> list[str]:
    """Requests that no handler sees, with credentials in all the wrong places."""
    heads = [
        f"GET /api/ping{QUERY_KEY} HTTP/1.1\r\nHost: localhost\r\nAuthorization : Bearer {CLIENT_KEY}\r\n\r\n",
        f"GET /api/ping HTTP/1.1\r\nHost: localhost\r\nBearer {CLIENT_KEY}\r\n\r\n",
        f"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: {CLIENT_KEY}\r\n\r\n",
        f"GET /api/ping HTTP/1.1\r\nHost: {CLIENT_KEY}\r\n\r\n",
        f"{CLIENT_KEY} HTTP/1.1\r\n\r\n",
    ]
    shown = []
    for head in heads:
        async with Connection(url) as client:
            client.writer.write(head.encode())
            got = await client.rest(await client.head())
            assert got.status in (400, 403)
            shown.append(f"{got.headers} {got.body!r}")
    return shown


async def judged(program: Program, url: str, state: str) -> None:
    """Have the edit read, and wait until it has been judged."""
    program.signal(signal.SIGHUP)
    until = time.monotonic() + 20
    while (await request(url, "GET", "/status")).json()["state"] != state:
        assert time.monotonic() < until, f"the configuration was not {state}"
        await asyncio.sleep(0.02)


def checked(program: Program, capsys: pytest.CaptureFixture[str]) -> str:
    """What ``llm-proxy check`` prints about the files as they are."""
    check({"models_config": str(program.config_file), "prompts_dir": str(program.prompts_dir)})
    printed = capsys.readouterr()
    assert printed.out or printed.err
    return printed.out + printed.err
