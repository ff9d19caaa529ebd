"""What a benchmark needs and a fresh machine has not: its two C programs, compiled; other gateways, the gateway under another
Python, and what draws, each installed by pip into an environment of its own.

Laws: everything is made once, below one folder that git ignores; what cannot be made is named. Nothing goes into the environment
from which the benchmark runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
#: Compiled programs, logs, and the environments of the peers; ignored by git, removed by ``make clean``.
BUILD = ROOT / ".venv-bench"
#: The release of vllm-router that is measured beside us.
ROUTER_VERSION = "0.1.17"
#: And that of smg, which it was made of.
SMG_VERSION = "1.13.0"
#: And that of LiteLLM: the newest whose proxy PyPI holds with all that it asks for.
LITELLM_VERSION = "1.106.12"
#: What draws the plots.
MATPLOTLIB_VERSION = "3.11"
#: Debian's own interpreter.
SYSTEM_PYTHON = Path("/usr/bin/python3")


class Missing(Exception):
    """Something that the benchmark needs is not on this machine, or does not start; the text says what."""


def compiled(name: str) -> Path:
    """The program made of ``name``.c, compiled if it is older than its source. Raises ``Missing``."""
    source, program = HERE / f"{name}.c", BUILD / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise Missing("the benchmark needs a C compiler: cc or gcc")
        BUILD.mkdir(parents=True, exist_ok=True)
        new = program.with_suffix(f".{os.getpid()}")
        done = subprocess.run(
            [compiler, "-O2", "-o", new, source], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Missing(f"{source.name} cannot be compiled here:\n{done.stderr.strip()}")
        new.replace(program)
    return program


def router_program() -> Path:
    """``vllm-router`` in an environment of its own, installed by pip if need be. Raises ``Missing``."""
    return _installed("vllm-router", ROUTER_VERSION)


def smg_program() -> Path:
    """``smg``, likewise."""
    return _installed("smg", SMG_VERSION)


def litellm_program() -> Path:
    """LiteLLM's proxy, likewise."""
    return _installed("litellm", LITELLM_VERSION, extra="[proxy]")


def system_python() -> Path:
    """Debian's own Python with what the gateway needs beside it, in the very versions that are pinned. Raises ``Missing``."""
    if not SYSTEM_PYTHON.exists() or "pyenv" in str(SYSTEM_PYTHON.resolve()):
        raise Missing(f"{SYSTEM_PYTHON} is not there")
    home = BUILD / "system-python"
    made = home / "complete"
    if not made.exists():
        # Debian's has no ensurepip, so it is our pip that installs.
        pip: list[str | Path] = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            home / "bin" / "python",
            "install",
            "--quiet",
        ]
        _run(
            "an environment of Debian's Python", SYSTEM_PYTHON, "-m", "venv", "--clear", "--without-pip", home
        )
        _run("the gateway below Debian's Python", *pip, _QUIET, "-r", ROOT / "requirements.txt")
        made.touch()
    return home / "bin" / "python"


def drawing_python() -> Path:
    """A Python that has matplotlib. Raises ``Missing``."""
    home = BUILD / f"matplotlib-{MATPLOTLIB_VERSION}"
    if not (home / "complete").exists():
        _environment(home, f"matplotlib=={MATPLOTLIB_VERSION}.*", "matplotlib")
        (home / "complete").touch()
    return home / "bin" / "python"


_QUIET = "--disable-pip-version-check"


def _installed(name: str, version: str, extra: str = "") -> Path:
    home = BUILD / f"{name}-{version}"
    program = home / "bin" / name
    if not program.exists():
        _environment(home, f"{name}{extra}=={version}", name)
    return program


def _environment(home: Path, wanted: str, name: str) -> None:
    pip: list[str | Path] = [home / "bin" / "python", "-m", "pip", "install", "--quiet"]
    _run(name, sys.executable, "-m", "venv", "--clear", home)
    _run(name, *pip, _QUIET, wanted)


def _run(name: str, *command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["?"]
        raise Missing(f"{name} cannot be installed: {said[-1]}")
