"""A conversation of the playground, as values that no API has shaped. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

Json = dict[str, Any]


class Picture(NamedTuple):
    """``kind``: a media type; ``data``: base64."""

    kind: str
    data: str

    @property
    def url(self) -> str:
        """All of it in an address."""
        return f"data:{self.kind};base64,{self.data}"


class Called(NamedTuple):
    """A tool that a model wants; ``args``: JSON as the model wrote it; ``signature``: what Gemini wants to hear again."""

    id: str | None
    name: str
    args: str = ""
    signature: str | None = None

    @property
    def arguments(self) -> Any:
        """The value of ``args``; empty where that is no JSON: a model may have said so, and the conversation goes on."""
        try:
            return json.loads(self.args or "{}")
        except ValueError:
            return {}


@dataclass(frozen=True, slots=True)
class Turn:
    """``role``: user, assistant, or tool, whose ``text`` is what the tool ``name`` answered to the call ``call``."""

    role: str
    text: str = ""
    pictures: tuple[Picture, ...] = ()
    calls: tuple[Called, ...] = ()
    call: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """``tools``: objects with name, description and parameters."""

    model: str
    turns: tuple[Turn, ...]
    stream: bool = True
    system: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[Json, ...] = ()
