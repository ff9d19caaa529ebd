"""Files that nobody may write, root neither: made so by the system, and given back."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

#: How a file comes to be one: what does it, what undoes it, and what is to be said of it.
READ_ONLY = {
    "its directory is mounted read-only": (
        "mount --bind {folder} {folder} && mount -o remount,ro,bind {folder}",
        "umount {folder}",
        "Read-only file system, it is mounted so",
    ),
    "it is a read-only mount of its own": (
        "mount --bind {file} {file} && mount -o remount,ro,bind {file}",
        "umount {file}",
        "Device or resource busy, it is a mount of its own: mount its directory",
    ),
    "it is immutable": (
        "chattr +i {file}",
        "chattr -i {file}",
        "Operation not permitted, it or its directory",
    ),
}


@contextmanager
def read_only(file: Path, how: str) -> Iterator[str]:
    """``file`` is one in the block; gives what is to be said of it. Skips the test where the machine does not let us."""
    make, undo, said = READ_ONLY[how]
    names = {"file": file, "folder": file.parent}
    shell = shutil.which("sh") or "sh"
    done = subprocess.run([shell, "-c", make.format(**names)], capture_output=True, text=True, check=False)
    try:
        if done.returncode:
            pytest.skip(f"this machine lets us make no such file: {done.stderr.strip()}")
        yield said
    finally:
        subprocess.run([shell, "-c", undo.format(**names)], capture_output=True, check=False)
