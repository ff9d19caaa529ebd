"""Events that arrive while the relay sleeps: one after the other, to a client that keeps up or not. Each is said once.

A face remembers what it has said, so an event that is given to it twice would be told twice.
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import EVENTS, MESSAGES, chunk, gateway
from tests.support.client import Connection, request
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.scripts import sse, stream

FACES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": MESSAGES},
    "/v1/completions": {"prompt": "x"},
    "/v1/responses": {"input": "x"},
    "/v1/messages": {"messages": MESSAGES, "max_tokens": 9},
    "/ollama/api/chat": {"messages": MESSAGES},
}
EACH = pytest.mark.parametrize("path", FACES)
#: More than the kernel takes for a client that does not read, with time between for the relay to fall asleep.
MANY, PADDING, GAP = 20, "x" * 120_000, 0.001
#: The same in reads that are relayed at once, as tokens are.
MORE, LESS = 300, "x" * 8000


def plain(body: bytes) -> list[Any]:
    """The lines without what differs from run to run: invented ids, times and durations."""
    texts = [re.sub(rb"^(data|event): ", b"", line) for line in body.splitlines()]
    return [_steady(json.loads(text)) if text.startswith(b"{") else text for text in texts]


def _steady(value: Any) -> Any:
    if isinstance(value, list):
        return [_steady(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _steady(inner) for name, inner in value.items() if not re.search("id$|created|dur", name)}


@EACH
async def test_each_event_by_itself(path: str, tmp_path: Path) -> None:
    """Long after the headers, and long after the one before: the answer is that to events that came together."""
    gates = [asyncio.Event() for _ in EVENTS]
    pieces = [piece for pair in zip(gates, sse(*EVENTS), strict=False) for piece in pair]
    body = {"model": "m", "stream": True, **FACES[path]}
    async with (
        Peer(stream(*pieces, *sse(), end="clean")) as peer,
        gateway(tmp_path, peer.url) as proxy,
    ):
        live = asyncio.create_task(request(proxy.origin, "POST", path, body))
        (running,) = await wait_until(lambda: list(proxy.service.gateway.running))
        answering: Any = running
        await wait_until(lambda: answering.exchange and answering.exchange.direct)
        for gate in gates:
            before = answering.exchange.received
            gate.set()
            await wait_until(lambda: answering.exchange.received > before)  # noqa: B023 (waited for here)
        got = await live
        together = await request(proxy.origin, "POST", path, body)  # all gates are open

    assert got.complete
    assert together.complete
    assert plain(got.body) == plain(together.body)


@pytest.mark.parametrize(
    ("path", "many", "padding"),
    [*((path, MANY, PADDING) for path in FACES), ("/v1/chat/completions", MORE, LESS)],
    ids=[*FACES, "token by token"],
)
async def test_a_client_that_falls_behind(path: str, many: int, padding: str, tmp_path: Path) -> None:
    """It gets every event once, in order, when it reads on."""
    words = [chunk({"content": f" n{number:04d}{padding}"}) for number in range(many)]
    events = sse(*EVENTS[:1], *words, *EVENTS[-2:])
    body = {"model": "m", "stream": True, **FACES[path]}
    async with (
        Peer(stream(*(piece for event in events for piece in (event, GAP)))) as peer,
        gateway(tmp_path, peer.url) as proxy,
        Connection(proxy.narrow().origin) as slow,
    ):
        await slow.send("POST", path, body)
        got = await slow.head()
        (running,) = proxy.service.gateway.running
        waiting: Any = running
        await wait_until(lambda: waiting._flushed is not None and not waiting._flushed.done())
        await slow.rest(got)

    assert got.complete
    said = re.findall(rb"n\d{4}", got.body)
    assert said == [b"n%04d" % number for number in range(many)] * (
        len(said) // many
    )  # some say all again at the end
    assert said
