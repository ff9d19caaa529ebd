"""``GET /tags``: the models that can be asked for, in a form that tools which read Ollama's list understand too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handlers.base.handler import BaseHandler
from handlers.base.listing import listing
from llm_proxy.wire.calls import Deployment


class TagsHandler(BaseHandler):
    """One entry for each public model name. No hosts, no tokens."""

    endpoint = "/tags"

    async def get(self) -> None:
        await self.send_long(len(self.models), self._list)

    head = get

    def _list(self) -> dict[str, Any]:
        models = self.models
        found = listing(self.snapshot, self.gateway.knowledge, models)
        return {"models": [{**told, **tag(models[told["name"]])} for told in found]}


def tag(rows: Sequence[Deployment]) -> dict[str, Any]:
    """What Ollama's list has no field for; ``rows`` are the model's active deployments, of which the first speaks for all
    where they differ."""
    first = rows[0]
    sizes = [row.input_size for row in rows if row.input_size is not None]
    return {
        "provider": first.provider,
        "providers": [row.provider for row in rows],
        "api_type": first.api_type,
        "languages": list(first.languages),
        # What every deployment can take, since any of them may be chosen.
        "input_size": min(sizes) if sizes else None,
        "prompt": first.prompt,
    }


routes: list[tuple[str, Any]] = [("/tags", TagsHandler)]
