"""Bytes that one worker writes and the others read: in memory that the parent has made before it forked.

Laws: what is read is whole, or nothing; who is killed while writing has changed nothing for good.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

#: Version, length, SHA-256.
_HEAD = struct.Struct("<QQ32s")


class SharedPage:
    """``put`` by one process at a time, ``version`` and ``take`` by all."""

    def __init__(self) -> None:
        self._file = os.memfd_create("llm-proxy-page")

    def put(self, data: bytes) -> None:
        """Make ``data`` the contents."""
        with self._alone():
            version = self.version() + 1
            os.pwrite(self._file, data, _HEAD.size)
            digest = hashlib.sha256(data).digest()
            os.pwrite(self._file, _HEAD.pack(version, len(data), digest), 0)

    def version(self) -> int:
        """Grows with each ``put``."""
        found = os.pread(self._file, 8, 0)
        return int.from_bytes(found, "little")

    def take(self) -> bytes:
        """The contents; empty if there are none, or if whoever wrote them has died over it."""
        with self._alone():
            found = os.pread(self._file, _HEAD.size, 0)
            if len(found) < _HEAD.size:
                return b""
            _, length, digest = _HEAD.unpack(found)
            data = os.pread(self._file, length, _HEAD.size)
        return data if hashlib.sha256(data).digest() == digest else b""

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """A record lock: it belongs to the process, so the system frees it when a worker is killed."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)
