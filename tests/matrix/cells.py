"""One cell of the matrix: what the vendor must see and the client must get, and the two with a gateway between them."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.matrix.exceptions import Loss, losses
from tests.matrix.faces import Face
from tests.matrix.features import Counts, Feature, Said
from tests.matrix.upstreams import Upstream
from tests.support.client import Answer, Connection
from tests.support.gateway import RunningGateway

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """A feature between a face and an upstream."""

    feature: Feature
    face: Face
    upstream: Upstream

    def asks(self) -> list[str]:
        """The asks of the feature that the face has words for."""
        return [ask for ask in self.feature.asks if ask in self.face.asks]

    def losses(self, ask: str) -> tuple[Loss, ...]:
        """What is lost of one ask."""
        return losses(self.face.name, self.upstream.name, ask)

    def must_see(self, ask: str) -> Json:
        """What the vendor must see: everything but what the face's clients cannot ask for."""
        sees = self.upstream.sees
        body = copy.deepcopy(sees.get((ask, self.face.name), sees.get(ask, {})))
        for name in self.face.lacks & self.upstream.places.keys():
            *path, last = self.upstream.places[name].split(".")
            place: Any = body
            for step in path:
                place = place.get(step, {})
            place.pop(last, None)
        return body

    def must_say(self, ask: str) -> Said:
        """What the client must get: everything but what its dialect has no field for."""
        says = self.upstream.says
        said = reduced(says.get((ask, self.face.name), says[ask]), ask)
        unsaid = {loss.field for loss in self.losses(ask) if loss.how == "unsaid"}
        counts = replace(said.counts, **dict.fromkeys(unsaid & _COUNTS, 0))
        gone: Any = dict.fromkeys(unsaid - _COUNTS, "")
        return replace(said, counts=counts, **gone)

    @asynccontextmanager
    async def running(self, folder: Path, ask: str = "", model: str = "") -> AsyncIterator[Running]:
        """A double and a gateway before it."""
        async with (
            self.upstream.double() as double,
            RunningGateway(folder, self.upstream.rows(double.url, ask, model)) as proxy,
            Connection(proxy.origin) as connection,
        ):
            yield Running(self.face, double, connection)


_COUNTS = {"cached", "written", "thoughts"}


def reduced(said: Said, ask: str) -> Said:
    """What an ask is about: all counts belong to usage, signatures to reasoning."""
    if ask != "usage":
        said = replace(said, counts=Counts(said.counts.prompt, answer=said.counts.answer))
    return said if ask.startswith("reasoning") else replace(said, signature="")


@dataclass(frozen=True, slots=True)
class Running:
    face: Face
    double: Any
    connection: Connection

    async def send(self, body: Json, stream: bool) -> None:
        path, whole = self.face.sent(body, stream)
        await self.connection.send("POST", path, whole, self.face.headers)

    async def ask(self, body: Json, stream: bool) -> Answer:
        await self.send(body, stream)
        return await self.connection.rest(await self.connection.head())
