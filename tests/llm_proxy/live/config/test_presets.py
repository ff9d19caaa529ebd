"""Well-known servers by name: the address of each as its vendor states it, and where its key goes."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.live.config.presets import PRESETS
from llm_proxy.live.config.schema import json_schema
from llm_proxy.wire.calls import Deployment, Secret
from providers.openai.provider import OpenAIProvider
from tests.support.config_kit import API_TYPES, problems, row
from tests.support.secrets import UPSTREAM_KEY

#: The base URL in each vendor's own example for OpenAI's client, and the page that has it.
STATED = {
    "azure": (None, "learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle"),
    "deepseek": ("https://api.deepseek.com", "api-docs.deepseek.com"),
    "groq": ("https://api.groq.com/openai/v1", "console.groq.com/docs/openai"),
    "llamacpp": (None, "github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"),
    "lmstudio": ("http://127.0.0.1:1234/v1", "lmstudio.ai/docs/api/openai-api"),
    "mistral": ("https://api.mistral.ai/v1", "docs.mistral.ai/api"),
    "openrouter": ("https://openrouter.ai/api/v1", "openrouter.ai/docs/quick-start"),
    "together": ("https://api.together.ai/v1", "docs.together.ai/docs/inference/openai-compatibility"),
}
AZURE = "https://my-resource.openai.azure.com/openai/v1"


def headers(found: Deployment) -> dict[str, str]:
    """What identifies the gateway to that upstream."""
    return dict(OpenAIProvider().auth_headers(found))


@pytest.mark.parametrize("name", STATED)
def test_addresses(name: str) -> None:
    """Each is there, speaks OpenAI's dialect and has the address that its vendor states, or wants one."""
    host, _ = STATED[name]
    preset = PRESETS[name]
    given = {"api_token": UPSTREAM_KEY} | ({} if host else {"api_host": "http://x/v1"})
    found = row({name: {"defaults": given, "m": {}}})

    assert (preset.api_type, preset.api_host) == ("openai", host)
    assert found.api_host == (host or "http://x/v1")
    if name != "azure":
        assert headers(found) == {"Authorization": f"Bearer {UPSTREAM_KEY}"}
    if host is None:
        assert ["api_host" in problem.message for problem in problems({name: {"m": {}}})] == [True]


def test_azure() -> None:
    """The v1 API of a resource: the model is a deployment, the key goes as it is, and never as a bearer token too."""
    found = row(
        {"azure": {"defaults": {"api_host": AZURE + "/", "api_token": UPSTREAM_KEY}, "m": {"model": "mine"}}}
    )

    assert (found.api_host, found.model) == (AZURE, "mine")
    assert headers(found) == {"api-key": UPSTREAM_KEY}
    assert UPSTREAM_KEY not in repr(found)


HEADERS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"headers": {"Api-Key": "own"}, "api_token": "k"}, {"Api-Key": "own"}),
    ({"headers": {"api-key": "own"}}, {"api-key": "own"}),
    ({"headers": {"Authorization": "Bearer entra"}}, {"Authorization": "Bearer entra"}),
    ({"headers": {"X-A": "b"}, "api_token": "k"}, {"X-A": "b", "api-key": "k"}),
    ({}, {}),
]


@pytest.mark.parametrize(("fields", "sent"), HEADERS)
def test_a_header_of_the_configuration_wins(fields: dict[str, Any], sent: dict[str, str]) -> None:
    """As everywhere; so a token of Entra ID goes in a header of its own."""
    assert headers(row({"azure": {"m": {"api_host": AZURE, **fields}}})) == sent


def test_another_dialect_under_that_name() -> None:
    """A row that says that it speaks another dialect is none of the preset's: its key goes where that dialect has it."""
    found = row({"azure": {"m": {"api_type": "anthropic", "api_host": "http://x", "api_token": "k"}}})

    assert (found.token, dict(found.headers)) == (Secret("k"), {})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Azure", "azure"),
        ("deep-seek", "deepseek"),
        ("gorq", "groq"),
        ("llama.cpp", "llamacpp"),
        ("lm-studio", "lmstudio"),
        ("mistrall", "mistral"),
        ("open-router", "openrouter"),
        ("togehter", "together"),
    ],
)
def test_did_you_mean(written: str, meant: str) -> None:
    """A name that is nearly one of these is asked about."""
    (problem,) = problems({written: {"m": {}}})

    assert f'did you mean "{meant}"?' in problem.message


def test_the_schema_says_what_is_implied() -> None:
    """An editor shows it at the name."""
    shown = json_schema(API_TYPES)["properties"]

    assert (
        shown["azure"]["description"] == "api_type openai is implied. The key goes into the header api-key."
    )
    for name, (host, _) in STATED.items():
        assert (host or "openai is implied.") in shown[name]["description"]
