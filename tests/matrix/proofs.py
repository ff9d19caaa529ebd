"""How a cell is proved on real sockets: by asking, by asking again with the answer, by errors, and by leaving."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from pathlib import Path

from tests.matrix.cells import Cell, Json, Running, reduced
from tests.matrix.faces import Got
from tests.matrix.features import Refusal, failed
from tests.support.client import Answer, Connection
from tests.support.gateway import RunningGateway
from tests.support.logs import expect_log
from tests.support.openai_words import WORDS
from tests.support.peer import Peer
from tests.support.scripts import silent


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


async def _exchange(cell: Cell, running: Running, ask: str, body: Json, stream: bool) -> Got:
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
    assert reduced(got.said, ask) == cell.must_say(ask)
    if cell.feature.name == "streaming":
        assert got.pieces == WORDS
    return got


async def _as_it_comes(running: Running, body: Json) -> Answer:
    answer = await _begun(running, body)
    running.double.gate.set()
    return await running.connection.rest(answer)


async def _begun(running: Running, body: Json) -> Answer:
    """The first word is there before the vendor has sent the second one: it waits for the gate."""
    running.double.gate = asyncio.Event()
    await running.send(body, stream=True)
    answer = await running.connection.head()
    while not running.face.begun(answer.body):
        assert await running.connection.piece(answer)
    return answer


def _dropped(answer: Answer) -> set[str]:
    return set(filter(None, answer.headers.get("x-dropped-params", "").split(", ")))


async def _refuses(cell: Cell, running: Running, ask: str, stream: bool) -> None:
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
    """What came before the error, or before the vendor's connection was reset, is there; then comes the face's own error, no
    terminator, and the connection is cut."""
    for model, (text, refusal) in cell.upstream.breaks.items():
        async with cell.running(folder, model=model) as running:
            answer = await running.ask(cell.face.asks["hello"], stream=True)
        assert answer.status == 200
        _judge_cut(cell, answer, text, refusal)
    async with cell.running(folder) as running:
        answer = await _begun(running, cell.face.asks["hello"])
        running.double.links[-1].close(reset=True)
        answer = await running.connection.rest(answer)
    _judge_cut(cell, answer, WORDS[0], failed(502, ""))


def _judge_cut(cell: Cell, answer: Answer, text: str, refusal: Refusal) -> None:
    assert not answer.complete, "a broken stream that looks complete"
    cut = cell.face.cut(answer)
    assert cut.text == text
    cell.face.error(cut.error, refusal)


async def left(cell: Cell, folder: Path) -> None:
    """A client that leaves, in mid-stream or before any answer, and the vendor sees it."""
    async with cell.running(folder) as running:
        await _begun(running, cell.face.asks["hello"])
        await running.connection.close()
        await running.double.closed_by_client()
    for stream in cell.feature.streams:
        async with (
            Peer(silent()) as peer,
            RunningGateway(folder, cell.upstream.rows(peer.url)) as proxy,
            Connection(proxy.origin) as connection,
        ):
            await Running(cell.face, peer, connection).send(cell.face.asks["hello"], stream)
            await peer.received()
            await connection.close()
            await peer.closed_by_client()


PROOFS = {"answer": answered, "round": rounds, "refused": refused, "broken": broken, "left": left}
