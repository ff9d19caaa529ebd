"""The rows of the vendors: how one is found, and that what they hold of OpenAI is what its own client has today."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from openai.types import chat
from openai.types.chat import completion_create_params

from llm_proxy.live.config.presets import PRESETS
from llm_proxy.wire.calls import Deployment
from providers.discovery import discover
from providers.openai.vendor import COMMON, PARAMS
from providers.vendors import LENIENT, VENDORS, of_host, vendor_of
from tests.support.vendors_page import PAGE, page

HOSTS = [
    ("https://api.openai.com/v1", "openai"),
    ("https://API.OpenAI.com:443/v1", "openai"),
    ("https://eu.api.openai.com/v1", "openai"),
    ("https://my-resource.openai.azure.com/openai/v1", "azure"),
    ("https://my-resource.services.ai.azure.com/openai/v1", "azure"),
    ("http://api.groq.com/openai/v1", "groq"),
    ("https://api.mistral.ai/v1", "mistral"),
    ("https://api.deepseek.com", "deepseek"),
    ("https://openrouter.ai/api/v1", "openrouter"),
    ("https://api.x.ai/v1", "xai"),
    ("https://us-east-1.api.x.ai/v1", "xai"),
    ("https://api.together.xyz/v1", "together"),
    ("https://api.fireworks.ai/inference/v1", "fireworks"),
    ("https://api.moonshot.cn/v1", "moonshot"),
    ("https://open.bigmodel.cn/api/paas/v4", "zai"),
    ("https://api.cerebras.ai/v1", "cerebras"),
    ("https://integrate.api.nvidia.com/v1", "nvidia"),
    ("https://api.perplexity.ai", "perplexity"),
    ("https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/openapi", "google"),
    ("https://api.githubcopilot.com", "github"),
    ("https://api.openai.com.example/v1", None),
    ("https://notapi.openai.com.example/v1", None),
    ("https://fakeapi.x.ai.test/v1", None),
    ("http://myapi.groq.com.internal/v1", None),
    ("https://openai.com/v1", None),
    ("http://127.0.0.1:8000/v1", None),
    ("http://[::1]:8000/v1", None),
    ("", None),
]


@pytest.mark.parametrize(("host", "name"), HOSTS)
def test_a_host_implies_its_vendor(host: str, name: str | None) -> None:
    """The host itself and what is below it; never one that merely looks so."""
    found = of_host(host)

    assert (found.name if found else None) == name
    assert vendor_of(Deployment("p", "m", "openai", host, "m")).name == (name or "lenient")


def test_whose_row_a_deployment_obeys() -> None:
    """What the configuration says wins; vLLM's dialect is vLLM's; a name of tomorrow is nobody known."""
    row = Deployment("p", "m", "openai", "https://api.groq.com/openai/v1", "m")

    assert vendor_of(row).name == "groq"
    assert vendor_of(dataclasses.replace(row, vendor="strict")).name == "strict"
    assert vendor_of(dataclasses.replace(row, api_type="vllm", api_host="http://h")).name == "vllm"
    assert vendor_of(dataclasses.replace(row, vendor="of-tomorrow")) is LENIENT


def test_names_and_hosts_are_one_vendors_own() -> None:
    """No host stands in two rows, and none below another; presets that have a host are at the row of their name."""
    hosts = [host for vendor in VENDORS.values() for host in vendor.hosts]

    assert len(hosts) == len({*hosts})
    for preset in PRESETS.values():
        assert preset.name in VENDORS
        if preset.api_host and "127.0.0.1" not in preset.api_host:
            assert of_host(preset.api_host) is VENDORS[preset.name], preset


@pytest.mark.parametrize("name", VENDORS)
def test_a_row_is_sound(name: str) -> None:
    """What is refused is not known as well, new ids are in the grammar, and thinking that must be there may be."""
    vendor = VENDORS[name]

    assert not vendor.refuses & (vendor.params or frozenset())
    assert vendor.params is None or {"temperature", "tools", "stream"} <= vendor.params
    assert vendor.call_id is None or vendor.call_id.fullmatch("x" * vendor.call_length)
    assert bool(vendor.thoughts) or not vendor.must_think
    assert not vendor.strict or {*vendor.thoughts} <= vendor.fields
    assert all(ours not in (vendor.params or ()) for ours, _ in vendor.renames)
    assert vendor.title
    assert discover()["openai"].vendors == {*VENDORS}


def _fields(kind: Any) -> set[str]:
    return {*kind.__annotations__}


def test_the_parameters_are_those_of_the_newest_client() -> None:
    """A parameter that OpenAI adds is missed here, not by users."""
    known = _fields(completion_create_params.CompletionCreateParamsBase) - {"messages", "model"}

    assert known | {"stream"} == PARAMS
    assert COMMON < PARAMS


def test_the_fields_of_messages_are_those_of_the_newest_client() -> None:
    """The same for messages, parts and calls."""
    openai = VENDORS["openai"]
    assistant = _fields(chat.ChatCompletionAssistantMessageParam) - {"role", "content"}

    assert assistant == {"name", "tool_calls"} | openai.fields
    assert _fields(chat.ChatCompletionToolMessageParam) == {"role", "content", "tool_call_id"}
    for kind in (chat.ChatCompletionUserMessageParam, chat.ChatCompletionSystemMessageParam):
        assert _fields(kind) == {"role", "content", "name"}
    assert _fields(chat.ChatCompletionContentPartTextParam) == {"type", "text"} | openai.part_fields
    assert _fields(chat.ChatCompletionContentPartImageParam) == {"type", "image_url"} | openai.part_fields
    assert _fields(chat.ChatCompletionMessageFunctionToolCallParam) == {"id", "type", "function"}


def test_the_page_is_made_from_the_rows() -> None:
    """docs/vendors.md says what the rows say: `make vendors` writes it."""
    assert (Path(__file__).parents[3] / PAGE).read_text("utf-8") == page()
