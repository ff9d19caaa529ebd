"""``GET /ping``: is the process alive. Touches nothing that could block."""

from __future__ import annotations

from typing import Any

from handlers.base.handler import BaseHandler


class PingHandler(BaseHandler):
    """200 ``pong``, or 503 ``draining`` once the process is told to stop."""

    endpoint = "/ping"
    during_drain = True

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        if self.gateway.draining:
            self.set_status(503)
            self.finish("draining")
            return
        self.finish("pong")

    head = get


routes: list[tuple[str, Any]] = [("/ping", PingHandler)]
