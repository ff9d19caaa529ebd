"""``GET /console/api/models``: each deployment as it stands, page by page; and the names that can be asked for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from handlers.console.base import ConsoleHandler, whole_number
from handlers.console.in_memory import InMemory, full
from llm_proxy.console.activity import KEPT
from llm_proxy.console.deployments import STATES, TROUBLE, Key, Lately, found_in, lately, names_of, row_of
from llm_proxy.console.finished import newest
from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.relay.upstream_report import standing_of
from llm_proxy.wire.calls import Deployment

_LIMIT, _MOST = 200, 1000
_NAMES, _MOST_NAMES = 1000, 50_000
_PATIENCE = 1.0
#: Seconds for which what the last requests say is not worked out anew: every page asks for it.
_FRESH = 1.0
#: Characters of a search.
_LONGEST = 200


class ModelsHandler(ConsoleHandler):
    """Beside ``/status/models``, which tells all of it at once."""

    endpoint = "/console/api/models"

    async def get(self) -> None:
        search = self.get_query_argument("search", "")[:_LONGEST].lower()
        state = self.get_query_argument("state", "")
        limit = whole_number("limit", self.get_query_argument("limit", str(_LIMIT)), 1, _MOST)
        after = whole_number("after", self.get_query_argument("after", "0"), 0, 1_000_000)
        names = whole_number("names", self.get_query_argument("names", str(_NAMES)), 0, _MOST_NAMES)
        if state and state not in (*STATES, "trouble"):
            raise InvalidRequest.of([Problem("state", f"must be one of {', '.join(STATES)}, trouble")])
        wanted = TROUBLE if state == "trouble" else (state,) if state else STATES
        gateway, snapshot = self.gateway, self.gateway.registry.current
        flights = Counter[str]()
        for some in await self.console.everywhere("flights", None, _PATIENCE):
            flights.update(some)
        states, now, wall = gateway.router.states, self.now(), time.time()
        counts = dict.fromkeys(STATES, 0)
        matching: list[tuple[Deployment, dict[str, Any]]] = []
        for row in snapshot.config.deployments:
            standing = standing_of(row, states, now, wall)
            counts[standing["state"]] += 1
            if standing["state"] in wanted and (not search or found_in(search, row)):
                matching.append((row, standing))
        page = matching[after : after + limit]
        console = self.console
        if console.in_memory is None:
            console.in_memory = InMemory(gateway.upstream)
        held = await console.in_memory.of(row for row, _ in page)
        seen, rows = await self._lately(), []
        for row, standing in page:
            memory = None
            if (server := held.get(row.server_key)) is not None and row.api_type == "ollama":
                memory = server.get(full(row.model)) or {
                    "loaded": False,
                    "size": None,
                    "vram": None,
                    "expires_at": None,
                }
            running = flights[f"{row.provider}\0{row.name}"]
            listed = gateway.list_report(row) if "*" in row.name else None
            rows.append(row_of(row, standing, seen.get((row.provider, row.name)), running, memory, listed))
        more = after + limit < len(matching)
        self.send_json(
            {
                "rows": rows,
                "next": str(after + limit) if more else None,
                "total": len(snapshot.config.deployments),
                "matching": len(matching),
                "names": names_of(snapshot, search, names) if names else [],
                "states": counts,
            }
        )

    head = get

    async def _lately(self) -> Mapping[Key, Lately]:
        """What the last requests say, of a moment ago for all pages that ask now."""
        console, now = self.console, self.now()
        if console.lately is None or now - console.lately[0] > _FRESH:
            remembered = newest(await console.everywhere("recent", None, _PATIENCE), KEPT)
            console.lately = now, lately(remembered)
        found: Mapping[Key, Lately] = console.lately[1]
        return found


root_routes: list[tuple[str, Any]] = [("/console/api/models", ModelsHandler)]
