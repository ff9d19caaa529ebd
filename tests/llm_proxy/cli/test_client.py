"""``llm-proxy client``: what it prints, what it writes, and that its lines of code ask a real gateway."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.cli import client as command
from llm_proxy.cli.client import client
from llm_proxy.faces.programs.table import PROGRAMS, told
from llm_proxy.faces.programs.values import Gateway
from tests.support.gateway import RunningGateway

URL = "http://127.0.0.1:8123"
ECHO = "[demo model: no language model is behind this answer]"
WRITTEN = [name for name, program in PROGRAMS.items() if program.files]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A HOME of the test's own, and nothing else in the environment."""
    monkeypatch.setattr(command, "environment", lambda: {"HOME": str(tmp_path)})
    return tmp_path


def files(home: Path) -> dict[str, bytes]:
    """All files below it."""
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("home")
def test_all_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name every program is listed, within 80 columns."""
    assert client({}) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in PROGRAMS)
    assert max(map(len, out.splitlines())) < 80


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", PROGRAMS)
def test_printed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each part as it is, set in, the way to start the program, and words no wider than a terminal."""
    assert client({"name": name, "url": URL + "/v1/", "model": "smollm2"}) == 0
    out = capsys.readouterr().out
    facts = told(PROGRAMS[name], Gateway(URL, "smollm2"))
    for part in facts["parts"]:
        assert all(f"  {line}".rstrip() in out.splitlines() for line in part["text"].splitlines())
    assert facts["start"] in out
    assert (f"llm-proxy client {name} --write" in out) == PROGRAMS[name].files
    assert [line for line in out.splitlines() if len(line) > 79 and not line.startswith("  ")] == []


@pytest.mark.parametrize("name", WRITTEN)
def test_written_once(name: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """New files are the owner's alone; the second time nothing changes, and there is no backup; no key is printed."""
    given = {"name": name, "url": URL, "model": "smollm2", "key": "sk-planted-1234", "write": True}
    assert client(given) == 0
    first = files(home)
    assert first
    assert all(path.stat().st_mode & 0o077 == 0 for path in home.rglob("*") if path.is_file())
    assert client(given) == 0
    assert files(home) == first
    out, err = capsys.readouterr()
    assert "written: " in out
    assert "unchanged: " in out
    assert "sk-planted-1234" not in out + err


def test_merged_with_a_backup(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What stood there is kept beside the file, with its mode; its comments and its key stay."""
    path = home / ".claude" / "settings.json"
    path.parent.mkdir()
    before = '{\n  // mine\n  "env": {"ANTHROPIC_AUTH_TOKEN": "sk-planted-1234"}\n}\n'
    path.write_text(before)
    path.chmod(0o640)
    assert client({"name": "claude-code", "url": URL, "model": "m", "write": True}) == 0
    (backup,) = path.parent.glob("settings.json.bak-*")
    assert backup.read_text() == before
    after = path.read_text()
    assert "// mine" in after
    assert "sk-planted-1234" in after
    assert path.stat().st_mode & 0o777 == backup.stat().st_mode & 0o777 == 0o640
    out, err = capsys.readouterr()
    assert backup.name in out
    assert "sk-planted-1234" not in out + err


def test_nothing_is_written_where_one_file_is_broken(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1, one line, and no file of the program has changed."""
    (home / ".gemini").mkdir()
    (home / ".gemini" / "settings.json").write_text('{"broken": ')
    before = files(home)
    assert client({"name": "gemini-cli", "url": URL, "model": "m", "write": True}) == 1
    assert files(home) == before
    assert "mend it first" in capsys.readouterr().err


def test_the_variable_that_names_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CODEX_HOME and its like lead to the file; a link stays a link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "config.toml").write_text("# mine\n")
    (tmp_path / "codex").mkdir()
    link = tmp_path / "codex" / "config.toml"
    link.symlink_to(tmp_path / "real" / "config.toml")
    monkeypatch.setattr(command, "environment", lambda: {"HOME": "/nowhere", "CODEX_HOME": str(link.parent)})
    assert client({"name": "codex", "url": URL, "model": "m", "write": True}) == 0
    assert link.is_symlink()
    assert "[model_providers.llm-proxy]" in (tmp_path / "real" / "config.toml").read_text()


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        ({"name": "claud-code"}, 2, 'did you mean "claude-code"?'),
        ({"name": "copilot-cli", "url": URL, "model": "m", "write": True}, 1, "has no file for this"),
        ({"name": "codex", "url": "http://127.0.0.1:9", "write": True}, 2, "say --url and --model"),
        ({"name": "codex", "url": "ftp://x", "write": True}, 2, "give the address"),
    ],
)
def test_what_cannot_be(
    given: dict[str, Any], status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says why."""
    assert client(given) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


@pytest.mark.usefixtures("home")
def test_without_a_gateway(capsys: pytest.CaptureFixture[str]) -> None:
    """It still prints, and says what to put in."""
    assert client({"name": "codex", "url": "http://127.0.0.1:9"}) == 0
    assert "put the name of a model in the\nplace of MODEL" in capsys.readouterr().out


@pytest.mark.timeout(seconds=120)
async def test_the_gateway_that_runs(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address is that of the settings, the model the first that it lists; the lines of code for Python and for a shell are run, and each
    library gets the model's answer through its own dialect."""
    async with RunningGateway(home, {"demo": {"demo": {}, "other": {"model": "demo"}}}) as gateway:
        port = gateway.origin.rpartition(":")[2]
        monkeypatch.setattr(command, "environment", lambda: {"LLM_PROXY_API_PORT": port, "HOME": str(home)})
        assert await asyncio.to_thread(client, {"name": "curl"}) == 0
        out = capsys.readouterr().out
        assert f"curl at {gateway.origin}, model demo (chat)" in out
        assert "Other models there: other." in out

        here = Gateway(gateway.origin, "demo")
        codes = {
            name: part["text"]
            for name in PROGRAMS
            for part in told(PROGRAMS[name], here)["parts"]
            if part["language"] == "python" or name == "curl"
        }
        assert len(codes) == 6
        python = "\nprint()\n".join(text for name, text in codes.items() if name != "curl")
        assert (await _said(sys.executable, "-c", python)).count(ECHO) == 5
        assert ECHO in "".join(re.findall(r'"content":"([^"]*)"', await _said("bash", "-c", codes["curl"])))


async def _said(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return out.decode()
