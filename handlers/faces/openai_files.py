"""OpenAI's files, at an upstream of that dialect.

Files have no model in that API, so a field ``model`` of the form, a query parameter ``model`` or a header ``X-Model`` may
name one; none of them is sent on. Of several deployments always the first in use is taken, because a file is known
only where it was uploaded. See ``handlers.base.kept``.
"""

from __future__ import annotations

from typing import Any

from handlers.base.kept import ID as _ID
from handlers.base.kept import KeptHandler


class FilesHandler(KeptHandler):
    """Base of what is done with files, which name no model."""

    no_model = (
        "is required, because several upstreams are configured that could keep the file: name a model of the one that "
        "is meant, as a field of the form, as a query parameter or in the header X-Model"
    )
    root = "/v1/files"


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


routes: list[tuple[str, Any]] = [
    ("/v1/files", UploadsHandler),
    (f"/v1/files/{_ID}", FileHandler),
    (f"/v1/files/{_ID}/content", ContentHandler),
]
root_routes: list[tuple[str, Any]] = routes
