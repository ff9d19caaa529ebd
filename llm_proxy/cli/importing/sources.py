"""The sources by their names: how each text is read, and what reads the values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llm_proxy.cli.importing import (
    continue_config,
    litellm,
    llama_swap,
    ollama,
    open_webui,
    opencode,
    reading,
)
from llm_proxy.cli.importing.draft import Draft


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says: ``at``, where the source itself listens (empty: where it usually does)."""

    at: str = ""
    direct: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """``file``: what the file is called there."""

    name: str
    file: str
    values: Callable[[str], Any]
    fill: Callable[[Any, Draft, Asked], None]


SOURCES = {
    source.name: source
    for source in (
        Source(
            "LiteLLM",
            "config.yaml",
            reading.read_yaml,
            lambda values, draft, asked: litellm.read(values, draft),
        ),
        Source(
            "llama-swap",
            "config.yaml",
            reading.read_yaml,
            lambda values, draft, asked: llama_swap.read(
                values, draft, direct=asked.direct, at=asked.at or llama_swap.USUAL
            ),
        ),
        Source(
            "Continue",
            "config.yaml",
            reading.read_yaml,
            lambda values, draft, asked: continue_config.read(values, draft),
        ),
        Source(
            "opencode",
            "opencode.json",
            reading.read_json,
            lambda values, draft, asked: opencode.read(values, draft),
        ),
        Source(
            "Ollama",
            "-",
            ollama.names_of,
            lambda values, draft, asked: ollama.read(values, draft, at=asked.at or "http://127.0.0.1:11434"),
        ),
        Source(
            "Open WebUI",
            "config.json",
            reading.read_json,
            lambda values, draft, asked: open_webui.read(values, draft),
        ),
    )
}
#: As they are said on a command line.
BY_WORD = {name.lower().replace(" ", "-"): source for name, source in SOURCES.items()}


def drafted(source: Source, text: str, asked: Asked) -> Draft:
    """What becomes of the text. Raises ``SourceError``."""
    values = source.values(text)
    if not isinstance(values, dict) or not values:
        raise reading.SourceError(f"is no configuration of {source.name}")
    draft = Draft()
    source.fill(values, draft, asked)
    draft.finish(values)
    return draft
