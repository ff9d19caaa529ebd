"""Loading a configuration in a test: the usual api_types, an environment and files that live in dictionaries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from llm_proxy.live.config.loader import ApiType, Config, ConfigError, ConfigProblem, load_config
from llm_proxy.wire.calls import Deployment

API_TYPES = {
    kind.name: kind
    for kind in (
        ApiType("anthropic", "https://api.anthropic.com"),
        ApiType("demo", "http://127.0.0.1:9/v1"),
        ApiType("gemini", "https://generativelanguage.googleapis.com"),
        ApiType("ollama", "http://127.0.0.1:11434"),
        ApiType("openai", "https://api.openai.com/v1"),
        ApiType("vllm"),
    )
}

#: The example of the documentation.
CONTRACT = {
    "$schema": "models-config.schema.json",
    "ollama": {
        "defaults": {
            "api_host": "http://127.0.0.1:11434",
            "keep_alive": "30m",
            "options": {"num_ctx": 8192},
        },
        "llama3.2": {"options": {"num_ctx": 16384}, "languages": ["en", "pl"]},
        "qwen3": {"model": "qwen3:8b"},
    },
    "gpu-box": {
        "defaults": {"api_type": "vllm", "api_host": "http://gpu-box:8000/v1", "weight": 3},
        "llama3.2": {"model": "meta-llama/Llama-3.2-3B-Instruct"},
    },
    "openai": {
        "defaults": {"api_token": "${OPENAI_API_KEY}"},
        "gpt-4o": {"options": {"temperature": 0.2}},
    },
}


def load(
    document: Any,
    env: Mapping[str, str] | None = None,
    files: Mapping[str, bytes] | None = None,
    max_total: float | None = None,
    previous: Config | None = None,
) -> Config:
    """Load a document (bytes, text, or a value to be written as JSON)."""
    if not isinstance(document, bytes | str):
        document = json.dumps(document, indent=1)
    stored = files or {}

    def read_file(path: str) -> bytes:
        if path not in stored:
            raise FileNotFoundError(2, "No such file or directory", path)
        return stored[path]

    return load_config(
        document.encode() if isinstance(document, str) else document,
        source="models-config.json",
        api_types=API_TYPES,
        env=env or {},
        read_file=read_file,
        max_total=max_total,
        previous=previous,
    )


def row(
    document: Any, env: Mapping[str, str] | None = None, files: Mapping[str, bytes] | None = None
) -> Deployment:
    """The only deployment of a document."""
    (deployment,) = load(document, env, files).deployments
    return deployment


def problems(document: Any, **given: Any) -> list[ConfigProblem]:
    """The problems of a document that must be rejected."""
    with pytest.raises(ConfigError) as caught:
        load(document, **given)
    return list(caught.value.problems)


def problem(document: Any, **given: Any) -> ConfigProblem:
    """The only problem of a document."""
    (found,) = problems(document, **given)
    return found
