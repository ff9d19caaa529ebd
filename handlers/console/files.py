"""``GET /console`` and what belongs to it: the page, its styles and scripts. They hold no data, and are open."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from handlers.base.gate import Needs
from handlers.base.handler import BaseHandler
from llm_proxy.console.static_files import StaticFile, read_files, takes_gzip
from llm_proxy.errors import NotFound

FOLDER = Path(__file__).parent / "files"
_PAGE = "console.html"

_files: dict[Path, Mapping[str, StaticFile]] = {}


class FileHandler(BaseHandler):
    """One of the files."""

    endpoint = "/console/"
    probe = True
    during_drain = True
    linkable = True
    needs: ClassVar[Needs] = "nothing"

    async def get(self, name: str = _PAGE) -> None:
        files = _files.get(FOLDER)
        if files is None or self.gateway.settings.log_level == "DEBUG":  # the latter: somebody works on them
            files = await asyncio.get_running_loop().run_in_executor(None, read_files, FOLDER)
            _files[FOLDER] = files
        file = files.get(name)
        if file is None:
            raise NotFound("the console has no such file")
        await self._send(file)

    head = get

    async def _send(self, file: StaticFile) -> None:
        packed = file.packed if takes_gzip(self.request.headers.get("Accept-Encoding", "")) else None
        for field, value in (
            ("Content-Type", file.kind),
            ("Cache-Control", "no-cache"),
            ("Vary", "Accept-Encoding"),
            ("ETag", f'"{file.tag}-gz"' if packed is not None else f'"{file.tag}"'),
            ("Content-Security-Policy", file.policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "same-origin"),
        ):
            self.set_header(field, value)
        if self.check_etag_header():
            self.set_status(304)
            self.clear_header("Content-Type")
            await self.finish()
            return
        if packed is not None:
            self.set_header("Content-Encoding", "gzip")
        await self.finish(file.body if packed is None else packed)


class PageHandler(FileHandler):
    """The page."""

    endpoint = "/console"

    async def get(self, name: str = _PAGE) -> None:
        if self.request.path_asked.endswith("/"):
            self.set_header("Location", "../console")  # else its own links would lead astray
            self.set_status(308)
            self.clear_header("Content-Type")
            await self.finish()
        else:
            await super().get(name)

    head = get


root_routes: list[tuple[str, Any]] = [
    ("/console/?", PageHandler),
    (r"/console/(?!api/)(.+)", FileHandler),  # after all others of the console
]
