"""The page about names and routing says what the code does: its fields, and each sample of a configuration."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from llm_proxy.live.config.catalog import Catalog
from llm_proxy.live.config.name_fields import NameRow
from tests.support.config_kit import load
from tests.support.gateway import RunningGateway
from tests.test_docs import rows

pytestmark = pytest.mark.one_python("pages and their samples are the same for every Python")

DOCS = Path(__file__).resolve().parent.parent / "docs"
SAMPLES = [
    (page, number, text)
    for page in ("routing.md", "configuration.md")
    for number, text in enumerate(
        re.findall(r"```json config\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    )
    if "api_type" in text or "$models" in text
]


def test_fields_of_a_name() -> None:
    """The table has every field of a row of ``$models``."""
    told = [re.findall(r"`(\w+)`", cells[0])[0] for cells in rows("routing.md", "## Names: `$models`")]

    assert told == list(NameRow.model_fields)


@pytest.mark.parametrize(("page", "number", "text"), SAMPLES)
def test_samples(page: str, number: int, text: str) -> None:
    """Each sample of a configuration is one that is accepted, and every alias and fallback in it leads somewhere."""
    files = dict.fromkeys(re.findall(r"\$\{file:(.*?)\}", text), b"key")
    config = load(text, env=dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "key"), files=files)
    catalog = Catalog.of(config.deployments, config.names)

    assert catalog.names
    for alias in config.names.aliases:
        assert catalog.resolve(alias.replace("*", "x")) is not None
    for policy in config.names.policies.values():
        assert all(catalog.resolve(item.model) for item in policy.fallbacks)


def test_the_first_sample() -> None:
    """What the page says of it is so."""
    text = next(text for page, number, text in SAMPLES if (page, number) == ("routing.md", 0))
    config = load(json.loads(text), env={"OPENAI_API_KEY": "key"})
    catalog = Catalog.of(config.deployments, config.names)

    for name, providers in {
        "llama3.2": {"ollama", "gpu-box"},
        "fast": {"ollama", "gpu-box"},
        "claude-sonnet": {"ollama", "gpu-box"},
        "gpt-4o": {"openai"},
        "gpu-box/llama3.2": {"gpu-box"},
    }.items():
        found = catalog.resolve(name)
        assert found is not None
        assert {row.provider for row in found.deployments} == providers
    assert catalog.resolve("mistral") is None


async def test_the_demo(tmp_path: Path) -> None:
    """What the page says to try comes out as the page says."""
    page = (DOCS / "routing.md").read_text("utf-8").partition("## Try it")[2]
    config = json.loads(re.findall(r"```json config\n(.*?)```", page, re.DOTALL)[0])
    asked = json.loads(re.findall(r"-d '(.*?)'", page, re.DOTALL)[0])
    attempts = re.findall(r"`X-LLM-Attempts: (.*?)`", page)[0]
    fallback = re.findall(r"`X-LLM-Fallback: (.*?)`", page)[0]
    body = {**asked["body"], "stream": False}
    async with RunningGateway(tmp_path, config) as proxy:
        told = (await proxy.request("POST", "/explain", asked)).json()
        assert (told["model"], told["resolved"]) == ("assistant", "chat")
        assert [row["provider"] for row in told["candidates"]] == ["near", "far", "broken"]
        pinned = await proxy.request("POST", "/chat", {**body, "model": "far/chat"})
        assert pinned.headers["x-llm-provider"] == "far"
        for name in ("near", "far"):
            config[name]["chat"]["active"] = False
        proxy.write_config(config)
        await proxy.service.reread()
        fallen = await proxy.request("POST", "/chat", body)

    assert fallen.status == 200
    assert fallen.headers["x-llm-fallback"] == fallback
    assert re.sub(r"\d+ms", "ms", fallen.headers["x-llm-attempts"]) == re.sub(r"\d+ms", "ms", attempts)
