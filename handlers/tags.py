"""``GET /tags``: the models that can be asked for, in a form that tools which read Ollama's list understand too."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from handlers.base import BaseHandler
from llm_proxy.wire import Deployment


class TagsHandler(BaseHandler):
    """One entry for each public model name. No hosts, no tokens."""

    endpoint = "/tags"

    def get(self) -> None:
        loaded = datetime.fromtimestamp(self.snapshot.loaded_at, UTC).isoformat().replace("+00:00", "Z")
        models = [tag(name, rows, loaded) for name, rows in sorted(self.snapshot.models.items())]
        self.send_json({"models": models})

    head = get


def tag(name: str, rows: tuple[Deployment, ...], loaded: str) -> dict[str, Any]:
    """One model; ``rows`` are its active deployments, of which the first speaks for all where they differ."""
    first = rows[0]
    sizes = [row.input_size for row in rows if row.input_size is not None]
    return {
        "name": name,
        "model": name,
        "provider": first.provider,
        "providers": [row.provider for row in rows],
        "api_type": first.api_type,
        "languages": list(first.languages),
        # What every deployment can take, since any of them may be chosen.
        "input_size": min(sizes) if sizes else None,
        "prompt": first.prompt,
        "modified_at": loaded,
        "size": 0,
        "digest": hashlib.sha256(name.encode()).hexdigest(),
        "details": {
            "parent_model": "",
            "format": "",
            "family": first.api_type,
            "families": sorted({row.api_type for row in rows}),
            "parameter_size": "",
            "quantization_level": "",
        },
    }


routes: list[tuple[str, Any]] = [("/tags", TagsHandler)]
