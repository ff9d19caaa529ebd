"""Configured models as Ollama describes its own (github.com/ollama/ollama, docs/api.md, "List Local Models").

Laws: nothing is made up: what a file on disk would have and a gateway has not is empty or zero. Capabilities are what is
known of the model; where nothing is known of tools and pictures they are what the gateway can carry, and thinking is only
told where it is known, because a client that reads it asks for it in every request. No hosts, no tokens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from llm_proxy.wire.calls import Deployment

_TAG = ":latest"


def known_name(asked: str, known: Mapping[str, Any]) -> str:
    """The public name that ``asked`` means: Ollama takes ``name`` and ``name:latest`` for the same. ``asked`` itself if
    there is none."""
    other = asked.removesuffix(_TAG) if asked.endswith(_TAG) else asked + _TAG
    return other if asked not in known and other in known else asked


class Known(Protocol):
    """What is known of the model of one deployment, by the names of ``_ALL``: yes, no, or nobody says (None)."""

    @property
    def embedding(self) -> bool | None: ...

    @property
    def context(self) -> int | None: ...


def listed(name: str, rows: Sequence[Deployment], known: Sequence[Known], loaded_at: float) -> dict[str, Any]:
    """One entry of Ollama's list; ``known``: of each of ``rows``; ``loaded_at`` (seconds) is when the configuration was
    loaded."""
    return {
        "name": name,
        "model": name,
        "modified_at": _time(loaded_at),
        "size": 0,
        "digest": hashlib.sha256(name.encode()).hexdigest(),
        "details": _details(rows),
        "capabilities": _capabilities(rows, known),
    }


def shown(name: str, rows: Sequence[Deployment], known: Sequence[Known], loaded_at: float) -> dict[str, Any]:
    """The answer of ``/api/show``. The context is the smallest, since any of the deployments may be chosen."""
    architecture = rows[0].api_type
    sizes = [row.input_size or about.context for row, about in zip(rows, known, strict=True)]
    about: dict[str, Any] = {"general.architecture": architecture, "general.basename": name}
    if any(sizes):
        about[f"{architecture}.context_length"] = min(filter(None, sizes))
    return {
        "license": "",
        "modelfile": f"FROM {name}\n",
        "parameters": "",
        "template": "",
        "details": _details(rows),
        "model_info": about,
        "capabilities": _capabilities(rows, known),
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


def _capabilities(rows: Sequence[Deployment], known: Sequence[Known]) -> list[str]:
    """In Ollama's order. Of several deployments any may be chosen: what one of them cannot is not told."""
    if all(row.api_type == "demo" for row in rows):
        return ["completion"]
    embeds = all(about.embedding is True for about in known)
    carried = {"completion": not embeds, "tools": not embeds, "vision": not embeds}
    return [name for name in _ALL if all(_can(about, name, carried) for about in known)]


_ALL = ("completion", "tools", "insert", "vision", "embedding", "thinking")


def _can(about: Known, name: str, carried: Mapping[str, bool]) -> bool:
    said: bool | None = getattr(about, name)
    return carried.get(name, False) if said is None else said


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
