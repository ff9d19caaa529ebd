"""Keys where a model has several upstreams: who is served first, when a slot is free again, and what is settled for attempts that
the client never hears of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.live.access import ledger_tables as tables
from llm_proxy.live.access.shared_counters import HELD, LocalCounters
from tests.handlers.kit import EVENTS, USAGE, chunk
from tests.routing.kit import ROLE, STREAM, WHOLE, Fleet, serves, status
from tests.routing.test_queue import Gate, waiting
from tests.support.access_kit import bearer, row, write_access
from tests.support.client import Answer, Connection
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Script
from tests.support.scripts import silent, sse, stream

PRICES = {"m": {"input": 1_000_000, "output": 1_000_000}, "other": {"input": 1_000_000, "output": 1_000_000}}
BUDGETS = {"b": {"usd": 1_000_000, "per": "month"}}
ALICE: dict[str, Any] = {"limits": {"concurrent": 1}, "budgets": ["b"]}
FULL: dict[int, dict[str, Any]] = {1: {"max_concurrent": 1}}


def guarded(folder: Path, *scripts: Script | str, keys: Any = None, **more: Any) -> Fleet:
    """A fleet that asks for keys; alice may ask for one thing at a time, and pays."""
    document = {"keys": keys or {"alice": row("alice", **ALICE)}, "budgets": BUDGETS, "prices": PRICES}
    return Fleet(folder, *scripts, access=write_access(folder, document), **more)


def held(fleet: Fleet) -> int:
    """How many requests and micro-dollars are held."""
    cells = fleet.proxy.service.books.meter._cells
    assert isinstance(cells, LocalCounters)
    return sum(numbers[HELD] for numbers in cells._cells.values())


async def rows(fleet: Fleet, count: int) -> list[dict[str, Any]]:
    """The ledger's rows, once there are so many."""
    ledger = fleet.proxy.service.books.ledger
    assert ledger is not None

    def read() -> list[dict[str, Any]]:
        names = ", ".join(f'"{name}"' for name in tables.COLUMNS)
        found = ledger.ask(lambda base: base.execute(f"SELECT {names} FROM usage ORDER BY time").fetchall())
        return [dict(zip(tables.COLUMNS, line, strict=True)) for line in found]

    await wait_until(lambda: len(read()) >= count, 20)
    return read()


def spent(fleet: Fleet) -> int:
    """What the budget has paid, in micro-dollars."""
    service = fleet.proxy.service
    access = service.registry.current.access
    assert access is not None
    grant = access.grant(next(iter(access.keys)))
    assert grant is not None
    (found,) = service.books.plan(access, grant, service.registry.current.models["m"][0]).purses
    return service.books.meter.purse(found, service.books.now())[0]


async def test_who_is_served_first(tmp_path: Path) -> None:
    """One upstream, full; keys of each priority wait, in the worst order: interactive ones first, keys of one class in turn, bulk last."""
    priorities = {"alice": "bulk", "bob": "default", "carol": "interactive", "root": "interactive"}
    keys = {name: row(name, priority=priority) for name, priority in priorities.items()}
    gate, served = Gate(), []
    came = ["alice", "alice", "bob", "bob", "carol", "carol", "root", "root"]

    async def noted(exchange: Exchange) -> None:
        served.append(exchange.request.json()["messages"][0]["content"])
        await gate(exchange)

    async with guarded(tmp_path, noted, keys=keys, fields=FULL) as fleet:
        first = asyncio.create_task(fleet.ask(WHOLE, headers=bearer("bob")))
        await wait_until(lambda: gate.now == 1)
        asked: list[asyncio.Task[Answer]] = []
        for number, name in enumerate(came):
            body = {**WHOLE, "messages": [{"role": "user", "content": name}]}
            asked.append(asyncio.create_task(fleet.ask(body, headers=bearer(name))))
            await wait_until(lambda count=number + 1: waiting(fleet) == count)  # type: ignore[misc]
        for count in range(len(came) + 1):
            await wait_until(lambda count=count: len(served) == count + 1 and gate.now == 1)  # type: ignore[misc]
            gate.release()
        got = await asyncio.gather(first, *asked)

    assert {one.status for one in got} == {200}
    assert served[1:] == ["carol", "root", "carol", "root", "bob", "bob", "alice", "alice"]


