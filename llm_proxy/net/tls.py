"""TLS settings of a request, and the contexts made from them.

Laws: certificates are verified unless the request says otherwise; a context is made once for each set of settings,
off the loop (reading the trust store takes tens of milliseconds), and again when one of its files has changed.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Hashable
from typing import Any, NamedTuple, cast

from tornado.netutil import ssl_options_to_context

from llm_proxy.net.faults import TlsError


class TlsSettings(NamedTuple):
    """The identity of a context: connections with different settings are never shared."""

    validate: bool = True
    ca_certs: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    #: (modification time, size) of the three files, so that a renewed certificate is used.
    stamps: tuple[tuple[int, int] | None, ...] = ()


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

    async def get(self, settings: Hashable) -> ssl.SSLContext:
        """The context for ``settings``: ``TlsSettings``, an ``SSLContext``, or items of Tornado's ``ssl_options``.

        Raises ``TlsError`` when a file cannot be used.
        """
        if isinstance(settings, ssl.SSLContext):
            return settings
        context = self._made.get(settings)
        if context is None:
            try:
                context = await asyncio.get_running_loop().run_in_executor(None, make_context, settings)
            except OSError as error:  # which ssl.SSLError is, too
                raise TlsError(f"the TLS settings cannot be used: {error}", "tls", "protocol") from error
            # Dates of files change: do not collect the contexts of years.
            if len(self._made) >= 64:
                self._made.clear()
            self._made[settings] = context
        return context


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
        context.load_cert_chain(settings.client_cert, settings.client_key)
    return context
