"""OpenAI's files, at an upstream of that dialect.

Files have no model in that API, so a field ``model`` of the form, a query parameter ``model`` or a header ``X-Model`` may
name one; none of them is sent on. Of several deployments always the first in use is taken, because a file is known
only where it was uploaded. See ``handlers.base.media``.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_plus

from handlers.base.media import MediaHandler
from llm_proxy.errors import RequestError
from llm_proxy.faces.media.body import MediaBody
from llm_proxy.relay.relay import Clock
from llm_proxy.relay.upstream import Exchange

#: RFC 3986, section 3.4, and what browsers leave as it is.
_QUERY = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@%/?\[\]|]*")
#: An id that cannot mean another path.
_ID = "[A-Za-z0-9_-][A-Za-z0-9_.-]*"


class FilesHandler(MediaHandler):
    """Base of what is done with files, which name no model."""

    no_model = (
        "is required, because several upstreams are configured that could keep the file: name a model of the one that "
        "is meant, as a field of the form, as a query parameter or in the header X-Model"
    )

    def share(self) -> float:
        return 0.0  # the first in use: see the module

    async def ask(self, method: str, body: MediaBody | None = None) -> None:
        """Relay the request to where the file is, or shall be."""
        # The route's pattern has judged the path.
        target = self.request.path[self.request.path.rindex("/v1/files") + len("/v1") :]
        query, hint = _without_model(self.request.query)
        model = (body.model if body is not None else None) or hint or self.request.headers.get("X-Model")
        deployment = self.where(model or None)
        await self.send_on(deployment, method, f"{target}?{query}" if query else target, body, None)

    async def _copy_body(self, exchange: Exchange, clock: Clock) -> None:
        if self.request.method != "HEAD":
            await super()._copy_body(exchange, clock)
        else:  # asked for with GET: few servers of this dialect know HEAD
            await self._taken(self.flush())


class UploadsHandler(FilesHandler):
    """``POST /v1/files`` and ``GET /v1/files``."""

    endpoint = "/v1/files"

    async def post(self) -> None:
        await self.ask("POST", await self.media_body())

    async def get(self) -> None:
        await self.ask("GET")

    head = get


class FileHandler(FilesHandler):
    """``GET`` and ``DELETE /v1/files/<id>``."""

    endpoint = "/v1/files/"

    async def get(self) -> None:
        await self.ask("GET")

    async def delete(self) -> None:
        await self.ask("DELETE")

    head = get


class ContentHandler(FilesHandler):
    """``GET /v1/files/<id>/content``."""

    endpoint = "/v1/files/content"

    async def get(self) -> None:
        await self.ask("GET")

    head = get


def _without_model(query: str) -> tuple[str, str]:
    """``query`` without its parameter ``model``, and the value of that. Raises ``RequestError``."""
    if not _QUERY.fullmatch(query):
        raise RequestError("the query has characters that must be percent-encoded")
    kept: list[str] = []
    model = ""
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if unquote_plus(name) == "model":
            model = unquote_plus(value)
        else:
            kept.append(pair)
    return "&".join(kept), model


routes: list[tuple[str, Any]] = [
    ("/v1/files", UploadsHandler),
    (f"/v1/files/{_ID}", FileHandler),
    (f"/v1/files/{_ID}/content", ContentHandler),
]
root_routes: list[tuple[str, Any]] = routes
