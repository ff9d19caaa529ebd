"""The page about coming from another gateway: its files are imported by its commands, and its results are what comes out."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from pathlib import Path

import pytest

from llm_proxy import __main__ as program
from llm_proxy.__main__ import COMMANDS
from llm_proxy.cli import importer
from llm_proxy.cli.command import parser_of
from tests.support.ollama_double import OllamaDouble

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "migrate.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)[^\n]*\n(.*?)```", PAGE, re.DOTALL)
KEYS = ("OPENAI_API_KEY", "AZURE_API_KEY", "ANTHROPIC_API_KEY")


async def test_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Top to bottom in an empty folder; the commands at the end are ones that there are, and the files that they name pass check."""
    monkeypatch.chdir(tmp_path)
    for name in KEYS:
        monkeypatch.setenv(name, "k")
    written, ran = "", 0
    async with OllamaDouble() as ollama:
        monkeypatch.setattr(importer, "environment", lambda: {"OLLAMA_HOST": ollama.url})
        for language, body in BLOCKS:
            if language == "yaml":
                (tmp_path / body.splitlines()[0].removeprefix("# ")).write_text(body)
            elif language == "json":
                assert json.loads((tmp_path / written).read_text()) == json.loads(body), written
            else:
                for line in body.splitlines():
                    words = shlex.split(line)[1:]
                    ran += 1
                    if words[0] in ("serve", "doctor", "client"):
                        parser_of(COMMANDS, "")[0].parse_args(words)
                        continue
                    assert await asyncio.to_thread(program.main, words) == 0, line
                    written = (
                        words[words.index("--output") + 1] if "--output" in words else "models-config.json"
                    )
    assert ran == 7
    assert "master" in json.loads((tmp_path / "access.json").read_text())["keys"]
    assert "my-master-key" not in capsys.readouterr().out
