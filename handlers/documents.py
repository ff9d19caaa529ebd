"""``GET /openapi.json``: what every endpoint takes and gives. ``GET /docs``: the same as a page, in the console's look."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, ClassVar

from handlers.base.gateway import PAGE_ROOT, Document
from handlers.base.handler import BaseHandler
from llm_proxy.console.static_files import takes_gzip
from llm_proxy.live.background_thread import yielding_gil


def _made(documents: Callable[[], tuple[Document, ...]]) -> tuple[Document, ...]:
    with yielding_gil():
        return documents()


class OpenAPIHandler(BaseHandler):
    """Made when it is first asked for, beside the loop; it changes with the version and the settings only."""

    endpoint = "/openapi.json"
    linkable = True
    needs = "nothing"
    which: ClassVar[int] = 0

    async def get(self) -> None:
        found = await asyncio.get_running_loop().run_in_executor(None, _made, self.gateway.documents)
        document = self.seen(found[self.which])
        packed = None
        if takes_gzip(self.request.headers.get("Accept-Encoding", "")):
            packed = await asyncio.get_running_loop().run_in_executor(None, _packed, document)
            self.set_header("Content-Encoding", "gzip")
        self.set_header("Content-Type", document.kind)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Vary", "Accept-Encoding")
        self.set_header("ETag", document.tag if packed is None else f'{document.tag[:-1]}-gz"')
        self.set_header("X-Content-Type-Options", "nosniff")
        if document.policy:
            self.set_header("Content-Security-Policy", document.policy)
        if self.check_etag_header():
            self.set_status(304)
            self.clear_header("Content-Type")
            self.clear_header("Content-Encoding")
            await self.finish()
        else:
            await self.finish(document.body if packed is None else packed)

    head = get

    def seen(self, document: Document) -> Document:
        """As it is right where it was asked for: behind a proxy the paths may begin elsewhere."""
        if self.verdict is not None and self.verdict.asked.prefix:
            return _with_server.__wrapped__(
                document, self.verdict.asked.prefix
            )  # a client may have chosen it
        # Without a word of a proxy, relative to the document itself (OpenAPI 3.1, section 4.8.5): each place has its tag.
        seen = _with_server(document, "/".join([".."] * (self.request.path.count("/") - 1)) or ".")
        return replace(seen, tag=document.tag)


@lru_cache(maxsize=8)
def _packed(document: Document) -> bytes:
    return gzip.compress(document.body, 9, mtime=0)


@lru_cache(maxsize=8)
def _with_root(document: Document, root: str) -> Document:
    return Document.of(
        document.body.replace(PAGE_ROOT.encode(), root.encode()), document.kind, document.policy
    )


@lru_cache(maxsize=16)
def _with_server(document: Document, server: str) -> Document:
    given = b'"servers":[{"url":"/"}]'
    return Document.of(
        document.body.replace(given, given.replace(b'"/"', b'"%b"' % server.encode()), 1), document.kind
    )


class PageHandler(OpenAPIHandler):
    """The page."""

    endpoint = "/docs"
    which = 1

    async def get(self) -> None:
        if self.request.path_asked.endswith("/"):
            self.set_header("Location", "../docs")  # else its own links would lead astray
            self.set_status(308)
            self.clear_header("Content-Type")
            await self.finish()
        else:
            await super().get()

    head = get

    def seen(self, document: Document) -> Document:
        """As it is right where it was asked for: relative to its own place."""
        seen = _with_root(document, "../" * (self.request.path.count("/") - 1))
        return replace(seen, tag=document.tag)


routes: list[tuple[str, Any]] = [("/openapi.json", OpenAPIHandler), ("/docs", PageHandler)]
root_routes: list[tuple[str, Any]] = routes
