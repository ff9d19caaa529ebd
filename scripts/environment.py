"""``environment.py VENV FILE...``: make the virtual environment VENV hold what the requirements FILEs list.

Its laws: the copies of the FILEs in VENV are written last, so whatever interrupts it, the next run begins again;
of two runs at once the second waits and then finds nothing to do; an environment that somebody else made is used,
never removed. It knows nothing of the project but what it is told, and needs only the standard library.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

#: What the environment's own Python must be able to do.
USABLE = "import pip, sys; sys.exit(sys.version_info < (3, 11))"


@contextlib.contextmanager
def alone(file: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, however it ends. A file system without locks gives none."""
    with file.open("rb") as held:
        with contextlib.suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def usable(target: Path) -> bool:
    """Whether the environment is there and works; SystemExit if it works but is not ours to replace."""
    python, unfinished = target / "bin/python", target / "unfinished"
    if unfinished.exists() or not python.exists():  # a link to a Python that has gone does not "exist"
        return False
    if subprocess.run([python, "-I", "-c", USABLE], stderr=subprocess.DEVNULL, check=False).returncode:
        sys.exit(
            f"llm-proxy-api: {target} has no pip, or is older than Python 3.11: remove it, and it will be made"
        )
    return True


def make(target: Path) -> None:
    """A new environment, marked as unfinished until its first installation has succeeded."""
    print(f"llm-proxy-api: making {target} with Python {sys.version.split()[0]}", flush=True)
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    (target / "unfinished").touch()
    venv.create(target, with_pip=True, symlinks=True)


def install(target: Path, files: list[Path]) -> None:
    """Install the files that changed since the last time, and keep a copy of each."""
    wanted = {target / file.name: file.read_bytes() for file in files}
    if all(copy.exists() and copy.read_bytes() == content for copy, content in wanted.items()):
        return
    print(f"llm-proxy-api: installing {' and '.join(file.name for file in files)}", flush=True)
    # -I: what stands in PYTHONPATH or the user's site-packages would count as installed.
    pip = [str(target / "bin/python"), "-I", "-m", "pip", "install"]
    quiet = ["-qq", "--no-input", "--no-user", "--disable-pip-version-check"]
    listed = [f"--requirement={file}" for file in files]
    if subprocess.run([*pip, *quiet, *listed], check=False).returncode:
        sys.exit(
            "llm-proxy-api: the installation failed, see above; the next start tries again. (A package that is there only "
            "as source for this machine needs a C compiler and Python's headers: gcc and python3-dev on Debian and Ubuntu.)"
        )
    (target / "unfinished").unlink(missing_ok=True)
    for copy, content in wanted.items():
        fresh = copy.with_suffix(".new")
        fresh.write_bytes(content)
        os.replace(fresh, copy)


def main(arguments: list[str]) -> None:
    target, files = Path(arguments[0]), [Path(name) for name in arguments[1:]]
    try:
        with alone(files[0]):
            if not usable(target):
                make(target)
            install(target, files)
    except (
        OSError,
        subprocess.CalledProcessError,
    ) as error:  # a read-only checkout, a full disk, no ensurepip
        reason = error.strerror if isinstance(error, OSError) else "venv failed"
        sys.exit(f"llm-proxy-api: cannot make {target}: {reason}; LLM_PROXY_VENV names another place for it")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
