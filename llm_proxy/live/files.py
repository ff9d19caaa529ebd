"""Reading one file that somebody else may be writing, and replacing one that somebody else may be reading.

Laws: reading ends, is bounded, and never blocks on a pipe or a device that lies where a file should be; the bytes are
those of one moment, as far as a reader can know. A file is replaced in one step, by one of us at a time, and keeps its mode.
Blocking: for worker threads only. An error names the file, not its directory.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: How often a file is read again because somebody wrote to it meanwhile, and the pause between, in seconds.
_TRIES = 5
_PAUSE = 0.005


def read_regular(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes, equal at two looks in a row. Raises ``OSError``."""
    for _ in range(_TRIES):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise OSError(f"{path.name} is not a regular file")
            if before.st_size > limit:
                raise OSError(f"{path.name} is larger than {limit} bytes")
            data = os.read(descriptor, before.st_size + 1)
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if _look(before) == _look(after) and len(data) == after.st_size:
            return data
        time.sleep(_PAUSE)
    raise OSError(f"{path.name} keeps changing while it is read")


def _look(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


def reason(error: OSError) -> str:
    """What went wrong, without the file's directory."""
    if error.strerror is None:
        return str(error)
    return f"{Path(os.fsdecode(error.filename)).name}: {error.strerror}" if error.filename else error.strerror


def rewrite(path: Path, limit: int, change: Callable[[bytes | None], bytes]) -> None:
    """Replace a regular file of at most ``limit`` bytes by what ``change`` makes of its bytes (None: there is no such file).
    Raises ``OSError``, and whatever ``change`` does: then nothing has happened."""
    path = path.resolve()  # a link stays one
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        before: bytes | None
        try:
            before, mode = read_regular(path, limit), path.stat().st_mode & 0o7777
        except FileNotFoundError:
            before, mode = None, 0o600
        _replace(path, change(before), mode, directory)
    finally:
        os.close(directory)


def _replace(path: Path, data: bytes, mode: int, directory: int) -> None:
    try:
        _put(path, data, mode, directory)
    except OSError as error:  # what it says of our temporary file tells nobody anything
        text = f"cannot be replaced: {error.strerror or error}{_ADVICE.get(error.errno or 0, '')}"
        raise OSError(error.errno, text, str(path)) from None


#: What to do about a file that may be read only.
_ADVICE = {
    errno.EROFS: ", it is mounted so: edit it where it comes from",
    errno.EBUSY: ", it is a mount of its own: mount its directory, or edit it where it comes from",
    errno.EPERM: ", it or its directory may not be changed",
    errno.EACCES: ", its directory may not be written to",
}


def _put(path: Path, data: bytes, mode: int, directory: int) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        os.replace(temporary, path)
        os.fsync(directory)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def half_written(data: bytes) -> bool:
    """Whether ``data`` breaks the grammar of JSON, as a file does that is still being written.

    What else may be wrong with it will not heal by waiting.
    """
    try:
        json.loads(data, object_pairs_hook=_forget)
    except RecursionError:
        return False
    except ValueError:
        return True
    return False


def _forget(pairs: list[tuple[str, Any]]) -> None:
    """Nothing is kept; and a Python function is a place where another thread may take its turn."""
