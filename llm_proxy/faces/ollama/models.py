"""Configured models as Ollama describes its own (github.com/ollama/ollama, docs/api.md, "List Local Models").

Laws: nothing is made up: what a file on disk would have and a gateway has not is empty or zero. Capabilities are what the
gateway can carry to a model; whether the model can, its upstream says. No hosts, no tokens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from llm_proxy.wire.calls import Deployment

_TAG = ":latest"


def known_name(asked: str, known: Mapping[str, Any]) -> str:
    """The public name that ``asked`` means: Ollama takes ``name`` and ``name:latest`` for the same. ``asked`` itself if
    there is none."""
    other = asked.removesuffix(_TAG) if asked.endswith(_TAG) else asked + _TAG
    return other if asked not in known and other in known else asked


def listed(name: str, rows: Sequence[Deployment], loaded_at: float) -> dict[str, Any]:
    """One entry of Ollama's list; ``loaded_at`` (seconds) is when the configuration was loaded."""
    return {
        "name": name,
        "model": name,
        "modified_at": _time(loaded_at),
        "size": 0,
        "digest": hashlib.sha256(name.encode()).hexdigest(),
        "details": _details(rows),
        "capabilities": _capabilities(rows),
    }


def shown(name: str, rows: Sequence[Deployment], loaded_at: float) -> dict[str, Any]:
    """The answer of ``/api/show``. The context is the smallest, since any of the deployments may be chosen."""
    architecture = rows[0].api_type
    sizes = [row.input_size for row in rows if row.input_size is not None]
    about: dict[str, Any] = {"general.architecture": architecture, "general.basename": name}
    if sizes:
        about[f"{architecture}.context_length"] = min(sizes)
    return {
        "license": "",
        "modelfile": f"FROM {name}\n",
        "parameters": "",
        "template": "",
        "details": _details(rows),
        "model_info": about,
        "capabilities": _capabilities(rows),
        "modified_at": _time(loaded_at),
    }


def _details(rows: Sequence[Deployment]) -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "",
        "family": rows[0].api_type,
        "families": sorted({row.api_type for row in rows}),
        "parameter_size": "",
        "quantization_level": "",
    }


def _capabilities(rows: Sequence[Deployment]) -> list[str]:
    """Not ``thinking``: a client that reads it asks for thinking in every request (cmd/interactive.go), which a model
    without it answers with an error."""
    if all(row.api_type == "demo" for row in rows):
        return ["completion"]
    return ["completion", "tools", "vision"]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
