"""Adapters are found, not listed."""

from __future__ import annotations

from pathlib import Path

import pytest

import providers
from providers.base import BaseProvider
from providers.discovery import discover

ADAPTER = """
from providers.openai.provider import OpenAIProvider

class {name}(OpenAIProvider):
    api_type = {api_type!r}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules belong to the package for the time of a test."""
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
    return tmp_path


def test_every_shipped_adapter() -> None:
    """By its name, one instance each; helpers and the base are none."""
    found = discover()

    assert {"openai", "vllm", "ollama", "anthropic", "gemini", "demo"} <= found.keys()
    assert all(isinstance(adapter, BaseProvider) for adapter in found.values())
    assert all(adapter.api_type == name for name, adapter in found.items())
    assert len({type(adapter) for adapter in found.values()}) == len(found)
    with pytest.raises(TypeError):
        found["x"] = found["openai"]  # type: ignore[index]


def test_usual_hosts() -> None:
    """As their own clients take them; a host of one's own has none."""
    hosts = {name: adapter.default_host for name, adapter in discover().items()}

    assert hosts["openai"] == "https://api.openai.com/v1"
    assert hosts["ollama"] == "http://127.0.0.1:11434"
    assert hosts["vllm"] is hosts["demo"] is None


def test_a_new_adapter_is_one_file(folder: Path) -> None:
    """It is found because it lies there; a class without a name of its own, and a private module, are not."""
    shipped = discover()
    (folder / "acme_for_a_test.py").write_text(ADAPTER.format(name="Acme", api_type="acme") + "    x = 1\n")
    (folder / "shared_for_a_test.py").write_text(ADAPTER.format(name="Shared", api_type=""))
    (folder / "_private_for_a_test.py").write_text("raise ImportError('private modules are not looked at')")

    found = discover()

    assert found.keys() - shipped.keys() == {"acme"}
    assert found["acme"].default_host == "https://api.openai.com/v1"
    assert type(found["openai"]).__module__ == "providers.openai.provider"


def test_two_adapters_of_one_name(folder: Path) -> None:
    """Which of them would serve must not depend on the order of files: it is an error."""
    (folder / "twin_for_a_test.py").write_text(ADAPTER.format(name="Twin", api_type="vllm"))

    with pytest.raises(RuntimeError, match="'vllm'"):
        discover()
