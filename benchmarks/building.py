"""What a benchmark needs and a fresh machine has not: its two C programs, compiled, and vllm-router, installed.

Laws: everything is made once, below one folder that git ignores; what cannot be made is named.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
#: Compiled programs, logs, and the virtual environment of the peer; ignored by git, removed by ``make clean``.
BUILD = ROOT / ".venv-bench"
#: The release of vllm-router that is measured beside us.
ROUTER_VERSION = "0.1.17"
#: And that of smg, which it was made of.
SMG_VERSION = "1.13.0"


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


def _installed(name: str, version: str) -> Path:
    home = BUILD / f"{name}-{version}"
    program = home / "bin" / name
    if not program.exists():
        pip: list[str | Path] = [home / "bin" / "python", "-m", "pip", "install", "--quiet"]
        making: list[str | Path] = [sys.executable, "-m", "venv", "--clear", home]
        for command in (
            making,
            [*pip, "--disable-pip-version-check", f"{name}=={version}"],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                said = done.stderr.strip().splitlines() or ["?"]
                raise Missing(f"{name} cannot be installed: {said[-1]}")
    return program
