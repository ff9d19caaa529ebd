"""A lock that the processes of the service share with a file that they have inherited.

Laws: a record lock belongs to the process, so the system frees it when a worker is killed. It does not keep the threads of one
process apart: a second lock does.
"""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any


class RecordLock:
    """Made before ``fork``; the file stays its owner's."""

    def __init__(self, file: IO[Any]) -> None:
        self._file = file
        self._threads = threading.Lock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """One thread of one process at a time."""
        with self._threads:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)
