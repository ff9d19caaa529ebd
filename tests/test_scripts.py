"""run-rest-api.sh and the environment that it makes, walked in a copy of the scripts beside a small stand-in for
the service. requirements.txt is empty there, so the walk needs no network."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = [
    "run-rest-api.sh",
    "run-tests.sh",
    "scripts/test-others.sh",
    "scripts/install-all.sh",
    "scripts/newcomer.sh",
    "scripts/test-console.sh",
    "scripts/test-deploy.sh",
    ".ci/run",
]

#: Stands in for the service: says what it was given and where its modules come from.
SERVICE = """
import json, os, sys
import handlers
print(json.dumps({
    "arguments": sys.argv[1:],
    "folder": os.getcwd(),
    "handlers": handlers.__file__,
    "minimum": os.environ["LLM_PROXY_API_MINIMUM"],
    "prefix": sys.prefix,
}))
"""


class Checkout:
    """A copy of the scripts in a folder whose name has a space, started through two links from elsewhere."""

    def __init__(self, base: Path) -> None:
        self.home = base / "a checkout"
        self.elsewhere = base / "elsewhere"
        self.environment = self.home / ".venv"
        self.requirements = self.home / "requirements.txt"
        shutil.copytree(ROOT / "scripts", self.home / "scripts")
        shutil.copy(ROOT / "run-rest-api.sh", self.home)
        self.requirements.write_text("")
        for name, text in [
            ("llm_proxy/__init__", ""),
            ("llm_proxy/rest_api", SERVICE),
            ("handlers/__init__", ""),
        ]:
            (self.home / name).parent.mkdir(exist_ok=True)
            (self.home / f"{name}.py").write_text(text)
        self.elsewhere.mkdir()
        (self.elsewhere / "handlers.py").write_text(
            "raise SystemExit('the foreign handlers.py was imported')"
        )
        (self.elsewhere / "link").symlink_to("../a checkout/run-rest-api.sh")
        (self.elsewhere / "start").symlink_to("link")

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start the service from elsewhere, in an environment that says nothing of ours but ``variables``."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("LLM_PROXY", "PYTHON"))} | variables
        return subprocess.Popen(
            ["./start", *arguments],
            cwd=self.elsewhere,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        """Start, wait; (exit status, standard output, standard error)."""
        return ended(self.start(*arguments, **variables))


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def said(result: tuple[int, str, str]) -> dict[str, Any]:
    """What the stand-in printed, after an exit with 0."""
    status, out, err = result

    assert 0 == status, err
    answer: dict[str, Any] = json.loads(out)
    return answer


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """One checkout for the tests below: each leaves it with a working environment."""
    return Checkout(tmp_path_factory.mktemp("scripts"))


@pytest.fixture(scope="module")
def first(checkout: Checkout) -> list[tuple[int, str, str]]:
    """Two first starts at the same moment."""
    return [ended(process) for process in [checkout.start("--port", "0"), checkout.start("an argument", "")]]


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_can_be_run(script: str) -> None:
    """Every script parses, has its run bit and begins with the bash of the PATH."""
    path = ROOT / script

    subprocess.run(["bash", "-n", path], check=True)
    assert os.access(path, os.X_OK)
    assert path.read_text().startswith("#!/usr/bin/env bash\n")


def test_start_from_elsewhere(checkout: Checkout, first: list[tuple[int, str, str]]) -> None:
    """Started through links from a foreign folder it keeps that folder, the arguments and its own modules."""
    answer = said(first[1])

    assert ["an argument", ""] == answer["arguments"]
    assert str(checkout.elsewhere) == answer["folder"]
    assert str(checkout.home / "handlers/__init__.py") == answer["handlers"]
    assert str(checkout.environment) == answer["prefix"]


def test_two_first_starts_make_one_environment(first: list[tuple[int, str, str]]) -> None:
    """Of two first starts at once one makes the environment, the other waits for it, and both serve."""
    assert ["--port", "0"] == said(first[0])["arguments"]
    assert 1 == sum(err.count("making") for _, _, err in first)
    assert 1 == sum(err.count("installing requirements.txt") for _, _, err in first)


@pytest.mark.usefixtures("first")
def test_next_start_installs_nothing(checkout: Checkout) -> None:
    """A start with an unchanged requirements.txt says nothing and runs no installer."""
    pip = next(checkout.environment.glob("lib/python3*/site-packages/pip"))
    pip.rename(pip.with_name("pip-away"))
    try:
        status, _, err = checkout.run()
    finally:
        pip.with_name("pip-away").rename(pip)

    assert (0, "") == (status, err)


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize(("given", "seen"), [({}, "1"), ({"LLM_PROXY_API_MINIMUM": "0"}, "0")])
def test_acknowledgement(checkout: Checkout, given: dict[str, str], seen: str) -> None:
    """LLM_PROXY_API_MINIMUM is 1 unless the caller has set it."""
    assert seen == said(checkout.run(**given))["minimum"]


@pytest.mark.usefixtures("first")
def test_changed_requirements_are_installed_once(checkout: Checkout) -> None:
    """A changed requirements.txt is installed at the next start and not again at the one after it."""
    checkout.requirements.write_text("# changed\n")
    changed, again = checkout.run(), checkout.run()

    assert "llm-proxy-api: installing requirements.txt\n" == changed[2]
    assert (0, "") == (again[0], again[2])


@pytest.mark.usefixtures("first")
def test_failed_installation_is_tried_again(checkout: Checkout) -> None:
    """An installation that fails ends the start with 1; the next start tries again, and mended files work."""
    checkout.requirements.write_text("nothing-like-it @ file:///nowhere/nothing.whl\n")
    failed, failed_again = checkout.run(), checkout.run()
    checkout.requirements.write_text("# mended\n")

    assert [(1, ""), (1, "")] == [failed[:2], failed_again[:2]]
    assert "the installation failed" in failed_again[2]
    assert 0 == checkout.run()[0]


@pytest.mark.usefixtures("first")
def test_interrupted_environment_is_made_anew(checkout: Checkout) -> None:
    """An environment whose making was interrupted is thrown away and made again."""
    (checkout.environment / "unfinished").touch()
    (checkout.environment / "requirements.txt").unlink()  # the copy that is written last
    left_over = checkout.environment / "left-over"
    left_over.touch()
    status, _, err = checkout.run()

    assert (0, 1) == (status, err.count("making"))
    assert not left_over.exists()
    assert "" == checkout.run()[2]


def test_foreign_environment_is_not_removed(tmp_path: Path) -> None:
    """A .venv that works but has no pip is somebody's own: one line says what to do, nothing is lost."""
    checkout = Checkout(tmp_path)
    python = checkout.environment / "bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    status, out, err = checkout.run()

    assert (1, "") == (status, out)
    assert re.fullmatch(r"llm-proxy-api: .*/\.venv has no pip, .* remove it, and it will be made\n", err)
    assert python.exists()


