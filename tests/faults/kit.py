"""One fault, and what must hold after any of them: one request through the gateway to a peer that misbehaves once.

Afterwards, always: exactly one access line, no request running, no upstream slot taken, and the same gateway answers
the next request as if nothing had been. What the client got and what the line says is the test's to judge.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_proxy.upstreams.http_client import PooledHTTPClient
from tests.handlers.kit import CHAT, COMPLETION, EVENTS, WHOLE, access_lines, gateway
from tests.support.client import Answer
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Peer, Script
from tests.support.scripts import answer_json, sse, stream
from tests.support.secrets import assert_no_secret

#: The three ways in which a client may ask.
FORMS = ("stream", "whole", "passthrough")
PIECES = sse(*EVENTS)
QUICK = {"timeouts": {"connect": 0.3, "first_byte": 0.3, "idle": 0.3, "total": 5}}
BODIES: Mapping[str, Any] = {"stream": CHAT, "whole": WHOLE, "passthrough": {"any": "thing"}}
PATHS = {"stream": "/chat", "whole": "/chat", "passthrough": "/passthrough/peer/anything"}


async def healthy(exchange: Exchange) -> None:
    """What the peer answers when nothing is wrong, to each of the three forms."""
    streams = exchange.request.path.endswith("/chat/completions") and exchange.request.json()["stream"]
    await (stream(*PIECES) if streams else answer_json(COMPLETION))(exchange)


def once(script: Script) -> Script:
    """The first request meets ``script``, the others a healthy server."""
    met = False

    async def either(exchange: Exchange) -> None:
        nonlocal met
        first, met = not met, True
        await (script if first else healthy)(exchange)

    return either


@dataclass(frozen=True, slots=True)
class Suffered:
    """What became of one request: the client's view, and the access line."""

    form: str
    answer: Answer
    line: Mapping[str, Any]

    def says(self, *names: str) -> tuple[Any, ...]:
        """Fields of the access line, None for those that it lacks."""
        return tuple(self.line.get(name) for name in names)

    def refused(self, status: int, code: str) -> None:
        """Before the first byte: the status, and our error in OpenAI's form, with the request's id and no secret."""
        assert (self.answer.status, self.answer.complete) == (status, True), self.answer
        assert self.answer.headers["content-type"] == "application/json"
        error = self.answer.json()["error"]
        assert (error["code"], error["request_id"]) == (code, self.answer.headers["x-request-id"]), error
        assert "127.0.0.1" not in error["message"]
        assert_no_secret(self.answer.body)
        assert self.says("status", "code") == (status, code)

    def broken_off(self, code: str, text: str = "one") -> None:
        """After the first byte: what came is delivered, then a stream has one error event and no terminator, and any
        answer has a visible cut."""
        assert (self.answer.status, self.answer.complete) == (200, False)
        assert "connection" not in self.answer.headers
        assert self.says("status", "code") == (200, code)
        if self.form == "stream":
            *chunks, last = self.answer.events()
            assert last["error"]["code"] == code
            assert "[DONE]" not in chunks
            contents = [c["delta"].get("content", "") for event in chunks for c in event["choices"]]
            assert "".join(contents) == text


async def ask(proxy: RunningGateway, form: str, **more: Any) -> Answer:
    """One healthy request in ``form``."""
    return await proxy.request("POST", PATHS[form], BODIES[form], **more)


async def assert_well(proxy: RunningGateway, form: str = "stream") -> None:
    """The gateway answers as if nothing had been."""
    got = await ask(proxy, form)
    assert (got.status, got.complete) == (200, True), got
    if form == "stream":
        assert (got.text(), got.events()[-1]) == ("one two", "[DONE]")


def pooled(proxy: RunningGateway) -> PooledHTTPClient:
    """The client through which the gateway calls its upstreams."""
    return proxy.service.gateway.upstream._http


async def assert_idle(proxy: RunningGateway) -> None:
    """Nothing runs, no slot is taken and nobody waits for one."""
    pool = pooled(proxy).pool
    await wait_until(lambda: not proxy.service.gateway.running and (pool.taken, pool.waiting) == (0, 0))


@asynccontextmanager
async def suffering(
    folder: Path, script: Script, fields: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[tuple[Peer, RunningGateway]]:
    """A peer that misbehaves once, and a gateway in front of it; both are well when the block is left."""
    async with Peer(once(script)) as peer, gateway(folder, peer.url, fields=fields, **settings) as proxy:
        yield peer, proxy
        await assert_idle(proxy)
        for form in FORMS:
            await assert_well(proxy, form)
        await assert_idle(proxy)


async def suffer(
    folder: Path, script: Script, form: str, fields: dict[str, Any] | None = None, **settings: Any
) -> Suffered:
    """One request in ``form`` to a peer that follows ``script``. Its connection is closed, unless the answer was whole
    as far as HTTP is concerned; one that should not have been kept spoils the requests that follow."""
    async with suffering(folder, script, fields, **settings) as (peer, proxy):
        with access_lines() as lines:
            got = await ask(proxy, form)
            await wait_until(lambda: bool(lines))
        assert len(peer.requests) == 1
        link = peer.links[0]
        await wait_until(lambda: link.ours or link.closed_at is not None or pooled(proxy).pool.idle)
    (line,) = lines
    return Suffered(form, got, line)


async def failing(proxy: RunningGateway, form: str) -> Suffered:
    """One request that gets no answer."""
    with access_lines() as lines:
        got = await ask(proxy, form)
        await wait_until(lambda: bool(lines))
    await assert_idle(proxy)
    (line,) = lines
    return Suffered(form, got, line)
