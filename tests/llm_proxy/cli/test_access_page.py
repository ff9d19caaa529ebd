"""The page about access: every command of it works, in its order, and every example is one that loads."""

from __future__ import annotations

import json
import re
import shlex
import time
from pathlib import Path

import pytest

from llm_proxy import __main__ as program
from llm_proxy.live.access import ledger_tables as tables
from llm_proxy.live.access.ledger import Ledger
from llm_proxy.live.access.loader import load_access
from llm_proxy.live.access.secrets import digest_of, hash_text, mistyped
from tests.support.world import put

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "access.md").read_text("utf-8")
#: Without a gateway that runs: what was used is read from the ledger itself.
COMMANDS = [re.sub(r"--from \S+ ", "", line) for line in re.findall(r"^llm-proxy (.+)$", PAGE, re.MULTILINE)]
EXAMPLES = [
    json.loads(text.replace("sha256:...", "HASH"))
    for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
]


def test_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From nothing to a month's bill; a key is printed once, and stands in no file."""
    put(tmp_path / "models-config.json", json.dumps({"demo": {"demo": {}}}))
    put(tmp_path / "prompts" / "en" / "a.prompt", "one")
    for name, value in (
        ("ACCESS", "access.json"),
        ("STATE", "state"),
        ("MODELS_CONFIG", "models-config.json"),
        ("PROMPTS_DIR", "prompts"),
    ):
        monkeypatch.setenv(f"LLM_PROXY_API_{name}", str(tmp_path / value))
    ledger = Ledger(tmp_path / "state")
    facts = {"time": time.time(), "key": "alice-laptop", "model": "gpt-4o", "micro_usd": 1_250_000}
    ledger.add(tables.row_of(facts))
    ledger.close()
    ledger = Ledger(tmp_path / "state")
    ledger.ask(tables.last_used)
    ledger.close()
    keys = []
    assert len(COMMANDS) >= 8
    for command in COMMANDS:
        words = shlex.split(command)
        assert program.main(words) == 0, command
        out = capsys.readouterr().out
        if words[0] == "key" and words[1] in ("new", "rotate"):
            keys.append(out.strip())
            assert not mistyped(keys[-1])
        if words[:2] == ["key", "list"]:
            assert "alice-laptop" in out
        if words[0] == "usage":
            assert "1.25" in out or "1250000" in out
    text = (tmp_path / "access.json").read_text()
    assert list(json.loads(text)["keys"]) == ["alice-laptop"]
    hashes = json.loads(text)["keys"]["alice-laptop"]["hash"]
    assert hashes == [hash_text(digest_of(keys[-1])), hash_text(digest_of(keys[0]))]
    written = "".join(path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file())
    assert not any(key in written for key in keys)


def test_every_example() -> None:
    """Those of whole files, with hashes put in."""
    for number, example in enumerate(EXAMPLES):
        for at, key in enumerate(example.get("keys", {}).values()):
            key["hash"] = hash_text(digest_of(f"{number} {at}"))
        load_access(json.dumps(example).encode(), "access.json")


@pytest.mark.parametrize("document", ['{"keys": {"alice": "x"}}', '{"keys": {"alice": {}}}', "[]", "{"])
def test_a_file_that_is_wrong_is_not_rotated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], document: str
) -> None:
    """It is judged, also where nothing would be written; no key is printed."""
    path = tmp_path / "access.json"
    path.write_text(document)

    assert program.main(["key", "rotate", "alice", "--access", str(path)]) == 1

    told = capsys.readouterr()
    assert not told.out
    assert told.err.startswith("access.json:")
