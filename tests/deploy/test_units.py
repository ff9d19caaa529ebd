"""The units of systemd, judged by systemd's own tools, and the recipe of the image by hadolint."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_python("what is judged are files, by other people's programs")

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = DEPLOY / "systemd"
analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")


def said(*command: str, folder: Path = DEPLOY) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a program that is there."""
    for unit in UNITS.iterdir():
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
    return tmp_path


@analyze
def test_systemd_knows_every_line(units: Path) -> None:
    """Not a word about unknown directives or values."""
    assert (
        said("systemd-analyze", "verify", *sorted(f"./{unit.name}" for unit in units.iterdir()), folder=units)
        == ""
    )


@analyze
def test_the_service_can_do_little(units: Path) -> None:
    """An exposure of at most 2.0 of 10."""
    told = said("systemd-analyze", "security", "--offline=true", "./llm-proxy-api.service", folder=units)
    found = re.search(r"exposure level for \S+ ([\d.]+)", told)

    assert found is not None
    assert float(found[1]) <= 2.0


@pytest.mark.skipif(
    shutil.which("hadolint") is None, reason="hadolint is not here: make test-deploy brings it"
)
def test_the_recipe_of_the_image() -> None:
    """hadolint has nothing to say."""
    assert said("hadolint", "Dockerfile") == ""
