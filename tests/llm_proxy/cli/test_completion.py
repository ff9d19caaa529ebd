"""``llm-proxy completion``: real shells complete what the parsers know."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from llm_proxy import __main__ as program
from llm_proxy.__main__ import COMMANDS
from llm_proxy.cli.completion import script
from llm_proxy.faces.programs.table import PROGRAMS

BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(BASH is None, reason="there is no bash on this machine")
_ASK = """
{script}
while IFS= read -r line; do
  read -ra COMP_WORDS <<< "$line"
  case "$line" in *" ") COMP_WORDS+=("") ;; esac
  COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
  _llm_proxy
  echo "${{COMPREPLY[*]}}"
done
"""
TYPED = {
    "llm-proxy ch": ["check"],
    "llm-proxy ": [*(command.name for command in COMMANDS), "--help", "--version"],
    "llm-proxy check --ag": ["--against"],
    "llm-proxy check --models-config ": [],  # files, which bash completes by itself
    "llm-proxy import l": ["litellm", "llama-swap"],
    "llm-proxy import litellm ./conf": [],
    "llm-proxy client ": [*PROGRAMS, "--help", "--url", "--model", "--key", "--write"],
    "llm-proxy client codex --wr": ["--write"],
    "llm-proxy key ": ["new", "rotate", "list", "remove", "--help"],
    "llm-proxy key list --format ": ["table", "jsonl"],
    "llm-proxy key new --pri": ["--priority"],
    "llm-proxy key new --priority ": ["interactive", "default", "bulk"],
    "llm-proxy usage --format c": ["csv"],
    "llm-proxy serve --por": ["--port"],
    "llm-proxy completion ": ["bash", "zsh", "fish", "--help"],
}


def test_in_a_real_bash() -> None:
    """What it offers for what was typed, in order."""
    asked = subprocess.run(
        ("bash", "--norc", "--noprofile", "-c", _ASK.format(script=script("bash", COMMANDS))),
        input="\n".join(TYPED) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stderr == ""
    assert dict(zip(TYPED, map(str.split, asked.stdout.splitlines()), strict=True)) == TYPED


@pytest.mark.parametrize(
    ("shell", "start"),
    [
        (("bash", "--norc", "--noprofile", "-i"), ""),
        (("zsh", "-f", "-i"), "autoload -U compinit; compinit -u -D; "),
    ],
    ids=["bash", "zsh"],
)
def test_the_tab_key(shell: tuple[str, ...], start: str, tmp_path: Path) -> None:
    """Somebody at a terminal presses it, and the word is whole."""
    if shutil.which(shell[0]) is None:
        pytest.skip(f"there is no {shell[0]} on this machine")
    path = tmp_path / "completion"
    path.write_text(script(shell[0], COMMANDS))
    here, there = pty.openpty()
    env = {"PATH": os.environ["PATH"], "TERM": "dumb", "PS1": "$ ", "HOME": str(tmp_path)}
    process = subprocess.Popen(
        shell, stdin=there, stdout=there, stderr=there, env=env, start_new_session=True
    )
    os.close(there)
    try:
        os.write(here, f"{start}source {path}; echo rea''dy\n".encode())
        _until(here, r"ready")
        os.write(here, b"llm-proxy cli\t")
        _until(here, r"llm-proxy client ")
        os.write(here, b"cod\t--wr\t")
        _until(here, r"codex\W+--write\W")
    finally:
        process.kill()
        process.wait()
        os.close(here)


def _until(terminal: int, pattern: str) -> None:
    seen, end = "", time.monotonic() + 20
    while not re.search(pattern, seen):
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, seen
        seen += os.read(terminal, 65536).decode(errors="replace")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_takes_it(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The script that is printed is sound in the eyes of its shell."""
    assert program.main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert all(command.name in text for command in COMMANDS)
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} on this machine")
    judged = subprocess.run((shell, "-n"), input=text, capture_output=True, text=True, check=False)
    assert (judged.returncode, judged.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish on this machine")
def test_in_a_real_fish() -> None:
    """It completes a command, a program and a flag's words."""
    text = script("fish", COMMANDS)
    for typed, wanted in (
        ("llm-proxy che", "check"),
        ("llm-proxy client cod", "codex"),
        ("llm-proxy key ne", "new"),
    ):
        asked = subprocess.run(
            ("fish", "--no-config", "-c", f"{text}\ncomplete -C '{typed}'"),
            capture_output=True,
            text=True,
            check=True,
        )
        assert [line.split("\t")[0] for line in asked.stdout.splitlines()] == [wanted]
