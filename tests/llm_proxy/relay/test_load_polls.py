"""Asking servers how busy they are, beside the requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from llm_proxy.relay import load_polls
from llm_proxy.relay.load_polls import LoadPolls
from llm_proxy.relay.upstream import UpstreamClient
from llm_proxy.routing.states import States, UpstreamState
from llm_proxy.wire.calls import Deployment, Secret
from tests.support.logs import expect_log
from tests.support.loops import still, wait_until
from tests.support.peer import Exchange, Peer
from tests.support.raw_peer import Client

PAGE = b"vllm:num_requests_waiting 7\n"


def answer(status: bytes, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


async def tells(exchange: Exchange) -> None:
    await exchange.send(answer(b"200 OK", PAGE))


async def has_none(exchange: Exchange) -> None:
    await exchange.send(answer(b"404 Not Found"))


async def hangs(exchange: Exchange) -> None:
    await exchange.left()


@asynccontextmanager
async def polling(monkeypatch: pytest.MonkeyPatch, states: States) -> AsyncIterator[LoadPolls]:
    """Quick polls, closed at the end."""
    monkeypatch.setattr(load_polls, "EVERY", 0.01)
    async with Client() as http:
        polls = LoadPolls(UpstreamClient(http), states)
        try:
            yield polls
        finally:
            polls.close()
            await asyncio.sleep(0)
            http.close()


def row(peer: Peer, name: str = "m") -> Deployment:
    return Deployment("p", name, "vllm", peer.url + "/v1", name, Secret("key"))


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_what_servers_say_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """One page for all models of a server, with our key; and no more when nobody asks for ten seconds."""
    monkeypatch.setattr(load_polls, "WHILE", 0.3)
    states = States()
    async with Peer(tells) as peer, polling(monkeypatch, states) as polls:
        rows = [row(peer), row(peer, "n")]
        polls.asked("m", rows, now())
        await wait_until(lambda: all(states.of(one, now()).load(now()) == 7 for one in rows))
        await wait_until(lambda: polls._task is None)
        seen = peer.requests[0]
        assert (seen.path, seen.header("Authorization")) == ("/metrics", "Bearer key")
        assert peer.connections == 1
        polls.asked("m", rows, now())
        await peer.received(len(peer.requests) + 1)


async def test_a_fault_of_ours_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one answer makes of us is told, and its server left alone; the others are asked on, round after round."""
    states = States()
    polled = states.of

    def fails(deployment: Deployment, now: float) -> UpstreamState:
        if deployment.provider == "bad":
            raise RuntimeError("?")
        return polled(deployment, now)

    monkeypatch.setattr(States, "of", lambda self, deployment, now: fails(deployment, now))
    async with Peer(tells) as bad, Peer(tells) as good, polling(monkeypatch, states) as polls:
        with expect_log("llm_proxy.relay.load_polls", "could not be asked how busy it is"):
            polls.asked("m", [replace(row(bad), provider="bad"), row(good)], now())
            await good.received(3)
        assert len(bad.requests) == 1
        assert polls._task is not None
        assert polled(row(good), now()).load(now()) == 7


async def test_one_upstream_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no choice there is nothing to ask; nor where the configuration says none."""
    async with Peer(tells) as peer, polling(monkeypatch, States()) as polls:
        polls.asked("m", [row(peer)], now())
        assert polls._task is None
        silent = replace(row(peer), load="none")
        polls.asked("n", [silent, replace(silent, model="x")], now())
        assert not await still(lambda: list(peer.requests))


async def test_who_has_no_page_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked once, then not for five minutes; llama.cpp's slots are looked at instead."""
    paths = []

    async def slots_only(exchange: Exchange) -> None:
        paths.append(exchange.request.path)
        found = exchange.request.path == "/slots"
        body = b'[{"id": 0, "is_processing": true}]'
        await exchange.send(answer(b"200 OK", body) if found else answer(b"501 Not Implemented"))

    states = States()
    async with Peer(has_none) as none, Peer(slots_only) as some, polling(monkeypatch, states) as polls:
        llama = replace(row(some), api_type="openai", vendor="llamacpp")
        polls.asked("m", [row(none), llama], now())
        await wait_until(lambda: paths.count("/slots") >= 3)
        assert len(none.requests) == 1
        assert paths.count("/metrics") == 1
        assert states.of(llama, now()).load(now()) == 1


async def test_silence_and_absence_are_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that hangs, one that is not there, one that talks nonsense: the others are asked all the same."""

    async def nonsense(exchange: Exchange) -> None:
        await exchange.send(b"SSH-2.0\r\n\r\n")
        exchange.close()

    monkeypatch.setattr(load_polls, "_LIMITS", replace(load_polls._LIMITS, first_byte=0.05, total=0.05))
    states = States()
    async with Peer(hangs) as silent, Peer(nonsense) as odd, Peer(tells) as good:
        async with Peer(tells) as gone:
            pass
        async with polling(monkeypatch, states) as polls:
            rows = [row(peer) for peer in (silent, odd, gone, good)]
            polls.asked("m", rows, now())
            await good.received(3)
            assert [states.of(one, now()).load(now()) for one in rows] == [0, 0, 0, 7]
