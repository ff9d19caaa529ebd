"""The certificate files as they are now: read again when they change, while connections go on.

Laws: a new handshake sees the last files that were good; files are judged when they have been quiet for a moment; each bad
state of theirs is told once, and ``report`` says so as long as it lasts. What blocks runs in a thread of its own.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from dataclasses import dataclass
from typing import Any, Self

from llm_proxy.clients.certificates import CertificateError, Stamps, TlsFiles, load, stamps
from llm_proxy.clients.http_server import StartError
from llm_proxy.live.background_thread import BackgroundThread
from llm_proxy.settings import PREFIX, Settings

log = logging.getLogger(__name__)

#: Seconds between two looks; as long files must be quiet.
_LOOK = 0.25


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was loaded, and from what."""

    files: TlsFiles
    stamps: Stamps
    context: ssl.SSLContext

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """What the settings name, if they name any. Raises ``StartError``."""
        if settings.tls_cert is None:
            return None
        files = TlsFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
        try:
            return cls.load(files)
        except CertificateError as error:
            raise StartError(f"{PREFIX}TLS_CERT, _KEY, _CLIENT_CA: {error}") from error

    @classmethod
    def load(cls, files: TlsFiles) -> Self:
        """As it is now. Raises ``CertificateError``."""
        return cls(files, stamps(files), load(files))


class CertificateWatch:
    """``start()`` on the running loop. ``tells``: whether it is this process that tells the log what is good again."""

    def __init__(self, first: Certificate, *, tells: bool = True) -> None:
        self._current = first
        self._tells = tells
        self._since = time.time()
        #: What was seen last, and what was judged last.
        self._seen = self._judged = first.stamps
        self._problem: str | None = None
        self._thread = BackgroundThread("certificates")
        self._watching: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def context(self) -> ssl.SSLContext:
        """For a new connection."""
        return self._current.context

    def report(self) -> dict[str, Any]:
        """For ``/status``."""
        return {
            "state": "rejected" if self._problem else "applied",
            "problem": self._problem,
            "loaded_at": round(self._since, 3),
        }

    def start(self) -> None:
        """Begin to watch."""
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    def stop(self) -> None:
        """Watch no more."""
        if self._watching is not None:
            self._watching.cancel()
        self._thread.close()

    def touch(self) -> None:
        """Look now."""
        self._wake.set()

    async def _watch(self) -> None:
        files = self._current.files
        while True:
            found = await self._thread.run(stamps, files)
            quiet, self._seen = found == self._seen, found
            if quiet and found != self._judged:
                await self._judge(files, found)
            self._wake.clear()
            try:
                async with asyncio.timeout(_LOOK):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _judge(self, files: TlsFiles, found: Stamps) -> None:
        self._judged = found
        try:
            self._current = await self._thread.run(Certificate.load, files)
        except CertificateError as error:
            problem = str(error)
            if problem != self._problem and self._tells:
                log.error(
                    "the certificate is not taken, the last good one goes on", extra={"problem": problem}
                )
            self._problem = problem
            return
        self._judged = self._current.stamps
        self._problem, self._since = None, time.time()
        if self._tells:
            log.info("certificate loaded", extra={"file": files.cert.name})
