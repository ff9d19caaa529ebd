"""``GET /tags``: the models that can be asked for, in a form that tools which read Ollama's list understand too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handlers.base.handler import BaseHandler
from llm_proxy.faces.ollama.models import listed
from llm_proxy.wire.calls import Deployment


class TagsHandler(BaseHandler):
    """One entry for each public model name. No hosts, no tokens."""

    endpoint = "/tags"

    def get(self) -> None:
        loaded_at = self.snapshot.loaded_at
        models = [tag(name, rows, loaded_at) for name, rows in sorted(self.snapshot.models.items())]
        self.send_json({"models": models})

    head = get


def tag(name: str, rows: Sequence[Deployment], loaded_at: float) -> dict[str, Any]:
    """One model, as Ollama lists it and with what that has no field for; ``rows`` are its active deployments, of which the
    first speaks for all where they differ."""
    first = rows[0]
    sizes = [row.input_size for row in rows if row.input_size is not None]
    return {
        **listed(name, rows, loaded_at),
        "provider": first.provider,
        "providers": [row.provider for row in rows],
        "api_type": first.api_type,
        "languages": list(first.languages),
        # What every deployment can take, since any of them may be chosen.
        "input_size": min(sizes) if sizes else None,
        "prompt": first.prompt,
    }


routes: list[tuple[str, Any]] = [("/tags", TagsHandler)]
