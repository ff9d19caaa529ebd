"""What the console's tests share: a page of ours, and a reader of its events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.handlers.kit import config
from tests.support.client import Answer, Connection, request
from tests.support.gateway import RunningGateway

#: What a browser says of a request of our own page.
PAGE = {"Sec-Fetch-Site": "same-origin"}
PATIENCE = 10.0


def gateway(folder: Path, url: str, **settings: Any) -> RunningGateway:
    """A gateway whose model ``m`` is at ``url``."""
    return RunningGateway(folder, config(url), **settings)


async def ask(origin: str, path: str, **more: Any) -> Any:
    """What a page gets to see."""
    got = await request(origin, "GET", path, headers={**PAGE, **more.get("headers", {})})
    assert got.status == 200, got
    return got.json()


async def post(
    origin: str, path: str, body: Any, headers: Mapping[str, str] = PAGE, method: str = "POST"
) -> Answer:
    """A page acts."""
    return await request(origin, method, path, body, headers=headers)


def cookie_of(answer: Answer) -> str:
    """The cookie that an answer sets, as a browser sends it back."""
    return answer.headers["set-cookie"].partition(";")[0]


class Events:
    """``async with Events(origin) as events``: a page that looks. ``seen``: all events so far, names and data."""

    def __init__(self, origin: str, headers: Mapping[str, str] = PAGE) -> None:
        self._connection = Connection(origin)
        self._headers = headers
        self.seen: list[tuple[str, Any]] = []
        self.answer: Answer
        self.ended = False

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        await self._connection.send("GET", "/console/events", headers=self._headers)
        self.answer = await self._connection.head()
        self._task = asyncio.get_running_loop().create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._connection.close()

    async def _read(self) -> None:
        rest = b""
        while piece := await self._connection.piece(self.answer):
            *blocks, rest = (rest + piece).split(b"\n\n")
            for block in blocks:
                fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line)
                if b"event" in fields:
                    self.seen.append((fields[b"event"].decode(), json.loads(fields[b"data"])))
        self.ended = True

    def of(self, name: str) -> list[Any]:
        """The data of all events of that name."""
        return [data for found, data in self.seen if found == name]

    def rows(self) -> dict[str, dict[str, Any]]:
        """The requests that run, put together as a page does."""
        rows: dict[str, dict[str, Any]] = {}
        for data in self.of("running"):
            if data["whole"]:
                rows.clear()
            for uid in data["gone"]:
                rows.pop(uid, None)
            rows |= {row["uid"]: row for row in data["rows"]}
            for uid, tokens, first, speed in data["progress"]:
                rows[uid] |= {"tokens": tokens, "first_token_ms": first, "tokens_per_second": speed}
        return rows
