"""``GET /openapi.json``: what every endpoint takes and gives. ``GET /docs``: the same as a page, which fetches nothing."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from handlers.base.handler import BaseHandler


class OpenAPIHandler(BaseHandler):
    """Made when it is first asked for, beside the loop; it changes with the version and the settings only."""

    endpoint = "/openapi.json"
    which: ClassVar[int] = 0

    async def get(self) -> None:
        found = await asyncio.get_running_loop().run_in_executor(None, self.gateway.documents)
        document = found[self.which]
        self.set_header("Content-Type", document.kind)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("ETag", document.tag)
        self.set_header("X-Content-Type-Options", "nosniff")
        if document.policy:
            self.set_header("Content-Security-Policy", document.policy)
        if self.check_etag_header():
            self.set_status(304)
            self.clear_header("Content-Type")
            await self.finish()
        else:
            await self.finish(document.body)

    head = get


class PageHandler(OpenAPIHandler):
    """The page."""

    endpoint = "/docs"
    which = 1


routes: list[tuple[str, Any]] = [("/openapi.json", OpenAPIHandler), ("/docs", PageHandler)]
root_routes: list[tuple[str, Any]] = routes
