"""Who is signed in to the console, for all processes of the service.

Laws: a page of memory that is made before the workers are forked and ends with the service: a restart signs everybody out, a
worker that is replaced nobody. Of a session's text only its SHA-256 is kept, of its key the digest that stands in
``access.json``: whether the key is still good is asked of the file at each request. Bounded: the oldest session gives way.
"""

from __future__ import annotations

import hashlib
import mmap
import re
import secrets
import struct
import tempfile
from typing import NamedTuple

from llm_proxy.live.state.record_lock import RecordLock

#: Seconds that a session lasts.
LASTS = 12 * 3600
#: Sessions at a time.
SLOTS = 256
COOKIE = "llm_proxy_session"

#: SHA-256 of the text, digest of the key, and when it ends (Unix seconds; 0: nobody's).
_ROW = struct.Struct("=32s32sd")
_TEXT = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Session(NamedTuple):
    """``digest``: of the key that was typed; ``ends``: Unix seconds."""

    digest: bytes
    ends: float


class Sessions:
    """Made before ``fork``, and inherited."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        self._file.truncate(SLOTS * _ROW.size)
        self._page = mmap.mmap(self._file.fileno(), 0)
        self._lock = RecordLock(self._file)

    def open(self, digest: bytes, now: float) -> str:
        """A new session of that key; its text, which is kept nowhere."""
        text = secrets.token_urlsafe(32)
        with self._lock.held():
            ends = [row[2] for row in _ROW.iter_unpack(self._page)]
            at = ends.index(min(ends))
            _ROW.pack_into(self._page, at * _ROW.size, _hashed(text), digest, now + LASTS)
        return text

    def find(self, text: str, now: float) -> Session | None:
        """The session of that text, if it still lasts."""
        at = self._place(text)
        if at is None:
            return None
        _, digest, ends = _ROW.unpack_from(self._page, at)
        return Session(digest, ends) if now < ends else None

    def close(self, text: str) -> None:
        """End it, if there is one."""
        with self._lock.held():
            at = self._place(text)
            if at is not None:
                self._page[at : at + _ROW.size] = bytes(_ROW.size)

    def release(self) -> None:
        """Let go of this process's view."""
        self._page.close()
        self._file.close()

    def _place(self, text: str) -> int | None:
        if not _TEXT.fullmatch(text):
            return None
        hashed = _hashed(text)
        for number, row in enumerate(_ROW.iter_unpack(self._page)):
            if row[0] == hashed:
                return number * _ROW.size
        return None


def _hashed(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def cookie_in(header: str | None) -> str:
    """The session's text in a ``Cookie`` header; empty if there is none (RFC 6265, section 4.2)."""
    for pair in (header or "").split(";"):
        name, _, value = pair.partition("=")
        if name.strip() == COOKIE:
            return value.strip()
    return ""
