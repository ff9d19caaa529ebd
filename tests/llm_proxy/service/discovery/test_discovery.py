"""Servers on this machine that are found, served, and let go, beside the configuration that comes with the program."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.live.config.shipped import SHIPPED
from llm_proxy.service.discovery.discovery import ollama_port
from llm_proxy.service.discovery.rounds import KEPT, Known
from tests.support import scripts
from tests.support.gateway import RunningGateway
from tests.support.known_servers import LLAMACPP, OLLAMA, VLLM, KnownServer, KnownServerPeer
from tests.support.logs import expect_log
from tests.support.loops import wait_until
from tests.support.peer import Peer, Script

CHAT = {"messages": [{"role": "user", "content": "hi"}], "stream": False}
#: A machine with two busy cores may not answer within 300 ms; then the next round does.
PATIENCE = 20.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds follow each other at once."""
    monkeypatch.setattr("llm_proxy.service.discovery.discovery.EVERY", 0.05)


def gateway(folder: Path, *ports: int, config: Mapping[str, Any] = SHIPPED, **more: Any) -> RunningGateway:
    """A gateway with the shipped configuration that asks those ports."""
    return RunningGateway(folder, config, discover=",".join(map(str, ports)) or "0", **more)


async def models(running: RunningGateway) -> set[str]:
    """The names that are listed."""
    return {row["model"] for row in (await running.request("GET", "/tags")).json()["models"]}


async def lists(running: RunningGateway, *names: str) -> None:
    """Wait until exactly these models are listed."""
    end = asyncio.get_running_loop().time() + PATIENCE
    while (found := await models(running)) != set(names):
        assert asyncio.get_running_loop().time() < end, found
        await asyncio.sleep(0.02)


@contextmanager
def free_port() -> Iterator[int]:
    """A port of loopback on which nobody listens, kept from those who pick one."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def known(running: RunningGateway) -> Mapping[int, Known]:
    """What discovery knows; nothing, if nobody looks."""
    first = running.service.looking.first_minute
    return first.discovery.known if first is not None and first.discovery is not None else {}


async def test_three_servers_are_found_and_asked(tmp_path: Path) -> None:
    """Servers that run are served with their models beside demo, each change of what is found is a generation, and the
    hash of the file stays that of the file."""
    async with (
        KnownServerPeer(OLLAMA) as ollama,
        KnownServerPeer(LLAMACPP) as llamacpp,
        gateway(tmp_path, ollama.port, llamacpp.port) as running,
    ):
        await lists(running, "demo", "qwen3:8b", "tiny")
        first = (await running.request("GET", "/status")).json()
        answer = await running.request("POST", "/chat", {"model": "tiny", **CHAT})

        assert answer.status == 200, answer.body
        assert answer.headers["x-llm-provider"] == "llamacpp"
        assert [server["provider"] for server in first["discovery"]["servers"]] == ["ollama", "llamacpp"]
        assert first["generation"] > 1
        assert first["file_hash"] == hashlib.sha256(running.config_file.read_bytes()).hexdigest()
        llamacpp.server = KnownServer("more", 1, {"/v1/models": {"data": [{"id": "tiny"}, {"id": "new"}]}})
        await lists(running, "demo", "qwen3:8b", "tiny", "new")
        second = (await running.request("GET", "/status")).json()

        assert second["generation"] == first["generation"] + 1
        assert second["noticed"]["cause"] == "discovery"
        assert second["file_hash"] == first["file_hash"]


async def test_later_servers_appear_and_old_ones_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A server that starts later is served; one that ends is kept for three rounds, and then is gone. Both are told."""
    with free_port() as port, caplog.at_level("INFO"):
        async with gateway(tmp_path, port) as running:
            await wait_until(lambda: port in known(running), PATIENCE)
            assert await models(running) == {"demo"}
            async with KnownServerPeer(VLLM, port):
                await lists(running, "demo", "tiny")
            await wait_until(lambda: known(running)[port].missed == KEPT, PATIENCE)
            assert "tiny" in await models(running)
            await lists(running, "demo")
    told = [record.getMessage() for record in caplog.records]

    assert told.count("model server found") >= 1
    assert told.count("model server gone") == 1


async def test_the_first_edit_ends_it_for_good(tmp_path: Path) -> None:
    """Once the file is the operator's own nothing is added to it, nobody is asked, and undoing the edit changes nothing."""
    async with KnownServerPeer(OLLAMA) as ollama, gateway(tmp_path, ollama.port) as running:
        await lists(running, "demo", "qwen3:8b")
        running.write_config({"demo": {"mine": {}}})
        await lists(running, "mine")
        asked = len(ollama.requests)
        running.write_config(SHIPPED)
        await lists(running, "demo")

        assert len(ollama.requests) == asked
        assert (await running.request("GET", "/status")).json()["discovery"] is None


async def test_a_bad_edit_ends_nothing(tmp_path: Path) -> None:
    """While the file is broken what was found goes on, as everything does."""
    async with KnownServerPeer(OLLAMA) as ollama, gateway(tmp_path, ollama.port) as running:
        await lists(running, "demo", "qwen3:8b")
        with expect_log("llm_proxy.live.state.registry", "configuration rejected"):
            running.write_config('{"demo": ')
            await wait_until(lambda: running.service.registry.outcome.state == "rejected", PATIENCE)
        assert await models(running) == {"demo", "qwen3:8b"}
        running.write_config(SHIPPED)
        await wait_until(lambda: running.service.registry.outcome.state == "applied", PATIENCE)
        assert await models(running) == {"demo", "qwen3:8b"}