Work = Callable[[Fleet, asyncio.Event], Coroutine[Any, Any, Answer | None]]


async def _asked(fleet: Fleet, go: asyncio.Event, body: Any = STREAM) -> Answer:
    return await fleet.ask(body, headers=bearer("alice"))


async def _whole(fleet: Fleet, go: asyncio.Event) -> Answer:
    return await _asked(fleet, go, WHOLE)


async def _left(fleet: Fleet, go: asyncio.Event) -> None:
    async with Connection(fleet.proxy.origin) as client:
        await client.send("POST", "/v1/chat/completions", STREAM, headers=bearer("alice"))
        await go.wait()


def _hedging(fleet: Fleet) -> None:
    fleet.router.chance = lambda: 0.0
    found = fleet.router.states.model("m", asyncio.get_running_loop().time()).hedging
    for _ in range(20):
        found.first_tokens.add(0.01)


HEDGED = {"m": {"hedge": {"after": 0.05, "max_share": 1}, "retries": 0, "affinity": "off"}}
CONTINUED = {"m": {"on_break": "continue", "retries": 0}}
#: What each upstream does once ``go`` is set; how it is configured; the work; the answer's status and whether it is whole; how many
#: attempts the ledger has.
ENDS: dict[str, tuple[Callable[[asyncio.Event], list[Script]], dict[str, Any], Work, Any, int]] = {
    "streamed": (lambda go: [stream(*sse(*EVENTS), go)], {}, _asked, (200, True), 1),
    "whole": (lambda go: [_waits(go, serves)], {}, _whole, (200, True), 1),
    "refused": (lambda go: [_waits(go, status(400))], {}, _whole, (400, True), 1),
    "broken": (
        lambda go: [stream(*sse(EVENTS[0], EVENTS[1], done=False), go, end="cut")],
        {},
        _asked,
        (200, False),
        1,
    ),
    "cancelled": (lambda go: [silent()], {}, _left, None, 1),
    "drained": (
        lambda go: [stream(*sse(*EVENTS)[:2], go, *sse(*EVENTS)[2:])],
        {"fields": {1: {"on_client_gone": "drain"}}},
        _left,
        None,
        1,
    ),
    "hedged": (
        lambda go: [silent(), _waits(go, serves)],
        {"models": HEDGED},
        _asked,
        (200, True),
        2,
    ),
    "hedged in vain": (
        lambda go: [stream(*ROLE, go, *sse(*EVENTS[1:])), silent()],
        {"models": HEDGED},
        _asked,
        (200, True),
        2,
    ),
    "continued": (
        lambda go: [stream(*sse(EVENTS[0], EVENTS[1], done=False), end="cut"), _waits(go, serves)],
        {"models": CONTINUED, "fields": {1: {"order": -1}, 2: {"api_type": "vllm"}}},
        _asked,
        (200, True),
        2,
    ),
    "a fallback": (
        lambda go: [_waits(go, status(500)), serves],
        {"models": {"m": {"retries": 0, "fallbacks": ["other"]}}, "names": {1: ("m",), 2: ("other",)}},
        _whole,
        (200, True),
        2,
    ),
}


def _waits(go: asyncio.Event, script: Script) -> Script:
    async def waits(exchange: Exchange) -> None:
        await go.wait()
        await script(exchange)

    return waits


