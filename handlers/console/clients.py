"""``GET /console/api/clients``: what to paste into each client program, with the address and the model that are asked for."""

from __future__ import annotations

from typing import Any

from handlers.console.base import ConsoleHandler
from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.faces.programs.table import told_of_all
from llm_proxy.faces.programs.values import NO_KEY, Gateway

#: Characters of an address or a name that are looked at.
_LONGEST = 2000


class ClientsHandler(ConsoleHandler):
    """``url`` is where the page stands, since only the browser knows by which address the gateway is reached."""

    endpoint = "/console/api/clients"

    async def get(self) -> None:
        url = self.get_query_argument("url", "").rstrip("/")
        if not url.startswith(("http://", "https://")) or len(url) > _LONGEST or any(c <= " " for c in url):
            raise InvalidRequest.of([Problem("url", 'must be an address, such as "http://127.0.0.1:8080"')])
        model = self.get_query_argument("model", "")[:_LONGEST] or next(
            iter(self.gateway.registry.current.models), "NAME"
        )
        told = await self.beside(told_of_all, Gateway(url, model))
        self.send_json({"clients": told, "key": NO_KEY, "model": model})

    head = get


root_routes: list[tuple[str, Any]] = [("/console/api/clients", ClientsHandler)]
