"""For tests of answers in the client's own dialect: a gateway whose model ``m`` is at a scripted peer of one api_type."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.gateway import RunningGateway
from tests.support.peer import Peer, Script
from tests.support.secrets import UPSTREAM_KEY


@asynccontextmanager
async def native(
    folder: Path, api_type: str, script: Script, *, settings: Any = None, **fields: Any
) -> AsyncIterator[tuple[RunningGateway, Peer]]:
    """The gateway and the peer; ``fields`` are those of the model's row, its upstream name is ``up``."""
    async with Peer(script) as peer:
        defaults = {"api_type": api_type, "api_host": peer.url, "api_token": UPSTREAM_KEY}
        rows = {"up": {"defaults": defaults, "m": {"model": "up", **fields}}}
        async with RunningGateway(folder, rows, **(settings or {})) as proxy:
            yield proxy, peer
