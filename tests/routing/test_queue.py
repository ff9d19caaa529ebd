"""Requests that wait because every upstream is full: in which order they are served, how long they may wait, what is told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from handlers.base.answering import AnsweringHandler
from llm_proxy.relay.waiting import Waiting
from tests.handlers.kit import COMPLETION, access_lines
from tests.routing.kit import STREAM, TEXT, WHOLE, Fleet, serves
from tests.support.client import Connection
from tests.support.loops import wait_until
from tests.support.peer import Exchange
from tests.support.scripts import answer_json, silent

ONE = {1: {"max_concurrent": 1}}


class Gate:
    """A server that answers when it is let: one request for each ``release``."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._semaphore = asyncio.Semaphore(0)

    async def __call__(self, exchange: Exchange) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await self._semaphore.acquire()
        self.now -= 1
        await serves(exchange)

    def release(self, count: int = 1) -> None:
        for _ in range(count):
            self._semaphore.release()


def waiting(fleet: Fleet) -> int:
    """How many requests wait."""
    return sum(len(line.queue) for line in fleet.router.lines.values())


async def test_no_more_than_fit(tmp_path: Path) -> None:
    """Ten requests to an upstream that takes two: never more than two are there, all are answered, and the log says who waited."""
    gate = Gate()
    async with Fleet(tmp_path, gate, fields={1: {"max_concurrent": 2}}) as fleet:
        with access_lines() as lines:
            asked = [asyncio.create_task(fleet.ask(WHOLE)) for _ in range(10)]
            await wait_until(lambda: (gate.now, waiting(fleet)) == (2, 8))
            gate.release(10)
            got = await asyncio.gather(*asked)

    assert [one.status for one in got] == [200] * 10
    assert gate.most == 2
    assert sum("queued_ms" in line for line in lines) == 8


async def test_a_queue_that_is_full(tmp_path: Path) -> None:
    """One is served, one waits; the third is told 503 ``queue_full`` and when to come again."""
    gate = Gate()
    models = {"m": {"queue": {"size": 1}}}
    async with Fleet(tmp_path, gate, fields=ONE, models=models) as fleet:
        first = asyncio.create_task(fleet.ask(WHOLE))
        await wait_until(lambda: gate.now == 1)
        second = asyncio.create_task(fleet.ask(WHOLE))
        await wait_until(lambda: waiting(fleet) == 1)
        third = await fleet.ask(STREAM)
        gate.release(2)
        got = await asyncio.gather(first, second)

    assert (third.status, third.json()["error"]["code"]) == (503, "queue_full")
    assert 1 <= int(third.headers["retry-after"]) <= 60
    assert [one.status for one in got] == [200, 200]


async def test_one_that_waits_too_long(tmp_path: Path) -> None:
    """Nobody has room within the wait: 503 ``queue_timeout``, for a stream too if nothing was sent."""
    gate = Gate()
    models = {"m": {"queue": {"wait": 0.1}}}
    async with Fleet(tmp_path, gate, fields=ONE, models=models) as fleet:
        first = asyncio.create_task(fleet.ask(WHOLE))
        await wait_until(lambda: gate.now == 1)
        late = await asyncio.gather(fleet.ask(WHOLE), fleet.ask(STREAM))
        gate.release()
        assert (await first).status == 200

    assert [(one.status, one.json()["error"]["code"]) for one in late] == [(503, "queue_timeout")] * 2
    assert all(int(one.headers["retry-after"]) >= 1 for one in late)


HASTY: dict[str, Any] = {"keepalive_after": 0.05, "keepalive_interval": 0.05}


async def test_a_stream_that_waits_is_kept_alive(tmp_path: Path) -> None:
    """A stream in the queue hears keep-alives; then its answer comes whole."""
    gate = Gate()
    async with Fleet(tmp_path, gate, fields=ONE, **HASTY) as fleet:
        first = asyncio.create_task(fleet.ask(WHOLE))
        await wait_until(lambda: gate.now == 1)
        async with Connection(fleet.proxy.url) as client:
            await client.send("POST", "/chat", STREAM)
            head = await client.head()  # with the first keep-alive
            assert waiting(fleet) == 1
            gate.release(2)
            got, _ = await asyncio.gather(client.rest(head), first)

    assert (got.status, got.complete, got.text()) == (200, True, TEXT)
    assert got.body.startswith(b": keep-alive\n\n")


