"""``GET /status/models``: the configuration that runs, told so that ``llm-proxy check --against`` can compare an edit
with it. No hosts, no tokens: see ``llm_proxy.rehearsal``."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from typing import Any

from handlers.base import BaseHandler
from llm_proxy.rehearsal import tell
from llm_proxy.sse import dumps

#: A proxy on this machine speaks for somebody elsewhere, and usually says so.
_FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Real-Ip")


class RunningHandler(BaseHandler):
    """Every deployment and prompt version of the running state."""

    endpoint = "/status/models"
    during_drain = True

    async def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        salt = secrets.token_hex(16) if self._is_local() else ""
        # Thousands of models are megabytes.
        body = await asyncio.get_running_loop().run_in_executor(
            None, lambda: dumps(tell(self.snapshot, salt))
        )
        await self.finish(body)

    head = get

    def _is_local(self) -> bool:
        """Whether the caller is on this machine, as far as one can tell."""
        if any(name in self.request.headers for name in _FORWARDED):
            return False
        try:
            return ipaddress.ip_address(self.request.remote_ip or "").is_loopback
        except ValueError:
            return False


routes: list[tuple[str, Any]] = [("/status/models", RunningHandler)]
