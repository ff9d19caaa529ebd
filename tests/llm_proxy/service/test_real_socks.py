"""Upstreams through a real SOCKS5 server. Skipped, in a sentence, where there is none."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.llm_proxy.service.test_behind_proxies import free_port
from tests.llm_proxy.service.test_start_stop import CHAT, config, held
from tests.support.client import Connection, request
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.program import PATIENCE, Program

MICROSOCKS = shutil.which("microsocks")
pytestmark = pytest.mark.skipif(
    MICROSOCKS is None, reason="there is no microsocks on this machine (Debian: apt-get install microsocks)"
)


@asynccontextmanager
async def socks(*flags: str) -> AsyncIterator[int]:
    """The server, listening; its port."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        str(MICROSOCKS), "-i", "127.0.0.1", "-p", str(port), *flags, stderr=asyncio.subprocess.PIPE
    )

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        await wait_until(listens, PATIENCE)
        yield port
    finally:
        process.terminate()
        await process.communicate()


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("login", ["", "user:p%40ss@"])
async def test_a_stream_comes_through(
    scheme: str, login: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Token by token, with and without a password, whoever looks the name up; what the server refuses is an error without one."""
    gate = asyncio.Event()
    flags = ("-u", "user", "-P", "p@ss") if login else ()
    async with Peer(held(gate)) as peer, socks(*flags) as port:
        # This address is the machine itself for whoever connects to it, but not loopback, which is always reached directly.
        there = peer.url.replace("127.0.0.1", "0.0.0.0") + "/v1"
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://{login}127.0.0.1:{port}")
        async with Program(tmp_path, config(there)) as program, Connection(program.url) as client:
            await client.send("POST", "/chat", CHAT)
            head = await client.head()
            first = await client.piece(head)
            gate.set()
            answer = await client.rest(head)
            program.write_config(config("http://0.0.0.0:9/v1"))  # nobody is there
            await program.logged("configuration applied")
            refused = await request(program.url, "POST", "/chat", {**CHAT, "stream": False})
        log = program.stderr.read_text()

    assert b"one" in first
    assert (answer.text(), answer.complete) == ("one two", True)
    assert (refused.status, refused.json()["error"]["code"]) == (502, "upstream_unreachable")
    assert "p@ss" not in log + refused.body.decode()
    assert "p%40ss" not in log + refused.body.decode()