async def test_room_that_comes_while_a_keep_alive_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not missed: who sends one does not sleep, and is woken all the same."""
    gate, told = Gate(), AnsweringHandler.tell_waiting

    async def meanwhile(handler: AnsweringHandler) -> float:
        await told(handler)
        gate.release(2)
        await asyncio.wait({first})
        return handler.now() + 3600

    monkeypatch.setattr(AnsweringHandler, "tell_waiting", meanwhile)
    async with Fleet(tmp_path, gate, fields=ONE, **HASTY) as fleet:
        first = asyncio.create_task(fleet.ask(WHOLE))
        await wait_until(lambda: gate.now == 1)
        got = await fleet.ask(STREAM)
        assert (await first).status == 200

    assert (got.status, got.complete, got.text()) == (200, True, TEXT)


async def test_room_that_comes_when_a_keep_alive_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not missed either: between the end of a sleep and what follows somebody may wake the sleeper."""
    gate, slept = Gate(), Waiting.until
    ends: list[float] = []

    async def until(waiting: Waiting, when: float) -> bool:
        woken = await slept(waiting, when)
        if not woken and not ends:
            ends.append(when)
            gate.release(2)
            await asyncio.wait({first})
        return woken

    monkeypatch.setattr(Waiting, "until", until)
    models = {"m": {"queue": {"wait": 2}}}
    async with Fleet(tmp_path, gate, fields=ONE, models=models, **HASTY) as fleet:
        first = asyncio.create_task(fleet.ask(WHOLE))
        await wait_until(lambda: gate.now == 1)
        got = await fleet.ask(STREAM)
        assert (await first).status == 200

    assert (got.status, got.complete, got.text(), len(ends)) == (200, True, TEXT, 1)


async def test_waiting_is_not_the_gateways_own_work(tmp_path: Path) -> None:
    """Neither the time in the queue, nor that which an attempt that failed has taken."""
    gate = Gate()
    failing = {1: {"order": -1, "timeouts": {"first_byte": 0.4}}}
    async with Fleet(tmp_path, gate, fields=ONE) as fleet:
        with access_lines() as lines:
            first = asyncio.create_task(fleet.ask(WHOLE))
            await wait_until(lambda: gate.now == 1)
            second = asyncio.create_task(fleet.ask(WHOLE))
            await wait_until(lambda: waiting(fleet) == 1)
            await asyncio.sleep(0.4)  # it is the wait itself that is looked at
            gate.release(2)
            await asyncio.gather(first, second)
    assert lines[1]["queued_ms"] >= 390
    assert lines[1]["own_ms"] + lines[1]["queued_ms"] < lines[1]["total_ms"] + 1

    (tmp_path / "two").mkdir()
    async with Fleet(tmp_path / "two", silent(), serves, fields=failing) as fleet:
        with access_lines() as lines:
            assert (await fleet.ask(WHOLE)).status == 200
    assert lines[0]["attempts"] == 2
    assert lines[0]["own_ms"] + 390 < lines[0]["total_ms"]


async def test_a_stream_that_has_waited_too_long(tmp_path: Path) -> None:
    """It has heard keep-alives, so the status is out: the error is an event, and the connection is cut."""
    gate = Gate()
    models = {"m": {"queue": {"wait": 0.3}}}
    async with Fleet(tmp_path, gate, fields=ONE, models=models, **HASTY) as fleet:
        first = asyncio.create_task(fleet.ask(WHOLE))
        await wait_until(lambda: gate.now == 1)
        late = await fleet.ask(STREAM)
        gate.release()
        assert (await first).status == 200

    assert (late.status, late.complete) == (200, False)
    assert late.events()[-1]["error"]["code"] == "queue_timeout"


async def test_a_queue_prefers_a_fallback_to_an_error(tmp_path: Path) -> None:
    """The queue is full, and another model may answer: it does."""
    gate = Gate()
    models: dict[str, Any] = {"m": {"queue": {"size": 1, "wait": 0.1}, "fallbacks": ["other"]}}
    names = {1: ("m",), 2: ("other",)}
    async with Fleet(tmp_path, gate, serves, fields=ONE, models=models, names=names) as fleet:
        first = asyncio.create_task(fleet.ask(WHOLE))
        await wait_until(lambda: gate.now == 1)
        second = asyncio.create_task(fleet.ask(WHOLE))
        await wait_until(lambda: waiting(fleet) == 1)
        third = await fleet.ask(WHOLE)
        late = await second
        gate.release()
        assert (await first).status == 200

    for got in (third, late):
        assert (got.status, got.headers["x-llm-fallback"]) == (200, "m->other")


async def test_room_at_another_upstream(tmp_path: Path) -> None:
    """One upstream is full: the other takes what comes, and nobody waits."""
    gate = Gate()
    async with Fleet(tmp_path, gate, serves, fields=ONE) as fleet:
        fleet.router.chance = lambda: 0.0
        first = asyncio.create_task(fleet.ask(WHOLE))
        await wait_until(lambda: gate.now == 1)
        with access_lines() as lines:
            got = await asyncio.gather(*(fleet.ask(WHOLE) for _ in range(5)))
        gate.release(6)
        assert (await first).status == 200

        assert fleet.asked() == [1, 5]
    assert [one.status for one in got] == [200] * 5
    assert (len(lines), sum("queued_ms" in line for line in lines)) == (5, 0)


async def test_an_upstream_that_wakes(tmp_path: Path) -> None:
    """Every upstream asks for a moment's patience: the request waits for the first to wake, and is answered."""
    asked = 0

    async def first_not(exchange: Exchange) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            await answer_json({"error": {"message": "no"}}, 429, {"Retry-After": "0.2"})(exchange)
        else:
            await answer_json(COMPLETION)(exchange)

    models = {"m": {"retries": 1}}
    async with Fleet(tmp_path, first_not, models=models) as fleet:
        with access_lines() as lines:
            got = await fleet.ask(WHOLE)

    assert (got.status, asked) == (200, 2)
    assert lines[0]["queued_ms"] > 100
