"""TLS settings of a request, and the contexts made from them.

Laws: certificates are verified unless the request says otherwise; a context is made once for each set of settings,
off the loop (reading the trust store takes tens of milliseconds), and again when one of its files has changed: who
makes the settings says so by their stamps, the trust store is looked at for a new connection, once a second at most. When
the new files cannot be used, perhaps because only one of them is new, the last context of the same files serves on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Hashable
from typing import Any, NamedTuple, cast

from tornado.netutil import ssl_options_to_context

from llm_proxy.net import trust_store
from llm_proxy.net.faults import TlsFilesError

log = logging.getLogger(__name__)

#: Seconds between two looks at the trust store.
_LOOK = 1.0
#: Contexts kept: files change, and those of years are not collected.
_MOST = 64


class TlsSettings(NamedTuple):
    """The identity of a context: connections with different settings are never shared."""

    validate: bool = True
    ca_certs: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    #: What tells one state of the three files from another, so that a renewed certificate is used.
    stamps: tuple[Hashable, ...] = ()


DEFAULT = TlsSettings()


def tls_settings(
    validate: bool, ca_certs: str | None, client_cert: str | None, client_key: str | None
) -> TlsSettings:
    """The settings as they are now; looks at the files' dates."""
    if validate and ca_certs is None and client_cert is None and client_key is None:
        return DEFAULT
    stamps = tuple(_stamp(name) for name in (ca_certs, client_cert, client_key))
    return TlsSettings(validate, ca_certs, client_cert, client_key, stamps)


def _stamp(name: str | None) -> tuple[int, int] | None:
    try:
        found = os.stat(name) if name else None
    except OSError:
        return None  # making the context will say what is wrong
    return None if found is None else (found.st_mtime_ns, found.st_size)


class TlsContexts:
    """A cache of contexts. A context that a caller brings (``ssl_options``) is used as it is."""

    def __init__(self) -> None:
        self._made: dict[Hashable, ssl.SSLContext] = {}
        #: The last context that could be made, by the names of its files.
        self._last: dict[Hashable, ssl.SSLContext] = {}
        #: The state of the trust store by which contexts are made, one that was refused, and whether the first is sound.
        self._trusted: trust_store.Stamp = ()
        self._refused: trust_store.Stamp = ()
        self._sound = False
        self._next_look = 0.0

    async def get(self, settings: Hashable) -> ssl.SSLContext:
        """The context for ``settings``: ``TlsSettings``, an ``SSLContext``, or items of Tornado's ``ssl_options``.

        Raises ``TlsError`` when a file cannot be used.
        """
        if isinstance(settings, ssl.SSLContext):
            return settings
        loop = asyncio.get_running_loop()
        state: Hashable = None
        names = settings
        if isinstance(settings, TlsSettings):
            names = settings._replace(stamps=())
            if settings.ca_certs is None:
                if loop.time() >= self._next_look:
                    self._next_look = loop.time() + _LOOK
                    await loop.run_in_executor(None, self._look)
                state = self._trusted
        context = self._made.get((settings, state))
        if context is not None:
            return context
        try:
            context = await loop.run_in_executor(None, make_context, settings)
        except (OSError, ValueError) as error:  # OSError: which ssl.SSLError is, too
            context = self._last.get(names)
            if context is None:
                raise TlsFilesError(f"the TLS settings cannot be used: {error}", "tls", "protocol") from error
            log.warning(
                "changed TLS files cannot be used, the last ones serve on", extra={"reason": str(error)}
            )
        if len(self._made) >= _MOST:
            self._made.clear()
            self._last.clear()
        self._made[settings, state] = self._last[names] = context
        return context

    def _look(self) -> None:
        """Runs in a thread: look at the trust store. One that was sound and is not any more is not taken up: perhaps it is
        being written, and OpenSSL would take it for an empty one."""
        found = trust_store.stamp()
        if found in (self._trusted, self._refused):
            return
        sound = trust_store.is_sound()
        if self._sound and not sound:
            self._refused = found
            log.warning("the changed SSL_CERT_FILE holds no certificates, what it held serves on")
        else:
            self._trusted, self._sound = found, sound


def make_context(settings: Hashable) -> ssl.SSLContext:
    """A client context that offers HTTP/1.1 only. Reads files."""
    if not isinstance(settings, TlsSettings):
        return ssl_options_to_context(dict(cast(Any, settings)), server_side=False)
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=settings.ca_certs)
    context.set_alpn_protocols(["http/1.1"])
    if not settings.validate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.client_cert is not None:
        context.load_cert_chain(settings.client_cert, settings.client_key, password=_no_passphrase)
    return context


def _no_passphrase() -> str:
    """In place of OpenSSL's question on the terminal."""
    raise ValueError("the key needs a passphrase, and there is nobody to ask")
