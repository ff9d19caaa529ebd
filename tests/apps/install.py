"""Install what is pinned, once, into a folder outside of the git tree: ``~/.cache/llm-proxy-api/apps/NAME-VERSION``.

``LLM_PROXY_APPS_CACHE`` names another one. Install scripts are not run (``--ignore-scripts``, wheels only
but for what a pin names as without one), the program's own HOME is not touched, and a half installation is never taken
for one: the mark is written last.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.apps.pins import Pin

#: What npm and pip say when they are not to blame.
_UNREACHABLE = re.compile(
    r"\b(ENOTFOUND|EAI_AGAIN|ECONN\w+|\w*TIMED?OUT|ENETUNREACH|E403|E407|E5\d\d|NewConnectionError|ProxyError|"
    r"ConnectTimeoutError|Temporary failure in name resolution|Network is unreachable)\b"
)
_MARK = ".complete"
_LIMIT = 900.0


class CannotInstall(Exception):
    """In one line, why; ``unreachable`` if the registry is to blame."""

    def __init__(self, words: str, *, unreachable: bool = False) -> None:
        super().__init__(words)
        self.unreachable = unreachable


def cache() -> Path:
    """The folder of all installations."""
    named = os.environ.get("LLM_PROXY_APPS_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "llm-proxy-api" / "apps"


def program(pin: Pin) -> Path:
    """The file to run; it need not be there yet."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return cache() / pin.folder / pin.program.format(platform=f"{sys.platform}-{machine}")


def installed(pin: Pin) -> bool:
    """Whether it is there, whole."""
    return (cache() / pin.folder / _MARK).exists()


def install(pin: Pin) -> None:
    """Install it where it is not yet. Raises ``CannotInstall``."""
    if installed(pin):
        return
    folder = cache() / pin.folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _npm(pin, folder) if pin.registry == "npm" else _pip(pin, folder)
    if not program(pin).exists():
        raise CannotInstall(f"{pin.packages[0]} has no {program(pin).name} for this machine")
    (folder / _MARK).touch()


def _npm(pin: Pin, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise CannotInstall("npm is not on this machine")
    (folder / "package.json").write_text('{"private": true}\n')
    _run(
        npm,
        "install",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        *pin.packages,
        at=folder,
    )


def _pip(pin: Pin, folder: Path) -> None:
    _run(sys.executable, "-m", "venv", str(folder), at=folder)
    built = ("--no-binary", ",".join(pin.sources)) if pin.sources else ()
    pip = str(folder / "bin" / "pip")
    _run(pip, "install", "-q", "--only-binary", ":all:", *built, *pin.packages, at=folder)


def _run(*command: str, at: Path) -> None:
    try:
        done = subprocess.run(command, cwd=at, capture_output=True, text=True, check=False, timeout=_LIMIT)
    except subprocess.TimeoutExpired as error:
        raise CannotInstall(f"{command[0]} took longer than {_LIMIT:.0f} s", unreachable=True) from error
    if done.returncode:
        words = (done.stderr or done.stdout).strip()
        last = words.splitlines()[-1] if words else f"status {done.returncode}"
        raise CannotInstall(last, unreachable=_UNREACHABLE.search(words) is not None)
