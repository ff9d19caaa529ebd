"""A lane: the running gateway in front of one scripted model of each kind. Programs run one after another in a lane.

Two lanes share nothing, so that two programs can run at once and a refusal belongs to the program that caused it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.apps.scripted.server import KINDS, ScriptedModel
from tests.support.addresses import refused_url
from tests.support.client import request
from tests.support.program import Program


@dataclass(frozen=True, slots=True)
class Lane:
    """``url`` is the gateway's root, ``ollama`` its port of Ollama, ``models`` the upstreams by their kind."""

    folder: Path
    url: str
    ollama: str
    models: dict[str, ScriptedModel]
    program: Program

    def forget(self) -> None:
        """Before a program: what the one before was refused is not its affair."""
        for model in self.models.values():
            model.refusals.clear()
            model.asked.clear()


#: How a model's public name begins: nothing that a program could know, or what it takes for a model of its vendor.
PREFIXES = ("m", "claude-sonnet-4-5", "gpt-5.5")


def name_of(kind: str, prefix: str = PREFIXES[0]) -> str:
    """What the model of a kind is called at the gateway."""
    return f"{prefix}-{kind}"


def rows(models: dict[str, ScriptedModel]) -> dict[str, Any]:
    """The gateway's configuration: a provider for each kind."""
    found: dict[str, Any] = {}
    for kind, model in models.items():
        defaults = {"api_type": model.kind.api_type, "api_host": model.host, "api_token": "k"}
        row = {"model": model.kind.model, **dict(model.kind.options)}
        found[f"up-{kind}"] = {"defaults": defaults, **{name_of(kind, prefix): row for prefix in PREFIXES}}
    return found


async def give(lane: Lane, name: str, kind: str) -> None:
    """Let ``name`` mean the upstream of that kind, and wait until the gateway knows it."""
    config = rows(lane.models)
    config[f"up-{kind}"][name] = config[f"up-{kind}"][name_of(kind)]
    lane.program.write_config(config)
    deadline = asyncio.get_running_loop().time() + 20
    while (await _provider(lane, name)) != f"up-{kind}":
        assert asyncio.get_running_loop().time() < deadline, f"the gateway does not know {name} of {kind}"
        await asyncio.sleep(0.05)


async def _provider(lane: Lane, name: str) -> str:
    found = (await request(lane.url, "GET", f"/v1/models/{name}")).json()
    return str(found.get("owned_by", ""))


@asynccontextmanager
async def lane(folder: Path) -> AsyncIterator[Lane]:
    """Start it; its files stand in ``folder``."""
    async with AsyncExitStack() as stack:
        models = {kind: await stack.enter_async_context(ScriptedModel(kind)) for kind in KINDS}
        port = int(refused_url().rpartition(":")[2])
        program = await stack.enter_async_context(Program(folder, rows(models), ollama_port=port))
        yield Lane(folder, program.url.removesuffix("/api"), f"http://127.0.0.1:{port}", models, program)


def said(lane: Lane) -> str:
    """What the upstreams were asked, for a look at a failure."""
    return "\n".join(
        f"{kind} {path} {json.dumps(body)}"
        for kind, model in lane.models.items()
        for path, body in model.asked
    )
