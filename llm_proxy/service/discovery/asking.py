"""Asks a port of this machine what is there.

Laws: loopback only; 300 ms for each question, 256 KiB for each answer; no redirect is followed, no proxy asked, no key
sent. Somebody who was known is only asked for the list of models.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Literal

from tornado.httpclient import HTTPRequest

from llm_proxy import __version__
from llm_proxy.service.discovery.fingerprints import Answers, AtPort, Heard, listed, recognise
from llm_proxy.service.discovery.kinds import MODELS, questions
from llm_proxy.service.discovery.rounds import Known
from llm_proxy.upstreams.http_client import (
    BodyTooLarge,
    ConnectError,
    PooledHTTPClient,
    TransportError,
    TransportTimeout,
)

SECONDS = 0.3
LARGEST = 256 * 1024
#: Where a server of this machine listens, in the order in which it is looked for.
_HOSTS = ("127.0.0.1", "[::1]")
_HEADERS = {"Accept": "application/json", "User-Agent": f"llm-proxy-api/{__version__}"}

Answer = Heard | Literal["nothing", "silent", "large", "broken"]


class Asker:
    """``ask`` any number of times, then ``close``; on the event loop."""

    def __init__(self) -> None:
        self._client = PooledHTTPClient(force_instance=True, max_body_size=LARGEST, proxies={})

    async def ask_all(self, ports: Iterable[int], known: Mapping[int, Known]) -> list[AtPort]:
        """What is at each of ``ports`` now."""
        return list(await asyncio.gather(*(self.ask(port, known.get(port)) for port in ports)))

    async def ask(self, port: int, known: Known | None = None) -> AtPort:
        """What is at ``port`` now."""
        if known is not None and known.at.state == "found" and known.at.kind is not None:
            kind, host = known.at.kind, known.at.host
            found = listed(port, kind, await self._get(host, port, kind.lists), host)
            if found.state in ("found", "silent"):
                return found
        found = AtPort(port, "nothing")
        for host in _HOSTS:
            found = await self._ask_at(host, port)
            if found.state != "nothing":
                break
        return found

    async def _ask_at(self, host: str, port: int) -> AtPort:
        first = await self._get(host, port, MODELS)
        if first == "nothing":
            return AtPort(port, "nothing", host=host)
        paths = [path for path in questions(port) if path != MODELS]
        others = await asyncio.gather(*(self._get(host, port, path) for path in paths))
        answers: Answers = {MODELS: first, **dict(zip(paths, others, strict=True))}
        return recognise(port, answers, host)

    async def _get(self, host: str, port: int, path: str) -> Answer:
        request = HTTPRequest(
            f"http://{host}:{port}{path}",
            headers=_HEADERS,
            connect_timeout=SECONDS,
            request_timeout=SECONDS,
        )
        try:
            got = await self._client.fetch(request, raise_error=False)
        except TransportTimeout:
            return "silent"
        except BodyTooLarge:
            return "large"
        except ConnectError:  # nobody listens, or this machine has no such address
            return "nothing"
        except (TransportError, OSError):
            return "broken"
        return Heard(got.code, {name.lower(): value for name, value in got.headers.items()}, got.body)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()
