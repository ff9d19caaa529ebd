"""What the console's endpoints have in common: who may ask, and that a stranger's page may not.

Laws: without a file of keys it is for whoever is on this machine; else for keys with ``admin``: ``read`` sees, ``write`` also
acts. What acts must come from a page of ours. Nothing is logged of a request that is answered well: pages ask all the time.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import ClassVar, Literal, TypeVar

from handlers.base.gate import Needs
from handlers.base.handler import BaseHandler
from handlers.base.signed_in import from_our_page
from llm_proxy.console.console import Console
from llm_proxy.errors import GatewayError, InvalidRequest, NotAllowed, Problem
from llm_proxy.live.background_thread import yielding_gil
from llm_proxy.wire.forwarded import Proxies

T = TypeVar("T")

Role = Literal["read", "write"]

#: Python takes thousands of digits for a mistake, in words of its own.
_DIGITS = 18
#: A proxy on this machine speaks for somebody elsewhere, and usually says so.
_FORWARDED = frozenset({"forwarded", "via", "x-forwarded-for", "x-real-ip"})
CLOSED = (
    "the console is for whoever is on the gateway's own machine; from elsewhere it takes a key: "
    "'llm-proxy key new me --admin write --write' makes one, and LLM_PROXY_API_ACCESS names the file"
)


class ConsoleHandler(BaseHandler):
    """Of the pages' own endpoints. ``role``: what it takes."""

    endpoint = "/console"
    probe = True
    during_drain = True
    of_the_console = True
    needs: ClassVar[Needs] = "admin"
    role: ClassVar[Role] = "read"

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.answer_headers.put("Cache-Control", "no-store")
        self.answer_headers.put("X-Content-Type-Options", "nosniff")

    @property
    def console(self) -> Console:
        """There is one, else these endpoints would not be served."""
        assert self.gateway.console is not None
        return self.gateway.console

    def _refusal(self) -> GatewayError | None:
        return super()._refusal() or self._console_refusal()

    def _console_refusal(self) -> GatewayError | None:
        if self.verdict is not None and self.verdict.preflight:
            return None
        # Pages that may ask models (LLM_PROXY_API_ALLOWED_ORIGINS) may not look in here.
        sent = self.request.headers.by_name()
        strange = sent.get("sec-fetch-site", "none") != "none" or "origin" in sent
        acts = self.request.method not in ("GET", "HEAD", "OPTIONS")
        if (strange or acts) and not from_our_page(self):
            return NotAllowed(
                "this is for the gateway's own pages: no Sec-Fetch-Site or Origin says that one asks"
            )
        if self.needs == "nothing":
            return None
        if self.snapshot.access is None and not is_open_to(self):
            return NotAllowed(CLOSED)
        if self.role == "write" and not may_write(self):
            return NotAllowed('this takes a key with "admin": "write"')
        return None

    async def in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        """``work(*arguments)``, which may block or take long."""
        return await asyncio.get_running_loop().run_in_executor(None, _yielding, work, arguments)


def _yielding(work: Callable[..., T], arguments: tuple[object, ...]) -> T:
    with yielding_gil():
        return work(*arguments)


def whole_number(name: str, text: str, least: int, most: int) -> int:
    """What the query says of ``name``. Raises ``InvalidRequest``."""
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS and least <= int(text) <= most):
        raise InvalidRequest.of([Problem(name, f"must be a whole number from {least} to {most}")])
    return int(text)


def is_open_to(handler: BaseHandler) -> bool:
    """Whether whoever asks is on this machine, as far as one can tell; for gateways without keys."""
    request, proxies = handler.request, handler.gateway.door.proxies
    if proxies and handler.verdict is not None and _trusted(proxies, request.remote_ip):
        return _is_loopback(handler.verdict.asked.client)
    if request.headers.has_any(_FORWARDED):
        return False
    if handler.gateway.local or not handler.connection.local_ip:  # the latter: a Unix socket
        return True
    # Elsewhere a page of a stranger may have a name of its own that leads here.
    return _is_loopback(request.remote_ip) and _is_loopback(request.host_name)


def may_write(handler: BaseHandler) -> bool:
    """Whether whoever asks, and may, may also act."""
    return handler.snapshot.access is None or (
        handler.grant is not None and handler.grant.terms.admin == "write"
    )


def _trusted(proxies: Proxies, peer: str) -> bool:
    try:
        return proxies.trusts(peer)
    except ValueError:
        return False  # a Unix socket


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
