"""``GET /console/api/health``: what is wrong now, in words; nothing if all is well."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from handlers.console.base import ConsoleHandler
from llm_proxy.console.deployments import TROUBLE
from llm_proxy.console.health import SPAN, of_requests, of_state, of_upstreams
from llm_proxy.console.history import merged
from llm_proxy.relay.upstream_report import standing_of

_PATIENCE = 1.0


class HealthHandler(ConsoleHandler):
    """See the module."""

    endpoint = "/console/api/health"

    async def get(self) -> None:
        gateway, wall, now = self.gateway, time.time(), self.now()
        pieces = await self.console.everywhere("history", [wall, wall - SPAN], _PATIENCE)
        registry, books, states = gateway.registry, gateway.books, gateway.router.states
        usage = books.ledger.report() if books.ledger is not None else {}
        rows = ((row, standing_of(row, states, now, wall)) for row in registry.current.config.deployments)
        wrong = [
            *of_state(registry.outcome.state, registry.on_last_good, usage.get("lost") or 0),
            *of_upstreams((one for one in rows if one[1]["state"] in TROUBLE), wall),
            *of_requests(merged(pieces)),
        ]
        self.send_json({"wrong": [asdict(one) for one in wrong]})

    head = get


root_routes: list[tuple[str, Any]] = [("/console/api/health", HealthHandler)]
