"""``GET /console/events``: what runs and what changes, as server-sent events, for as long as a page looks.

Laws: nothing is kept for a page: one that does not keep up is told nothing until it does. It is no request that a drain waits
for, and ends with the session, or the key, that has let it in.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from time import perf_counter
from typing import Any

from handlers.base.signed_in import signed_in
from handlers.console.base import ConsoleHandler, is_open_to
from handlers.console.hub import BEGIN, hub_of
from llm_proxy.errors import GatewayError, Overloaded

#: Pages of one process that are fed at a time; seconds between two looks at whether one may still look.
_MOST, _LOOK = 200, 1.0


class EventsHandler(ConsoleHandler):
    """One page that looks."""

    endpoint = "/console/events"
    during_drain = False

    async def get(self) -> None:
        hub = hub_of(self.gateway)
        if hub.watched >= _MOST:
            raise Overloaded("too many pages of the console are open", retry_after="10")
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store, no-transform")
        self.set_header("X-Accel-Buffering", "no")
        self.connection.say_close = False
        self.write(BEGIN)
        self.flush()
        self._looked_at = perf_counter()
        self._over: Future[None] = asyncio.get_running_loop().create_future()
        hub.join(self)
        try:
            await self._over
        finally:
            hub.leave(self)
        if not self.gone:
            self.finish()

    def told(self, data: bytes) -> bool:
        """``Page.told``."""
        now = perf_counter()
        if now - self._looked_at > _LOOK:
            self._looked_at = now
            if not self._may_look():
                self.end()
        if self.gone or self._over.done():
            return False
        return self.connection.offer(data) if data else True

    def end(self) -> None:
        """``Page.end``."""
        if not self._over.done():
            self._over.set_result(None)

    def _may_look(self) -> bool:
        """Whether what has let it in is still so."""
        access = self.gateway.registry.current.access
        if access is None or self.snapshot.access is None:
            return access is self.snapshot.access and is_open_to(self)
        headers = self.request.headers.by_name()
        try:
            return bool(
                signed_in(self, access, headers)
                or self.gateway.gate.admit(access, headers, self.needs, self.endpoint)
            )
        except GatewayError:
            return False

    def _log_line(self) -> None:
        if not self.gone:  # pages are closed all the time
            super()._log_line()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if hasattr(self, "_over"):
            self.end()


root_routes: list[tuple[str, Any]] = [("/console/events", EventsHandler)]