@pytest.mark.parametrize(
    ("config", "discover"),
    [({"demo": {"demo": {}}}, True), (SHIPPED, False)],
    ids=["own file", "switched off"],
)
async def test_nobody_is_asked(config: Mapping[str, Any], discover: bool, tmp_path: Path) -> None:
    """With a configuration of one's own, or switched off, no port is asked at all."""
    async with KnownServerPeer(OLLAMA) as ollama:
        ports = (ollama.port,) if discover else ()
        async with gateway(tmp_path, *ports, config=config) as running:
            assert (await running.request("GET", "/status")).json()["discovery"] is None
            assert running.service.looking.first_minute is None
        assert ollama.connections == 0


async def test_gateways_do_not_find_each_other(tmp_path: Path) -> None:
    """Another gateway of ours is named and not used, at its main port and at that of Ollama's API; our own ports are not
    asked at all."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with free_port() as port, free_port() as ollama_port:
        other = gateway(tmp_path / "a", port, ollama_port, port=port, ollama_port=ollama_port)
        async with other, gateway(tmp_path / "b", port, ollama_port) as running:
            await wait_until(lambda: len(known(running)) == 2, PATIENCE)
            await wait_until(
                lambda: all(one.at.state != "silent" for one in known(running).values()), PATIENCE
            )

            assert {one.at.reason for one in known(running).values()} == {"another llm-proxy"}
            assert await models(running) == {"demo"}
            assert not known(other)


async def test_nothing_else_is_followed_or_swallowed(tmp_path: Path) -> None:
    """A redirect leads nowhere, an endless answer is not read, silence ends after its time: each is told, and not used."""

    def endless() -> Script:
        return scripts.stream(b"x" * 65536, *[b"x" * 65536] * 100, content_type="application/json")

    async with KnownServerPeer(OLLAMA) as elsewhere:
        target = [("Location", f"http://127.0.0.1:{elsewhere.port}/v1/models")]
        async with (
            Peer(scripts.answer(b"", 302, target)) as redirects,
            Peer(endless()) as large,
            Peer(scripts.silent()) as silent,
            gateway(tmp_path, redirects.port, large.port, silent.port) as running,
        ):
            await wait_until(lambda: len(known(running)) == 3, PATIENCE)
            seen = {port: one.at for port, one in known(running).items()}
            assert seen[redirects.port].state == "unused" or seen[redirects.port].state == "silent"
            assert seen[large.port].state in ("unused", "silent")
            assert seen[silent.port].state == "silent"
            assert await models(running) == {"demo"}
            for peer in (redirects, large, silent):
                for request in peer.requests:
                    assert request.header("Authorization") is None
        assert elsewhere.connections == 0


async def test_ipv6_loopback_is_looked_at_too(tmp_path: Path) -> None:
    """A server that listens on ::1 alone, as some do that say localhost, is found and asked there."""
    try:
        peer = await KnownServerPeer(VLLM, host="::1").__aenter__()
    except OSError:
        pytest.skip("this machine has no IPv6")
    try:
        async with gateway(tmp_path, peer.port) as running:
            await lists(running, "demo", "tiny")
            answer = await running.request("POST", "/chat", {"model": "tiny", **CHAT})

            assert answer.status == 200, answer.body
    finally:
        await peer.__aexit__(None, None, None)


@pytest.mark.parametrize("used", [False, True])
async def test_keys_are_used_only_when_that_was_said(used: bool, tmp_path: Path) -> None:
    """A vendor's key in the environment is listed by its name. Only with_cloud makes a provider of it, which asks the
    vendor; and the key itself is told nowhere."""
    secret = "sk-" + "planted" * 5
    asked = 0

    def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    env = {"OPENAI_API_KEY": secret, "https_proxy": address, "AZURE_OPENAI_API_KEY": secret}
    with free_port() as port:
        async with gateway(tmp_path, port, env=env, with_cloud=int(used)) as running:
            await wait_until(lambda: running.service.beside.report is not None, PATIENCE)
            if used:
                await wait_until(lambda: asked > 0, PATIENCE)
            status = await running.request("GET", "/status")
            providers = set(running.service.registry.current.config.providers)
    server.close()
    await server.wait_closed()

    assert status.json()["discovery"]["keys"] == [
        {"variable": "OPENAI_API_KEY", "used": used},
        {"variable": "AZURE_OPENAI_API_KEY", "used": False},
    ]
    assert providers == ({"demo", "openai"} if used else {"demo"})
    assert not asked or used
    assert secret not in status.body.decode()
    assert secret not in json.dumps(running.service.beside.found)


@pytest.mark.parametrize(
    ("host", "ports", "elsewhere"),
    [
        ("", (), False),
        ("127.0.0.1:11500", (11500,), False),
        ("0.0.0.0", (11434,), False),
        ("http://localhost:9999/", (9999,), False),
        (":7000", (7000,), False),
        ("[::1]:7001", (7001,), False),
        ("[::]", (11434,), False),
        ("gpu-box:11434", (), True),
        ("https://ollama.example", (), True),
        ("10.0.0.5", (), True),
        ("127.0.0.1:nonsense", (11434,), False),
    ],
)
def test_ollama_host(host: str, ports: tuple[int, ...], elsewhere: bool) -> None:
    """OLLAMA_HOST names a port here, in Ollama's own form; another machine is told and not asked."""
    found, note = ollama_port(host)

    assert found == ports
    assert bool(note) == elsewhere
