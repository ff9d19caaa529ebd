"""Several scripted upstreams of one model behind a gateway: ``async with Fleet(folder, fails, serves) as fleet``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.handlers.kit import COMPLETION, EVENTS, USAGE, chunk
from tests.support.client import Answer
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Peer, Script
from tests.support.request_parser import Received
from tests.support.scripts import SSE, End, answer_json, head, sse, stream

MESSAGES = [{"role": "user", "content": "Hello!"}]
STREAM = {"model": "m", "messages": MESSAGES, "stream": True}
WHOLE = {"model": "m", "messages": MESSAGES, "stream": False}
TEXT = "one two"
#: What the gateway asks on its own.
_OWN = ("metrics", "slots", "ps", "props", "models", "show")


async def serves(exchange: Exchange) -> None:
    """A healthy server of OpenAI's dialect."""
    if exchange.request.method == "GET":
        await answer_json({"error": {"message": "?"}}, 404)(exchange)
        return
    body = exchange.request.json()
    if exchange.request.path.endswith("/embeddings"):
        vector = {"object": "embedding", "index": 0, "embedding": [0.5]}
        told = {"object": "list", "model": "up", "data": [vector], "usage": USAGE}
        await answer_json(told)(exchange)
    elif body.get("stream"):
        await stream(*sse(*EVENTS))(exchange)
    else:
        await answer_json(COMPLETION)(exchange)


def status(number: int, headers: Mapping[str, str] | None = None, **error: Any) -> Script:
    """A server that refuses with that status."""
    told = {"error": {"message": "no", "type": "server_error", **error}}
    return answer_json(told, number, headers or {})


#: Ways to fail before a token: each must be hidden if another upstream serves.
ROLE = sse(chunk({"role": "assistant", "content": ""}), done=False)


class Fleet:
    """Provider ``gpu-1`` for the first script, and so on; each has ``m``, and its own fields by ``fields``."""

    def __init__(
        self,
        folder: Path,
        *scripts: Script | str,
        fields: Mapping[int, Mapping[str, Any]] | None = None,
        models: Mapping[str, Any] | None = None,
        names: Mapping[int, tuple[str, ...]] | None = None,
        **settings: Any,
    ) -> None:
        self._folder, self._scripts, self._settings = folder, scripts, settings
        self._fields, self._models, self._names = fields or {}, models, names or {}
        self._stack = AsyncExitStack()
        self.peers: list[Peer] = []
        self.proxy: RunningGateway

    async def __aenter__(self) -> Self:
        hosts = []
        for script in self._scripts:
            if isinstance(script, str):  # an address at which there is nobody
                hosts.append(script)
            else:
                peer = await self._stack.enter_async_context(Peer(script))
                self.peers.append(peer)
                hosts.append(peer.url)
        self.hosts = hosts
        self.proxy = RunningGateway(self._folder, self.config(), **self._settings)
        await self._stack.enter_async_context(self.proxy)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.settled()
        await self._stack.__aexit__(kind, error, trace)

    def config(self, **more: Any) -> dict[str, Any]:
        """The configuration; ``more``: fields of every upstream."""
        config: dict[str, Any] = {} if self._models is None else {"$models": self._models}
        for at, host in enumerate(self.hosts, 1):
            own = self._fields.get(at, {})
            base = "" if own.get("api_type") in ("anthropic", "ollama", "gemini") else "/v1"
            defaults = {"api_type": "openai", "api_host": host + base, **own, **more}
            rows = {name: {"model": f"up-{at}"} for name in self._names.get(at, ("m",))}
            config[f"gpu-{at}"] = {"defaults": defaults, **rows}
        return config

    async def ask(self, body: Mapping[str, Any], path: str = "/chat", **more: Any) -> Answer:
        """One request."""
        return await self.proxy.request("POST", path, body, **more)

    @property
    def router(self) -> Any:
        """What the gateway knows of its upstreams."""
        return self.proxy.service.gateway.router

    def in_flight(self) -> int:
        """How many requests count as being at an upstream."""
        return sum(state.in_flight for state in self.router.states._upstreams.values())

    async def settled(self) -> None:
        """Nothing runs, nothing waits, nothing counts as being in flight."""
        gateway = self.proxy.service.gateway
        pool = gateway.upstream._http.pool
        await wait_until(
            lambda: (
                not gateway.running
                and (pool.taken, pool.waiting, self.in_flight()) == (0, 0, 0)
                and not self.router.lines
            )
        )

    def asked(self) -> list[int]:
        """How many requests each upstream has got, those of clients alone."""
        return [len(self.requests(at)) for at in range(1, len(self.peers) + 1)]

    def requests(self, at: int) -> list[Received]:
        """What upstream ``at`` was asked, but for how busy it is and what its model can."""
        return [one for one in self.peers[at - 1].requests if one.path.rpartition("/")[2] not in _OWN]


def one_by_one(fleets: list[Fleet], *sent: bytes, end: End = "clean") -> Script:
    """A stream of which each piece is read before the next is sent."""

    async def script(exchange: Exchange) -> None:
        (handler,) = fleets[0].proxy.service.gateway.running
        size = 0
        await exchange.send(head(200, {"Content-Type": SSE, "Transfer-Encoding": "chunked"}))
        await wait_until(lambda: handler.exchange.direct is not None)  # type: ignore[attr-defined]  # it has one
        for piece in sent:
            await exchange.chunk(piece)
            size += len(piece)
            await wait_until(lambda size=size: handler.exchange.received == size)  # type: ignore[attr-defined,misc]
        if end == "clean":
            await exchange.chunk(b"")
        else:
            exchange.close()

    return script
