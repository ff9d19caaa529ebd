"""The configured models as Ollama lists them, with what is known of each without asking anybody."""

from __future__ import annotations

import asyncio
from typing import Any

from llm_proxy.faces.ollama.models import listed
from llm_proxy.live.state.registry import Snapshot
from llm_proxy.relay.model_knowledge import Knowledge

#: Longer lists are made beside the loop: each model takes some 50 us.
_MANY = 100


async def listing(snapshot: Snapshot, knowledge: Knowledge) -> list[dict[str, Any]]:
    """All of them, by name."""
    if len(snapshot.models) <= _MANY:
        return _listing(snapshot, knowledge)
    return await asyncio.get_running_loop().run_in_executor(None, _listing, snapshot, knowledge)


def _listing(snapshot: Snapshot, knowledge: Knowledge) -> list[dict[str, Any]]:
    return [
        listed(name, rows, [knowledge.known(row, snapshot.adapter(row)) for row in rows], snapshot.loaded_at)
        for name, rows in sorted(snapshot.models.items())
    ]
