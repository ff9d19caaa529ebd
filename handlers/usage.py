"""``GET /usage``: what was used, by whom and of what. ``GET /keys``: who has a key, and how far its limits are.

Laws: a key without ``admin`` learns of itself alone; nobody learns a hash. The ledger is asked beside the loop.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

from handlers.base.handler import BaseHandler
from handlers.base.usage_report import by_of, keys_of, since_of
from llm_proxy.errors import GatewayError
from llm_proxy.live.access import ledger_tables as tables

_DEFAULT = "30d"


class UsageHandler(BaseHandler):
    """``since``: ``30d``, ``12h`` or a date; ``by``: what the rows are apart by."""

    endpoint = "/usage"

    async def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        since = since_of(self.get_query_argument("since", _DEFAULT), time.time())
        by = by_of(self.get_query_argument("by", "key,model"))
        grant, ledger = self.grant, self.gateway.books.ledger
        mine = grant.name if grant is not None and not grant.terms.admin else None
        rows: list[dict[str, Any]] = []
        if ledger is not None:
            question = partial(tables.usage, since=since, by=by, key=mine)
            try:
                rows = await asyncio.get_running_loop().run_in_executor(None, ledger.ask, question)
            except (sqlite3.Error, OSError) as error:
                raise GatewayError(
                    "the ledger cannot be read just now",
                    status=503,
                    code="usage_unavailable",
                    retry_after="5",
                ) from error
        told = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        await self.send_long(len(rows), lambda: {"since": told, "rows": rows})

    head = get


class KeysHandler(BaseHandler):
    """All keys of the file."""

    endpoint = "/keys"
    needs = "admin"

    async def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        access, books = self.snapshot.access, self.gateway.books
        if access is None:
            self.send_json({"keys": []})
            return
        used: dict[str, float] = {}
        if books.ledger is not None:
            try:
                used = await asyncio.get_running_loop().run_in_executor(
                    None, books.ledger.ask, tables.last_used
                )
            except (sqlite3.Error, OSError):
                used = {}  # the rest is worth telling
        now = books.now()
        await self.send_long(4 * len(access.keys), lambda: {"keys": keys_of(access, books.meter, used, now)})

    head = get


routes: list[tuple[str, Any]] = [("/usage", UsageHandler), ("/keys", KeysHandler)]
