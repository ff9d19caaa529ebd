"""The field ``vendor``: whose servers these are, said or implied, and what is said about one that nobody knows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.live.config import loader
from llm_proxy.live.config.diff import diff
from llm_proxy.live.config.report import ConfigError
from llm_proxy.live.state.registry import Sources, api_types
from llm_proxy.wire.calls import Deployment
from providers.discovery import discover

TYPES = api_types(Sources(Path("x"), Path("y"), discover(), {}))
LOCAL = "http://127.0.0.1:9/v1"


def load(document: Any) -> tuple[Deployment, ...]:
    return loader.load_config(
        json.dumps(document).encode(),
        source="test",
        api_types=TYPES,
        env={},
        read_file=lambda path: b"",
        max_total=300,
    ).deployments


def problem(document: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        load(document)
    (found,) = raised.value.problems
    return str(found)


IMPLIED: list[tuple[str, dict[str, Any], str]] = [
    ("openai", {}, "openai"),
    ("openai", {"api_host": LOCAL}, "lenient"),
    ("openai", {"api_host": "https://api.groq.com/openai/v1"}, "groq"),
    ("azure", {"api_host": "https://me.openai.azure.com/openai/v1"}, "azure"),
    ("azure", {"api_host": "https://gateway.example/openai/v1"}, "azure"),
    ("mistral", {}, "mistral"),
    ("mistral", {"api_host": LOCAL}, "mistral"),
    ("mistral", {"api_host": "https://openrouter.ai/api/v1"}, "openrouter"),
    ("mistral", {"api_host": LOCAL, "vendor": "llamacpp"}, "llamacpp"),
    ("llamacpp", {"api_host": LOCAL}, "llamacpp"),
    ("lmstudio", {}, "lmstudio"),
    ("zai", {}, "zai"),
    ("sglang", {"api_host": LOCAL}, "sglang"),
    ("box", {"api_type": "openai", "api_host": LOCAL}, "lenient"),
    ("box", {"api_type": "openai", "api_host": LOCAL, "vendor": "strict"}, "strict"),
    ("box", {"api_type": "vllm", "api_host": LOCAL}, "vllm"),
    ("vllm", {"api_host": LOCAL}, "vllm"),
    ("ollama", {}, ""),
    ("ollama", {"api_type": "openai", "api_host": LOCAL}, "ollama"),
    ("anthropic", {}, ""),
]


@pytest.mark.parametrize(("provider", "fields", "vendor"), IMPLIED)
def test_whose_servers(provider: str, fields: dict[str, Any], vendor: str) -> None:
    """What the row says, else what its host implies, else what the provider is called; one place or the other."""
    assert [row.vendor for row in load({provider: {"m": fields}})] == [vendor]
    assert [row.vendor for row in load({provider: {"defaults": fields, "m": {}}})] == [vendor]


def test_a_model_of_its_own() -> None:
    """A model's vendor wins over that of ``defaults``, and null removes it."""
    rows = load(
        {
            "box": {
                "defaults": {"api_type": "openai", "api_host": LOCAL, "vendor": "tgi"},
                "a": {},
                "b": {"vendor": "vllm"},
                "c": {"vendor": None},
            }
        }
    )

    assert [row.vendor for row in rows] == ["tgi", "vllm", "lenient"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("grok", "groq"),
        ("mistrall", "mistral"),
        ("llama.cpp", "llamacpp"),
        ("Open-Router", "openrouter"),
        ("vlm", "vllm"),
    ],
)
def test_a_vendor_that_nobody_knows(written: str, meant: str) -> None:
    """The names that there are, and the likeliest."""
    found = problem({"openai": {"m": {"vendor": written}}})

    assert "openai.m.vendor: must be one of azure, cerebras, " in found
    assert found.endswith(f'; did you mean "{meant}"?')


@pytest.mark.parametrize("wrong", [3, True, "", ["groq"]])
def test_a_vendor_that_is_no_name(wrong: Any) -> None:
    """One problem, at its place."""
    assert "openai.m.vendor: must be " in problem({"openai": {"m": {"vendor": wrong}}})


@pytest.mark.parametrize("provider", ["ollama", "anthropic", "gemini", "demo"])
def test_a_dialect_of_one_vendor(provider: str) -> None:
    """There the field would do nothing, so it is a mistake; and so would ``api``."""
    assert '"vendor" has no meaning' in problem({provider: {"m": {"vendor": "groq"}}})
    assert '"api" has no meaning' in problem({provider: {"m": {"api": "chat"}}})


def test_by_which_api() -> None:
    """A model's wins over that of ``defaults``, and null removes it."""
    defaults = {"api_type": "vllm", "api_host": LOCAL, "api": "chat"}
    models = {"a": {}, "b": {"api": "responses"}, "c": {"api": None}}
    rows = load({"box": {"defaults": defaults, **models}})

    assert [row.api for row in rows] == ["chat", "responses", ""]
    assert diff([rows[0]], [replace(rows[0], api="responses")], {}, {}) == ["model a: api chat -> responses"]


def test_a_change_in_words() -> None:
    """Its own line; where a new host brings it along, the host is what was changed."""
    (old,) = load({"box": {"m": {"api_type": "openai", "api_host": LOCAL}}})
    (said,) = load({"box": {"m": {"api_type": "openai", "api_host": LOCAL, "vendor": "strict"}}})
    (moved,) = load({"box": {"m": {"api_type": "openai", "api_host": "https://api.groq.com/openai/v1"}}})
    bare = LOCAL.removesuffix("/v1")  # which Ollama's base has not
    (before,) = load({"box": {"m": {"api_type": "openai", "api_host": bare}}})
    (other,) = load({"box": {"m": {"api_type": "ollama", "api_host": bare}}})

    assert diff([old], [said], {}, {}) == ["model m: vendor lenient -> strict"]
    assert diff([old], [moved], {}, {}) == ["model m: api_host changed"]
    assert diff([before], [other], {}, {}) == ["model m: api_type openai -> ollama, vendor lenient -> unset"]
