"""One cell of the matrix: how it is proved on real sockets that a feature works, or what exactly does not."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.matrix.exceptions import Loss, losses
from tests.matrix.faces import Face, Got
from tests.matrix.features import Counts, Feature, Refusal, Said
from tests.matrix.upstreams import Upstream
from tests.support.client import Answer, Connection
from tests.support.gateway import RunningGateway
from tests.support.logs import expect_log
from tests.support.openai_words import WORDS
from tests.support.peer import Peer
from tests.support.scripts import silent

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
        said = _reduced(self.upstream.says[ask], ask)
        unsaid = {loss.field for loss in self.losses(ask) if loss.how == "unsaid"}
        counts = replace(said.counts, **dict.fromkeys(unsaid & _COUNTS, 0))
        gone: Any = dict.fromkeys(unsaid - _COUNTS, "")
        return replace(said, counts=counts, **gone)

    @asynccontextmanager
    async def running(self, folder: Path, ask: str = "", model: str = "") -> AsyncIterator[_Running]:
        """A double and a gateway before it."""
        async with (
            self.upstream.double() as double,
            RunningGateway(folder, self.upstream.rows(double.url, ask, model)) as proxy,
            Connection(proxy.origin) as connection,
        ):
            yield _Running(self.face, double, connection)


_COUNTS = {"cached", "written", "thoughts"}


def _reduced(said: Said, ask: str) -> Said:
    """What an ask is about: all counts belong to usage, signatures to reasoning."""
    if ask != "usage":
        said = replace(said, counts=Counts(said.counts.prompt, answer=said.counts.answer))
    return said if ask.startswith("reasoning") else replace(said, signature="")


@dataclass(frozen=True, slots=True)
class _Running:
    face: Face
    double: Any
    connection: Connection

    async def send(self, body: Json, stream: bool) -> None:
        whole = {"model": "m", **body, "stream": stream}
        if stream and self.face.name == "openai":
            whole["stream_options"] = {"include_usage": True}
        await self.connection.send("POST", self.face.path, whole, self.face.headers)

    async def ask(self, body: Json, stream: bool) -> Answer:
        await self.send(body, stream)
        return await self.connection.rest(await self.connection.head())


async def answered(cell: Cell, folder: Path) -> None:
    """Every ask, in both forms: the vendor sees all of it, the client gets all of the answer."""
    for ask in cell.asks():
        for stream in cell.feature.streams:
            async with cell.running(folder, ask) as running:
                if any(loss.how == "refused" for loss in cell.losses(ask)):
                    await _refuses(cell, running, ask, stream)
                else:
                    await _exchange(cell, running, ask, cell.face.asks[ask], stream)


async def rounds(cell: Cell, folder: Path) -> None:
    """A call, then its result behind the answer as the client keeps it: ids, thinking and signatures come back."""
    for ask in cell.asks():
        for stream in cell.feature.streams:
            async with cell.running(folder, ask) as running:
                body = cell.face.asks[ask]
                got = await _exchange(cell, running, ask, body, stream)
                body = cell.face.again(body, got.message, len(got.said.calls))
                await _exchange(cell, running, f"{ask} again", body, stream)


async def _exchange(cell: Cell, running: _Running, ask: str, body: Json, stream: bool) -> Got:
    if cell.feature.name == "streaming":
        answer = await _as_it_comes(running, body)
    else:
        answer = await running.ask(body, stream)
    assert answer.status == 200, answer.body
    assert answer.complete
    assert _dropped(answer) == {loss.words for loss in cell.losses(ask) if loss.how == "dropped"}
    assert cell.upstream.form(running.double.requests[-1], stream) == cell.must_see(ask)
    kind = cell.face.stream_type if stream else "application/json"
    assert answer.headers["content-type"].partition(";")[0] == kind
    got = cell.face.got(answer, stream)
    assert _reduced(got.said, ask) == cell.must_say(ask)
    if cell.feature.name == "streaming":
        assert got.pieces == WORDS
    return got


async def _as_it_comes(running: _Running, body: Json) -> Answer:
    """The first word is there before the vendor has sent the second one."""
    running.double.gate = asyncio.Event()
    await running.send(body, stream=True)
    answer = await running.connection.head()
    while not running.face.begun(answer.body):
        assert await running.connection.piece(answer)
    running.double.gate.set()
    return await running.connection.rest(answer)


def _dropped(answer: Answer) -> set[str]:
    return set(filter(None, answer.headers.get("x-dropped-params", "").split(", ")))


async def _refuses(cell: Cell, running: _Running, ask: str, stream: bool) -> None:
    (loss,) = cell.losses(ask)
    answer = await running.ask(cell.face.asks[ask], stream)
    assert answer.status == 400
    expected = Refusal(400, "invalid_request_error", "invalid_request", loss.words)
    cell.face.error(answer.json(), expected)
    assert not running.double.requests


async def refused(cell: Cell, folder: Path) -> None:
    """The vendor's error before the first event: its status, its words and its patience, in the face's form."""
    for model, refusal in cell.upstream.refuses.items():
        for stream in cell.feature.streams:
            expected = (
                expect_log("handlers", "rejects our key")
                if refusal.code == "upstream_auth"
                else nullcontext()
            )
            async with cell.running(folder, model=model) as running:
                with expected:
                    answer = await running.ask(cell.face.asks["hello"], stream)
            assert answer.status == refusal.status, answer.body
            assert answer.headers.get("retry-after") == refusal.retry_after
            assert answer.headers["content-type"].startswith("application/json")
            assert answer.complete
            cell.face.error(answer.json(), refusal)


async def broken(cell: Cell, folder: Path) -> None:
    """What came before the error is there, then the face's own error, no terminator, and the connection is cut."""
    for model, (text, refusal) in cell.upstream.breaks.items():
        async with cell.running(folder, model=model) as running:
            answer = await running.ask(cell.face.asks["hello"], stream=True)
        assert answer.status == 200
        assert not answer.complete, "a broken stream that looks complete"
        cut = cell.face.cut(answer)
        assert cut.text == text
        cell.face.error(cut.error, refusal)


async def left(cell: Cell, folder: Path) -> None:
    """A client that leaves, in mid-stream or before any answer, and the vendor sees it."""
    async with cell.running(folder) as running:
        running.double.gate = asyncio.Event()
        await running.send(cell.face.asks["hello"], stream=True)
        answer = await running.connection.head()
        while not cell.face.begun(answer.body):
            assert await running.connection.piece(answer)
        await running.connection.close()
        await running.double.closed_by_client()
    for stream in cell.feature.streams:
        async with (
            Peer(silent()) as peer,
            RunningGateway(folder, cell.upstream.rows(peer.url)) as proxy,
            Connection(proxy.origin) as connection,
        ):
            await _Running(cell.face, peer, connection).send(cell.face.asks["hello"], stream)
            await peer.received()
            await connection.close()
            await peer.closed_by_client()


PROOFS = {"answer": answered, "round": rounds, "refused": refused, "broken": broken, "left": left}
