"""``llm-proxy init``: what runs on this machine, written down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_proxy.__main__ import main
from llm_proxy.live.config.loader import load_config
from llm_proxy.live.state.registry import Sources, api_types
from providers.discovery import discover
from tests.support.known_servers import OLLAMA, KnownServerPeer
from tests.support.loops import own_loop

SECRET = "sk-planted-0123456789"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, and nothing to find."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLM_PROXY_API_DISCOVER", "0")
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", SECRET)
    return tmp_path


def loads(text: str) -> set[tuple[str, str]]:
    """The providers and models that the loader reads from it."""
    types = api_types(Sources(Path("x"), Path("y"), discover(), {}))
    found = load_config(
        text.encode(),
        source="f",
        api_types=types,
        env={"OPENAI_API_KEY": "x"},
        read_file=lambda path: b"",
        max_total=None,
    )
    assert not found.warnings
    return {(row.provider, row.name) for row in found.deployments}


def test_servers_are_written_with_comments(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that runs is written with its address and models, said why, as a file that the loader takes."""
    import asyncio

    from llm_proxy.cli.init import _look
    from llm_proxy.service.discovery.discovery import Discovery

    with own_loop() as loop:

        async def look(discovery: Discovery) -> None:
            async with KnownServerPeer(OLLAMA) as peer:
                discovery._ports = (peer.port,)
                for _ in range(20):  # a busy machine may be slow to answer
                    await _look(discovery)
                    if any(one.name for one in discovery.known.values()):
                        return

        monkeypatch.setattr("llm_proxy.cli.init._look", look)
        monkeypatch.setattr(asyncio, "run", loop.asyncio_loop.run_until_complete)  # type: ignore[attr-defined]
        monkeypatch.setenv("LLM_PROXY_API_DISCOVER", "1")

        assert main(["init"]) == 0
    text = (home / "models-config.json").read_text()
    document = json.loads(text)

    assert loads(text) == {("ollama", "qwen3:8b")}
    assert document["ollama"]["$comment"].startswith("Ollama at 127.0.0.1:")
    assert "written: models-config.json" in capsys.readouterr().err


def test_keys_are_names(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key in the environment is a reference to it, and only where that was asked for; else a comment tells of it."""
    assert main(["init", "--output", "-"]) == 0
    without = capsys.readouterr()
    assert main(["init", "--output", "-", "--with-cloud"]) == 0
    with_cloud = capsys.readouterr()

    assert loads(without.out) == {("demo", "demo")}
    assert "OPENAI_API_KEY is set, and not used here" in json.loads(without.out)["$comment openai"]
    assert loads(with_cloud.out) == {("openai", "*")}
    assert json.loads(with_cloud.out)["openai"]["defaults"] == {"api_token": "${OPENAI_API_KEY}"}
    assert "deployments of your own" in json.loads(with_cloud.out)["$comment azure"]
    for text in (*without, *with_cloud):
        assert SECRET not in text
    assert list(home.iterdir()) == []


def test_what_exists_is_not_written_over(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is there stays as it is: one sentence, exit status 1. So does a place that cannot be written."""
    (home / "models-config.json").write_text("mine")

    assert main(["init"]) == 1
    assert "models-config.json exists, and is not written over" in capsys.readouterr().err
    assert main(["init", "--output", "other.json"]) == 0
    assert main(["init", "--output", "nowhere/other.json"]) == 1
    assert "cannot be written: No such file or directory" in capsys.readouterr().err
    assert (home / "models-config.json").read_text() == "mine"


def test_malformed_settings(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong setting is one sentence and exit status 2."""
    monkeypatch.setenv("LLM_PROXY_API_DISCOVER", "maybe")

    assert main(["init"]) == 2
    assert "LLM_PROXY_API_DISCOVER: must be 1, 0, or at most 100 ports" in capsys.readouterr().err