@pytest.mark.parametrize("name", ENDS)
async def test_a_slot_is_free_at_the_very_end(tmp_path: Path, name: str) -> None:
    """One slot, taken once however many are asked: until the answer has ended a second request of the key is refused, then it is let
    in; nothing stays held, and what the budget has paid is what the ledger says."""
    go = asyncio.Event()
    scripts, more, work, wanted, attempts = ENDS[name]
    async with guarded(tmp_path, *scripts(go), **more) as fleet:
        if "hedged" in name:
            _hedging(fleet)
        asked = asyncio.create_task(work(fleet, go))
        reached = 2 if "hedged" in name or name == "continued" else 1
        await wait_until(lambda: sum(fleet.asked()) == reached, 20)
        again = await fleet.ask(WHOLE, headers=bearer("alice"))
        assert (again.status, "concurrent of key alice" in again.json()["error"]["message"]) == (429, True)
        assert sum(fleet.asked()) == reached
        go.set()
        got = await asked
        await wait_until(lambda: held(fleet) == 0, 20)
        if wanted is not None:
            assert got is not None
            assert (got.status, got.complete) == wanted
        (line,) = await rows(fleet, 1)
        assert line["attempts"] == attempts
        assert spent(fleet) == line["micro_usd"] == 1_000_000 * (line["input"] + line["output"])


async def test_who_leaves_the_queue_takes_nothing(tmp_path: Path) -> None:
    """It waits too long, or its client leaves: no row, nothing held, nothing spent, and its key may ask at once."""
    gate = Gate()
    keys = {"alice": row("alice", **ALICE), "bob": row("bob")}
    models = {"m": {"queue": {"wait": 0.2}}}
    async with guarded(tmp_path, gate, keys=keys, fields=FULL, models=models) as fleet:
        first = asyncio.create_task(fleet.ask(WHOLE, headers=bearer("bob")))
        await wait_until(lambda: gate.now == 1)
        late = await fleet.ask(WHOLE, headers=bearer("alice"))
        async with Connection(fleet.proxy.origin) as client:
            await client.send("POST", "/v1/chat/completions", WHOLE, headers=bearer("alice"))
            await wait_until(lambda: waiting(fleet) == 1)
        await wait_until(lambda: waiting(fleet) == 0)
        assert (late.status, held(fleet), spent(fleet)) == (503, 0, 0)
        gate.release(2)
        assert (await first).status == 200
        assert (await fleet.ask(WHOLE, headers=bearer("alice"))).status == 200
        assert [line["key"] for line in await rows(fleet, 2)] == ["bob", "alice"]


async def test_what_a_race_costs(tmp_path: Path) -> None:
    """The one that answers by what it has told; the one that lost by a guess, at its own price, whichever was asked first."""
    go = asyncio.Event()
    for name, scripts in (
        ("second", [silent(), _waits(go, serves)]),
        ("first", [stream(*ROLE, go, *sse(*EVENTS[1:])), silent()]),
    ):
        (tmp_path / name).mkdir()
        go.clear()
        async with guarded(tmp_path / name, *scripts, models=HEDGED) as fleet:
            _hedging(fleet)
            asked: asyncio.Task[Answer] = asyncio.create_task(fleet.ask(STREAM, headers=bearer("alice")))
            await wait_until(lambda fleet=fleet: sum(fleet.asked()) == 2, 20)  # type: ignore[misc]
            go.set()
            assert (await asked).complete
            (line,) = await rows(fleet, 1)
            read = len(fleet.requests(1)[0].body) // 4
            assert line["provider"] == ("gpu-2" if name == "second" else "gpu-1")
            assert (line["attempts"], line["estimated"], line["output"]) == (2, 1, USAGE["completion_tokens"])
            assert abs(line["input"] - USAGE["prompt_tokens"] - read) < 10
            assert spent(fleet) == line["micro_usd"]


async def test_what_a_continuation_costs(tmp_path: Path) -> None:
    """The part that broke by what came of it, marked as a guess; the rest by what its upstream has told; both paid once."""
    broken = stream(*sse(*(chunk({"content": word}) for word in ("a", " b", " c")), done=False), end="cut")
    fields = {1: {"order": -1}, 2: {"api_type": "vllm"}}
    async with guarded(tmp_path, broken, serves, models=CONTINUED, fields=fields) as fleet:
        assert (await fleet.ask(STREAM, headers=bearer("alice"))).complete
        (line,) = await rows(fleet, 1)
        assert (line["attempts"], line["estimated"], line["provider"]) == (2, 1, "gpu-2")
        assert line["output"] == 3 + USAGE["completion_tokens"]
        assert spent(fleet) == line["micro_usd"] == 1_000_000 * (line["input"] + line["output"])