def test_a_checkout_that_cannot_be_written(
    checkout: Checkout, first: list[tuple[int, str, str]], tmp_path: Path
) -> None:
    """One sentence that says why, and what to do; with an environment elsewhere it serves."""
    (tmp_path / "file").touch()
    status, _, err = checkout.run(LLM_PROXY_VENV=str(tmp_path / "file" / "venv"))
    elsewhere = said(checkout.run(LLM_PROXY_VENV=str(checkout.home / ".venv")))

    assert status == 1
    assert err.splitlines()[-1].startswith(
        f"llm-proxy-api: cannot make {tmp_path / 'file' / 'venv'}: Not a directory"
    )
    assert "LLM_PROXY_VENV" in err
    assert "Traceback" not in err
    assert elsewhere


def test_line_ends_of_scripts_do_not_depend_on_the_checkout() -> None:
    """Whatever Git is told on the machine: bash reads a carriage return as part of a word."""
    for script in SCRIPTS:
        asked = subprocess.run(
            ["git", "check-attr", "eol", "--", script], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if asked.returncode:
            pytest.skip("not a Git checkout")
        assert asked.stdout.endswith("eol: lf\n"), script


def test_no_python(tmp_path: Path) -> None:
    """Without a Python that will do, one line says what is needed."""
    checkout = Checkout(tmp_path)
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ["bash", "cmp", "dirname", "readlink"]:
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    status, out, err = checkout.run(PATH=str(tools), HOME=str(tmp_path), PYENV_ROOT=str(tmp_path))

    assert (1, "") == (status, out)
    assert re.fullmatch(r"llm-proxy-api: Python 3\.11 or newer is needed, .*\n", err)
