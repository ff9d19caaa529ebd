"""``/console/api/requests``: requests that have ended; ``/console/api/history``: the charts' last quarter of an hour; and
``POST /requests/<id>/stop``, which ends one that runs.

Laws: the last ones are remembered in memory; what is older comes from the usage database, page by page, never by counting.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from functools import partial
from typing import Any, ClassVar

from handlers.base.gate import Needs
from handlers.base.handler import BaseHandler
from handlers.base.signed_in import from_our_page
from handlers.console.base import ConsoleHandler, Role, is_open_to, may_write, whole_number
from llm_proxy.console.activity import KEPT
from llm_proxy.console.finished import Request, matches, newest, of_ledger
from llm_proxy.console.history import STEP, merged, points
from llm_proxy.console.waterfall import bars, shown
from llm_proxy.errors import GatewayError, InvalidRequest, NotAllowed, NotFound, Problem, Unavailable
from llm_proxy.live.access import ledger_tables as tables
from llm_proxy.live.access.identity import presented

audit = logging.getLogger("llm_proxy.audit")

_LIMIT, _MOST = 100, 500
#: Seconds that the other processes have to answer; to stop something they have more.
_PATIENCE, _STOPPING = 1.0, 5.0


class HistoryHandler(ConsoleHandler):
    """``GET /console/api/history``."""

    endpoint = "/console/api/history"

    async def get(self) -> None:
        now = time.time()
        found = await self.console.everywhere("history", [now], _PATIENCE)
        self.send_json({"step": STEP, "points": points(merged(found), now)})

    head = get


class RequestsHandler(ConsoleHandler):
    """``GET /console/api/requests``: newest first."""

    endpoint = "/console/api/requests"

    async def get(self) -> None:
        limit = whole_number("limit", self.get_query_argument("limit", str(_LIMIT)), 1, _MOST)
        before = _cursor(self.get_query_argument("before", ""))
        wanted = {
            name: value
            for name in ("model", "provider", "key", "status")
            if (value := self.get_query_argument(name, ""))
        }
        remembered = newest(await self.console.everywhere("recent", None, _PATIENCE), KEPT)
        known = {one["request_id"] for one in remembered}
        oldest = remembered[-1]["at"] if remembered else time.time() + 1
        rows = [
            shown(one)
            for one in remembered
            if (before is None or (one["at"], one["request_id"]) < before) and matches(one, wanted)
        ]
        kept = self.gateway.books.ledger is not None and self.snapshot.access is not None
        # Behind a page that memory fills to the last row there may be what is written.
        full = len(rows) >= limit if kept else len(rows) > limit
        place = (rows[limit - 1]["at"], rows[limit - 1]["request_id"]) if full else None
        rows, source = rows[:limit], "memory"
        if kept and not full:
            start = (oldest, "") if before is None or before[0] > oldest else before
            older, place = await self._of_ledger(start, limit - len(rows), wanted)
            rows += [one for one in older if one["request_id"] not in known]
            source = "usage" if older else source
        self.send_json(
            {"rows": rows, "next": f"{place[0]!r}:{place[1]}" if place else None, "source": source}
        )

    head = get

    async def _of_ledger(
        self, before: tables.Place, limit: int, wanted: dict[str, str]
    ) -> tuple[list[Request], tables.Place | None]:
        """What is written, where requests are: of those that keys are asked for."""
        ledger = self.gateway.books.ledger
        if ledger is None:
            return [], None
        question = partial(tables.rows_before, before=before, limit=limit, wanted=wanted)
        try:
            rows, place = await self.in_thread(ledger.ask, question)
        except (sqlite3.Error, OSError) as error:
            raise Unavailable("the usage database cannot be read just now", retry_after="5") from error
        return [shown(of_ledger(row)) for row in rows], place


class RequestHandler(ConsoleHandler):
    """``GET /console/api/requests/<id>``: one that is remembered, with the head of its answer."""

    endpoint = "/console/api/requests/"

    async def get(self, name: str) -> None:
        remembered = newest(await self.console.everywhere("recent", None, _PATIENCE), KEPT)
        found = next((one for one in remembered if one["request_id"] == name), None)
        ledger = self.gateway.books.ledger
        if found is None and ledger is not None:
            try:
                row = await self.in_thread(ledger.ask, partial(tables.row_named, name=name))
            except (sqlite3.Error, OSError):
                row = None
            found = {**of_ledger(row), "headers": {}} if row is not None else None
        if found is None:
            raise NotFound("no such request is remembered")
        self.send_json(shown(found) | {"headers": found["headers"], "bars": bars(found)})

    head = get


class StopHandler(BaseHandler):
    """``POST /requests/<id>/stop``, for programs too: with a key, or on the gateway's own machine."""

    endpoint = "/requests/"
    during_drain = True
    needs: ClassVar[Needs] = "admin"
    role: ClassVar[Role] = "write"

    def _refusal(self) -> GatewayError | None:
        if (error := super()._refusal()) is not None:
            return error
        if self.verdict is not None and self.verdict.preflight:
            return None
        sent = self.request.headers.by_name()
        page = sent.get("sec-fetch-site", "none") != "none" or "origin" in sent
        if page and not presented(sent) and not from_our_page(self):
            return NotAllowed("a page that may ask models may not stop requests")
        if self.snapshot.access is None and not is_open_to(self):
            return NotAllowed("without keys this is for whoever is on the gateway's own machine")
        return None if may_write(self) else NotAllowed('this takes a key with "admin": "write"')

    async def post(self, name: str) -> None:
        console = self.gateway.console
        assert console is not None
        found = [one for some in await console.everywhere("stop", name, _STOPPING) for one in some]
        if not found:
            raise NotFound("no such request runs")
        facts = {"stopped": name[:200], "count": len(found), "key": self.facts.get("key")}
        audit.info("an operator has stopped a request", extra=facts)
        released = max(one["released_ms"] for one in found)
        self.set_header("Cache-Control", "no-store")
        self.send_json({"stopped": len(found), "released_ms": released, "requests": found})


def _cursor(text: str) -> tables.Place | None:
    """When the request ended before which to look, and its id. Raises ``InvalidRequest``."""
    if not text:
        return None
    at, _, name = text.partition(":")
    try:
        return float(at), name
    except ValueError:
        raise InvalidRequest.of([Problem("before", "must be the `next` of a page")]) from None


routes: list[tuple[str, Any]] = [(r"/requests/([^/]+)/stop", StopHandler)]
root_routes: list[tuple[str, Any]] = [
    ("/console/api/history", HistoryHandler),
    ("/console/api/requests", RequestsHandler),
    (r"/console/api/requests/([^/]+)", RequestHandler),
]
