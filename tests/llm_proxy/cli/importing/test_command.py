"""``llm-proxy import``: what it writes passes ``llm-proxy check``, what exists stays, and no key is shown."""

from __future__ import annotations

import asyncio
import io
import json
import re
import stat
import sys
from pathlib import Path

import pytest

from llm_proxy import __main__ as program
from llm_proxy.cli import importer
from tests.support.ollama_double import OllamaDouble

LITELLM = """
model_list:
  - {model_name: chat, litellm_params: {model: gpt-4o, api_key: sk-pl4nted-key-1}}
general_settings: {master_key: sk-pl4nted-master}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with a configuration of LiteLLM."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(LITELLM)
    return tmp_path


def test_written_and_checked(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both files are the owner's alone; the lines that it prints at the end work, once what it names is set; a second time it refuses."""
    assert program.main(["import", "litellm", "config.yaml"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    files = [here / "models-config.json", here / "access.json"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600, 0o600]
    assert "pl4nted" not in out + "".join(path.read_text() for path in files)
    (check,) = re.findall(r"^  llm-proxy (check .*)$", out, re.MULTILINE)
    assert program.main(check.split()) == 1
    assert "OPENAI_API_KEY is not set" in capsys.readouterr().err
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert program.main(check.split()) == 0
    assert "1 keys" in capsys.readouterr().out
    before = [path.read_bytes() for path in files]
    assert program.main(["import", "litellm", "config.yaml"]) == 1
    assert "models-config.json: exists already" in capsys.readouterr().err
    files[0].unlink()
    assert program.main(["import", "litellm", "config.yaml"]) == 1
    assert "access.json: exists already" in capsys.readouterr().err
    assert not files[0].exists()
    assert files[1].read_bytes() == before[1]


@pytest.mark.usefixtures("here")
def test_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``--output -`` nothing is written, and the report goes to standard error; ``-`` is standard input."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("models: {a: {cmd: x}}\n"))
    assert program.main(["import", "llama-swap", "-", "--output", "-", "--at", "http://127.0.0.1:9292"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["llama-swap"]["a"] == {}
    assert "Changed (1):" in err
    assert [path.name for path in Path.cwd().iterdir()] == ["config.yaml"]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["litellm"], "say which file: llm-proxy import litellm config.yaml"),
        (["litellm", "nowhere.yaml"], "nowhere.yaml: No such file"),
        (["opencode", "config.yaml"], "config.yaml: is not JSON"),
        (["ollama", "http://127.0.0.1:9"], "no Ollama answers at http://127.0.0.1:9"),
        (["open-webui", "empty.json"], "empty.json: is no configuration of Open WebUI"),
        (["continue", "none.yaml"], "no model of it can be served"),
        (["continue", "latin.yaml"], "latin.yaml: is not UTF-8"),
    ],
)
def test_refused(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1, why in the last line, and nothing is written."""
    Path("empty.json").write_text("{}")
    Path("none.yaml").write_text("models: [{name: a, provider: bedrock, model: b}]")
    Path("latin.yaml").write_bytes(b"name: \xff")
    assert program.main(["import", *arguments]) == 1
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert not Path("models-config.json").exists()


@pytest.mark.usefixtures("here")
def test_without_pyyaml(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install; JSON needs nothing."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert program.main(["import", "litellm", "config.yaml"]) == 1
    assert "pip install 'llm-proxy-api[import]'" in capsys.readouterr().err
    Path("config.json").write_text(
        '{"model_list": [{"model_name": "a", "litellm_params": {"model": "gpt-4o"}}]}'
    )
    assert program.main(["import", "litellm", "config.json"]) == 0


async def test_an_ollama_that_runs(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its list is asked for, at the address that is given or at OLLAMA_HOST."""
    async with OllamaDouble() as ollama:
        assert await asyncio.to_thread(program.main, ["import", "ollama", ollama.url]) == 0
        first = json.loads((here / "models-config.json").read_text())
        monkeypatch.setattr(
            importer, "environment", lambda: {"OLLAMA_HOST": ollama.url.removeprefix("http://")}
        )
        assert await asyncio.to_thread(program.main, ["import", "ollama", "--output", "other.json"]) == 0
    assert first["ollama"]["defaults"] == {"api_host": ollama.url}
    assert len(first["ollama"]) > 1
    assert json.loads((here / "other.json").read_text())["ollama"] == first["ollama"]
