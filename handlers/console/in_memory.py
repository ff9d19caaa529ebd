"""What Ollama servers hold in memory: asked when somebody looks at the models, and remembered for a moment.

Laws: bounded in time, in size and in number; a server that does not answer says nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from llm_proxy.errors import GatewayError
from llm_proxy.relay.clock import Clock
from llm_proxy.relay.reading import await_head, read_whole
from llm_proxy.relay.upstream import UpstreamClient
from llm_proxy.wire.calls import Deployment, HttpCall, Timeouts
from providers.common.headers import bearer_headers

_LIMITS = Timeouts(connect=0.5, first_byte=0.5, idle=0.5, total=0.8)
_MAX_ANSWER, _MOST = 1 << 20, 16
#: Seconds for which an answer is good.
_FRESH = 4.0

#: By the upstream's name of the model: how much of it lies where, and until when.
Held = dict[str, dict[str, Any]]


class InMemory:
    """One process's."""

    def __init__(self, upstream: UpstreamClient) -> None:
        self._upstream = upstream
        self._known: dict[str, tuple[float, Held | None]] = {}

    async def of(self, deployments: Iterable[Deployment]) -> dict[str, Held]:
        """By the server's key, what it holds; those that are no Ollama, or do not say, are left out."""
        servers = {row.server_key: row for row in deployments if row.api_type == "ollama" and row.active}
        now = asyncio.get_running_loop().time()
        stale = [row for key, row in servers.items() if now - self._known.get(key, (0.0, None))[0] > _FRESH]
        answers = await asyncio.gather(*map(self._ask, stale[:_MOST]))
        self._known = {key: known for key, known in self._known.items() if now - known[0] <= _FRESH}
        self._known |= {
            row.server_key: (now, answer) for row, answer in zip(stale[:_MOST], answers, strict=True)
        }
        found = {key: self._known[key][1] for key in servers if key in self._known}
        return {key: held for key, held in found.items() if held is not None}

    async def _ask(self, row: Deployment) -> Held | None:
        url = row.api_host.rstrip("/") + "/api/ps"
        call = HttpCall("GET", url, bearer_headers(row), timeouts=_LIMITS)
        try:
            async with self._upstream.exchange(call, row) as exchange:
                clock = Clock(exchange, _LIMITS)
                head = await await_head(exchange, clock)
                page = await read_whole(exchange, clock, _MAX_ANSWER) if head.status == 200 else b""
        except GatewayError:
            return None
        return read(page)


def read(page: bytes) -> Held | None:
    """An answer of ``/api/ps``; None if it is none."""
    try:
        said = json.loads(page)
    except (ValueError, RecursionError):
        return None
    models = said.get("models") if isinstance(said, dict) else None
    if not isinstance(models, list):
        return None
    found: Held = {}
    for row in models[:1000]:
        if not isinstance(row, dict):
            continue
        for name in (row.get("name"), row.get("model")):
            if isinstance(name, str):
                found[full(name)] = {
                    "loaded": True,
                    "size": _number(row.get("size")),
                    "vram": _number(row.get("size_vram")),
                    "expires_at": str(row["expires_at"])[:40] if row.get("expires_at") else None,
                }
    return found


def full(name: str) -> str:
    """As Ollama lists it."""
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _number(value: Any) -> int | None:
    return value if type(value) is int else None
