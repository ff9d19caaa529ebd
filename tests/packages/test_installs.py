"""What ``make zipapp`` has built, installed as people do, and run. ``make test-packages`` brings the tools."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from llm_proxy import __version__

DIST = Path(__file__).parents[2] / "dist"
PYTHONS = os.environ.get("LLM_PROXY_TEST_PYTHONS", "").split()
INSTALLERS = Path(os.environ.get("LLM_PROXY_TEST_INSTALLERS", "/nonexistent"))
WHEEL, SDIST = (
    DIST / f"llm_proxy_api-{__version__}-py3-none-any.whl",
    DIST / f"llm_proxy_api-{__version__}.tar.gz",
)
pytestmark = pytest.mark.skipif(not PYTHONS, reason="make test-packages builds, and brings the tools")
#: An installation on a busy machine without a cache.
PATIENCE = 300.0


def environment(**more: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LLM_PROXY", "PYTHON", "VIRTUAL_ENV"))
    }
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **more}


def run(*command: str | Path, **more: str) -> str:
    """What it prints; its end must be a good one."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, env=environment(**more), capture_output=True, text=True, timeout=PATIENCE, check=False
    )

    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def serving(folder: Path, *command: str | Path) -> Iterator[str]:
    """The address below which the program answers, started in an empty folder."""
    folder.mkdir()
    env = environment(LLM_PROXY_API_MINIMUM="1", LLM_PROXY_API_LOG_FORMAT="json", LLM_PROXY_API_DISCOVER="0")
    words = [*map(str, command), "serve", "--port", "0"]
    with subprocess.Popen(words, cwd=folder, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            lines = []
            for line in process.stderr:
                lines.append(line)
                if '"listening"' in line:
                    yield json.loads(line)["url"]
                    break
            else:
                pytest.fail("it ended before it listened: " + "".join(lines))
            process.send_signal(signal.SIGTERM)
            process.stderr.read()
            assert process.wait(60) == 0
        finally:
            process.kill()


def works(folder: Path, *command: str | Path) -> None:
    """It names its version, alone it shows what there is, and the shipped model streams a whole answer."""
    assert run(*command, "--version").strip() == f"llm-proxy-api {__version__}"
    assert "serve" in run(*command)
    body = json.dumps(
        {"model": "demo", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    ).encode()
    with serving(folder, *command) as url:
        request = urllib.request.Request(f"{url}/chat", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.read().endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("python", PYTHONS)
def test_pip(python: str, tmp_path: Path) -> None:
    """The wheel into an environment of its own, on each Python, with nothing left to wish for; and it is gone without a trace."""
    home = tmp_path / "venv"
    run(python, "-m", "venv", home)
    run(home / "bin" / "pip", "install", "-q", WHEEL)
    run(home / "bin" / "pip", "check")
    works(tmp_path / "empty", home / "bin" / "llm-proxy")
    run(home / "bin" / "pip", "uninstall", "-q", "-y", "llm-proxy-api")

    assert not [path for path in home.rglob("*llm[-_]proxy*") if path.is_file()]


def test_pip_from_the_sources(tmp_path: Path) -> None:
    """The sdist, of which pip makes the wheel itself."""
    home = tmp_path / "venv"
    run(PYTHONS[-1], "-m", "venv", home)
    run(home / "bin" / "pip", "install", "-q", SDIST)
    works(tmp_path / "empty", home / "bin" / "llm-proxy")


def test_pipx(tmp_path: Path) -> None:
    """As a program of its own, and away again."""
    places = {
        "PIPX_HOME": str(tmp_path / "home"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
        "PIPX_MAN_DIR": str(tmp_path / "man"),
    }
    run(INSTALLERS / "pipx", "install", "--python", PYTHONS[0], WHEEL, **places)
    works(tmp_path / "empty", tmp_path / "bin" / "llm-proxy")
    run(INSTALLERS / "pipx", "uninstall", "llm-proxy-api", **places)

    assert not (tmp_path / "bin" / "llm-proxy").exists()


def test_uv(tmp_path: Path) -> None:
    """As a tool, and from the sdist without an installation (``uvx``)."""
    places = {
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
        "UV_PYTHON_DOWNLOADS": "never",
    }
    run(INSTALLERS / "uv", "tool", "install", "-q", "--python", PYTHONS[-1], WHEEL, **places)
    works(tmp_path / "empty", tmp_path / "bin" / "llm-proxy")
    version = run(
        INSTALLERS / "uvx", "--python", PYTHONS[-1], "--from", SDIST, "llm-proxy", "--version", **places
    )

    assert version.strip() == f"llm-proxy-api {__version__}"


def test_the_single_file(tmp_path: Path) -> None:
    """It runs by itself, from any folder, and shows and serves what an installation does."""
    (file,) = DIST.glob("*.pyz")
    bin_folder = str(Path(sys.executable).resolve().parent)
    os.environ["PATH"] = f"{bin_folder}:{os.environ['PATH']}"
    os.environ["SHIV_ROOT"] = str(tmp_path / "unpacked")
    works(tmp_path / "empty", file)


def test_the_bill_of_materials() -> None:
    """It names the program with the hash of its wheel, every pinned package that an installation has with version, licence and place in
    the tree, and what the wheel carries of others; nothing of the machine that has built it."""
    (file,) = DIST.glob("*.cdx.json")
    text = file.read_text()
    found: dict[str, Any] = json.loads(text)
    own = found["metadata"]["component"]
    packages = {part["name"]: part for part in found["components"]}
    tree = {entry["ref"]: entry.get("dependsOn", []) for entry in found["dependencies"]}
    with zipfile.ZipFile(WHEEL) as archive:
        vendored = {
            Path(name).name.removesuffix(".license.txt")
            for name in archive.namelist()
            if name.endswith(".license.txt")
        }

    assert (found["bomFormat"], own["name"], own["version"]) == ("CycloneDX", "llm-proxy-api", __version__)
    assert own["hashes"][0]["content"] == hashlib.sha256(WHEEL.read_bytes()).hexdigest()
    assert {"tornado", "pydantic", "uvloop", "watchdog"} | vendored <= set(packages)
    assert all(part.get("version") and part.get("licenses") for part in packages.values())
    assert set(tree) == {own["bom-ref"], *(part["bom-ref"] for part in packages.values())}
    assert not set(tree[own["bom-ref"]]) - set(tree)
    assert "file://" not in text
    assert str(Path.home()) not in text


def test_the_sums() -> None:
    """Each file's."""
    lines = (DIST / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split() for line in lines)}

    assert set(sums) == {path.name for path in DIST.iterdir()} - {"SHA256SUMS"}
    assert all(
        hashlib.sha256((DIST / name).read_bytes()).hexdigest() == digest for name, digest in sums.items()
    )
