"""Limits and budgets at the door: who is let in, what is told, what is settled, by one process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from llm_proxy.live.access import ledger_tables as tables
from tests.handlers.kit import COMPLETION, EVENTS
from tests.support.access_kit import KEYS, bearer, row, write_access
from tests.support.client import Answer, Connection, request
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Peer, Script
from tests.support.scripts import answer, answer_json, silent, sse, stream

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
PRICES = {"m": {"input": 1_000_000, "output": 1_000_000}, "free": {"input": 0, "output": 0}}


class Turn:
    """What the peer does next; connections that are open have it too."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def run(self, exchange: Exchange) -> None:
        await self.script(exchange)


@asynccontextmanager
async def serving(
    folder: Path, fields: Mapping[str, Any], script: Script | None = None, **document: Any
) -> AsyncIterator[tuple[RunningGateway, Peer, Turn]]:
    """Alice has those fields; the models ``m`` and ``free`` are at one peer."""
    keys = {"alice": row("alice", **fields), "bob": row("bob", **fields), "root": row("root", admin="read")}
    turn = Turn(script or answer_json(COMPLETION))
    async with Peer(turn.run) as peer:
        path = write_access(folder, {"keys": keys, **document})
        rows = {
            "defaults": {"api_type": "openai", "api_host": peer.url + "/v1"},
            "m": {},
            "free": {},
            "dear": {},
        }
        async with RunningGateway(folder, {"peer": rows}, access=path) as gateway:
            yield gateway, peer, turn


async def ask(
    gateway: RunningGateway, name: str = "alice", path: str = "/v1/chat/completions", **more: Any
) -> Answer:
    return await request(gateway.origin, "POST", path, {**CHAT, **more}, headers=bearer(name))


async def rows_of(gateway: RunningGateway, count: int) -> list[dict[str, Any]]:
    """The ledger, once it has so many rows."""
    ledger = gateway.service.books.ledger
    assert ledger is not None

    def read() -> list[dict[str, Any]]:
        names = ", ".join(f'"{name}"' for name in tables.COLUMNS)
        found = ledger.ask(lambda base: base.execute(f"SELECT {names} FROM usage ORDER BY time").fetchall())
        return [dict(zip(tables.COLUMNS, line, strict=True)) for line in found]

    await wait_until(lambda: len(read()) >= count, 20)
    return read()


async def test_64_clients_against_a_limit(tmp_path: Path) -> None:
    """As many as the limit says, and not one more; the others are told how long to wait, to the millisecond."""
    async with serving(tmp_path, {"limits": {"rpm": 20}}) as (gateway, peer, _):
        answers = await asyncio.gather(*(ask(gateway) for _ in range(64)))
        good = [one for one in answers if one.status == 200]
        bad = [one for one in answers if one.status == 429]

        assert (len(good), len(bad)) == (20, 44)
        assert len(peer.requests) == 20
        for one in bad:
            assert one.json()["error"]["code"] == "rate_limit_exceeded"
            assert "rpm of key alice" in one.json()["error"]["message"]
            assert 1 <= int(one.headers["retry-after"]) <= 3
            assert 0 < int(one.headers["retry-after-ms"]) <= 3000
            assert "x-should-retry" not in one.headers
            assert one.headers["x-ratelimit-remaining-requests"] == "0"
        assert min(int(one.headers["x-ratelimit-remaining-requests"]) for one in good) == 0
        assert {one.headers["x-ratelimit-limit-requests"] for one in good} == {"20"}
        assert (await ask(gateway, "bob")).status == 200


async def test_the_wait_is_exact(tmp_path: Path) -> None:
    """Refused until then, and let in then."""
    async with serving(tmp_path, {"limits": {"rpm": {"limit": 120, "burst": 1}}}) as (gateway, _, _):
        assert (await ask(gateway)).status == 200
        refused = await ask(gateway)
        assert refused.status == 429
        wait = int(refused.headers["retry-after-ms"]) / 1000
        assert 0 < wait <= 0.5
        await asyncio.sleep(wait)
        assert (await ask(gateway)).status == 200


LEVELS = [
    ({"limits": {"rpd": 1}}, {}, "rpd of key alice", True),
    ({"team": "t"}, {"teams": {"t": {"limits": {"rpm": 1}}}}, "rpm of team t", False),
    ({}, {"models": {"m": {"limits": {"rpm": 1}}}}, "rpm of model m", False),
    ({"limits": {"rpm": 5}, "team": "t"}, {"teams": {"t": {"limits": {"rpm": 1}}}}, "rpm of team t", False),
    ({"limits": {"output_tpm": 4}}, {}, "output_tpm of key alice", False),
]


@pytest.mark.parametrize(("fields", "document", "words", "long"), LEVELS)
async def test_levels(tmp_path: Path, fields: Any, document: Any, words: str, long: bool) -> None:
    """Key, team, model: the tightest names itself; waits of more than a minute are not to be waited for."""
    async with serving(tmp_path, fields, **document) as (gateway, _, _):
        statuses = []
        for _ in range(3):
            got = await ask(gateway)
            statuses.append(got.status)
        assert statuses[0] == 200
        assert got.status == 429
        assert words in got.json()["error"]["message"]
        assert (got.headers.get("x-should-retry") == "false") == long


async def test_tokens_are_settled(tmp_path: Path) -> None:
    """What was reserved and not used is there again; a request that can never fit says so."""
    async with serving(tmp_path, {"limits": {"tpm": 10_000, "input_tpm": 500}}) as (gateway, _, _):
        got = await ask(gateway)
        assert got.headers["x-ratelimit-limit-tokens"] in ("10000", "500")
        for _ in range(20):  # twenty reservations of 1,024 tokens would not fit
            assert (await ask(gateway)).status == 200
        large = await ask(gateway, messages=[{"role": "user", "content": "word " * 1000}])
        assert (large.status, large.json()["error"]["code"]) == (400, "request_too_large")
        assert "input_tpm of key alice is 500" in large.json()["error"]["message"]


async def test_concurrent(tmp_path: Path) -> None:
    """Freed at the very end, whatever that was: an answer, an error, a client that left, a broken stream."""
    async with serving(tmp_path, {"limits": {"concurrent": 1}}) as (gateway, _, turn):
        for _ in range(5):  # one after the other is never too soon
            assert (await ask(gateway)).status == 200
        turn.script = stream(*sse(*EVENTS))
        for _ in range(5):
            assert (await ask(gateway, stream=True)).status == 200
        for script in (answer(b"no", 500), answer(b"{", 200), stream(*sse(EVENTS[0], done=False), end="cut")):
            turn.script = script
            await ask(gateway, stream=True)
        turn.script = silent()
        async with Connection(gateway.origin) as client:
            await client.send(
                "POST", "/v1/chat/completions", {**CHAT, "stream": True}, headers=bearer("alice")
            )
            await wait_until(lambda: gateway.service.gateway.running, 20)
            refused = await ask(gateway)
            assert refused.status == 429
            assert refused.headers["retry-after"] == "1"
            assert "concurrent of key alice" in refused.json()["error"]["message"]
        turn.script = answer_json(COMPLETION)
        await wait_until(lambda: not gateway.service.gateway.running, 20)
        assert (await ask(gateway)).status == 200


BUDGET = {"b": {"usd": 100, "per": "month", "zone": "Europe/Warsaw", "warn": [0.5, 0.9]}}


async def test_a_budget(tmp_path: Path) -> None:
    """Spent by what was used, to the micro-dollar; the warning from its share on; then no more, and nobody should try again."""
    async with serving(tmp_path, {"budgets": ["b"]}, budgets=BUDGET, prices=PRICES) as (gateway, peer, _):
        answers = [await ask(gateway, max_tokens=2) for _ in range(30)]  # five dollars each
        good = [one for one in answers if one.status == 200]
        spent = [one for one in answers if one.status == 429]

        assert 15 <= len(good) <= 20
        assert len(peer.requests) == len(good)
        warned = [one.headers.get("x-llm-budget") for one in good]
        assert warned[0] is None
        assert warned[-1] is not None
        assert warned[-1].startswith("b ")
        error = spent[-1].json()["error"]
        assert (error["code"], error["type"]) == ("insufficient_quota", "insufficient_quota")
        assert error["resets_at"] in error["message"]
        assert error["resets_at"].endswith(("+01:00", "+02:00"))
        assert spent[-1].headers["x-should-retry"] == "false"
        assert "retry-after" not in spent[-1].headers
        claude = await ask(gateway, path="/v1/messages", max_tokens=2)
        assert (claude.status, claude.json()["error"]["type"]) == (402, "billing_error")
        lines = await rows_of(gateway, len(good))
        assert sum(line["micro_usd"] for line in lines) == 5_000_000 * len(good)
        assert {line["price"] for line in lines} == {lines[0]["price"]}
        assert (await ask(gateway, model="dear")).status == 403
        assert (await ask(gateway, "root", model="dear")).status == 200


async def test_official_clients_do_not_try_again(tmp_path: Path) -> None:
    """A spent budget is raised at once; a short limit is waited for, as long as was said."""
    fields = {"budgets": ["b"], "limits": {"rpm": {"limit": 120, "burst": 1}}}
    async with serving(tmp_path, fields, budgets={"b": {"usd": 14, "per": "day"}}, prices=PRICES) as (
        gateway,
        peer,
        _,
    ):
        origin = gateway.origin

        def work() -> None:
            with openai.OpenAI(base_url=origin + "/v1", api_key=KEYS["alice"], max_retries=2) as client:
                began = time.monotonic()
                client.chat.completions.create(**CHAT, max_tokens=1)
                client.chat.completions.create(**CHAT, max_tokens=1)  # waits for the limit by itself
                assert time.monotonic() - began > 0.3
                for _ in range(3):
                    time.sleep(0.6)
                    try:
                        client.chat.completions.create(**CHAT, max_tokens=1)
                    except openai.RateLimitError as error:
                        assert error.code == "insufficient_quota"
                        break
                else:
                    raise AssertionError("never spent")
            with anthropic.Anthropic(base_url=origin, api_key=KEYS["alice"], max_retries=2) as claude:
                began = time.monotonic()
                with pytest.raises(anthropic.APIStatusError) as caught:
                    claude.messages.create(**CHAT, max_tokens=1)
                assert caught.value.status_code == 402
                assert time.monotonic() - began < 5

        await asyncio.get_running_loop().run_in_executor(None, work)
        assert len(peer.requests) <= 4


ENDS: list[tuple[str, Script, bool, int]] = [
    ("whole", answer_json(COMPLETION), False, 0),
    ("stream", stream(*sse(*EVENTS)), True, 0),
    ("no usage", answer_json({**COMPLETION, "usage": None}), False, 1),
    ("cut", stream(*sse(*EVENTS[:3], done=False), end="cut"), True, 1),
    ("refused", answer_json({"error": {"message": "no"}}, 400), False, 0),
]


@pytest.mark.parametrize(("how", "script", "streams", "estimated"), ENDS)
async def test_what_the_ledger_says(
    tmp_path: Path, how: str, script: Script, streams: bool, estimated: int
) -> None:
    """One row for each request that reached a model, whatever became of it; a guess is marked as one."""
    fields = {"team": "t", "limits": {"tpm": 1_000_000, "concurrent": 5}, "budgets": ["b"]}
    document = {"teams": {"t": {}}, "budgets": BUDGET, "prices": PRICES}
    async with serving(tmp_path, fields, script, **document) as (gateway, _, _):
        got = await ask(gateway, stream=streams)
        (line,) = await rows_of(gateway, 1)
        assert line["id"] == got.headers["x-request-id"]
        assert (line["key"], line["team"], line["model"], line["provider"]) == ("alice", "t", "m", "peer")
        assert (line["face"], line["stream"], line["attempts"]) == ("openai", int(streams), 1)
        assert line["estimated"] == estimated
        if how in ("whole", "stream"):
            assert (line["input"], line["output"], line["micro_usd"]) == (3, 2, 5_000_000)
        if how == "refused":
            assert (line["status"], line["input"], line["micro_usd"]) == (400, 0, 0)
        if estimated:
            assert line["input"] > 0
        books = gateway.service.books
        access = gateway.service.registry.current.access
        assert access is not None
        grant = next(access.grant(digest) for digest, (name, _) in access.keys.items() if name == "alice")
        assert grant is not None
        deployment = gateway.service.registry.current.models["m"][0]
        (purse,) = books.plan(access, grant, deployment).purses
        assert books.meter.purse(purse, books.now()) == (line["micro_usd"], 0)


async def test_a_client_that_leaves(tmp_path: Path) -> None:
    """What was read is billed, and marked as a guess; nothing stays reserved."""
    hold = asyncio.Event()
    script = stream(*sse(*EVENTS[:3], done=False)[:2], hold)
    fields = {"limits": {"concurrent": 1, "tpm": 100_000}, "budgets": ["b"]}
    async with serving(tmp_path, fields, script, budgets=BUDGET, prices=PRICES) as (gateway, _, turn):
        async with Connection(gateway.origin) as client:
            await client.send(
                "POST", "/v1/chat/completions", {**CHAT, "stream": True}, headers=bearer("alice")
            )
            await client.reader.readuntil(b"one")
        (line,) = await rows_of(gateway, 1)
        hold.set()
        assert (line["status"], line["estimated"], line["ended_by"]) == (499, 1, "client")
        assert line["input"] > 0
        turn.script = answer_json(COMPLETION)
        assert (await ask(gateway)).status == 200


async def test_passthrough_counts_requests(tmp_path: Path) -> None:
    """And no tokens; under a budget it is not allowed."""
    fields = {"limits": {"rpm": 2, "tpm": 10}, "passthrough": True}
    async with serving(tmp_path, fields) as (gateway, _, _):
        for status in (200, 200, 429):
            got = await request(gateway.origin, "GET", "/api/passthrough/peer/x", headers=bearer("alice"))
            assert got.status == status
        assert "retry-after-ms" in got.headers
    async with serving(tmp_path, {"passthrough": True, "budgets": ["b"]}, budgets=BUDGET) as (
        gateway,
        peer,
        _,
    ):
        got = await request(gateway.origin, "GET", "/api/passthrough/peer/x", headers=bearer("alice"))
        assert (got.status, got.json()["error"]["code"]) == (403, "not_allowed")
        assert not peer.requests


async def test_other_dialects(tmp_path: Path) -> None:
    """Each has its own headers and its own form of the refusal."""
    async with serving(tmp_path, {"limits": {"rpm": 1, "input_tpm": 9999}}) as (gateway, _, _):
        first = await ask(gateway, path="/v1/messages", max_tokens=5)
        assert first.headers["anthropic-ratelimit-requests-limit"] == "1"
        assert first.headers["anthropic-ratelimit-requests-remaining"] == "0"
        assert first.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
        assert first.headers["anthropic-ratelimit-input-tokens-limit"] == "9999"
        assert "anthropic-ratelimit-output-tokens-limit" not in first.headers
        second = await ask(gateway, path="/v1/messages", max_tokens=5)
        assert (second.status, second.json()["error"]["type"]) == (429, "rate_limit_error")
        assert second.headers["anthropic-ratelimit-requests-remaining"] == "0"
        ollama = await ask(gateway, path="/ollama/api/chat")
        assert ollama.status == 429
        assert isinstance(ollama.json()["error"], str)
        path = "/v1beta/models/m:generateContent"
        body = {"contents": [{"parts": [{"text": "a"}]}]}
        google = await request(gateway.origin, "POST", path, body, headers=bearer("alice"))
        assert (google.status, google.json()["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
        details = google.json()["error"]["details"]
        assert any(detail["@type"].endswith("RetryInfo") for detail in details)


async def test_usage_and_keys(tmp_path: Path) -> None:
    """What was used: all of it for ``admin``, its own for any other key; how far limits and budgets are; no hash."""
    fields = {"limits": {"rpm": 60, "concurrent": 3}, "budgets": ["b"]}
    async with serving(tmp_path, fields, budgets=BUDGET, prices=PRICES) as (gateway, _, _):
        for name in ("alice", "alice", "bob"):
            assert (await ask(gateway, name)).status == 200
        await rows_of(gateway, 3)

        async def told(name: str, path: str) -> Answer:
            return await request(gateway.origin, "GET", path, headers=bearer(name))

        everything = (await told("root", "/api/usage?since=1d&by=key")).json()["rows"]
        assert {line["key"]: line["requests"] for line in everything} == {"alice": 2, "bob": 1}
        assert {line["key"]: line["micro_usd"] for line in everything} == {
            "alice": 10_000_000,
            "bob": 5_000_000,
        }
        mine = (await told("bob", "/api/usage?by=key,model,face,day")).json()["rows"]
        assert [(line["key"], line["model"], line["face"], line["requests"]) for line in mine] == [
            ("bob", "m", "openai", 1)
        ]
        for query, path in (("since=x", "since"), ("by=hash", "by"), ("since=1y", "since")):
            wrong = await told("root", f"/api/usage?{query}")
            assert (wrong.status, wrong.json()["error"]["param"]) == (400, path)
        assert (await told("bob", "/api/keys")).status == 403
        listed = await told("root", "/api/keys")
        keys = {key["name"]: key for key in listed.json()["keys"]}
        assert keys["alice"]["last_used"] == pytest.approx(time.time(), abs=60)
        windows = {window["kind"]: window for window in keys["alice"]["windows"]}
        assert (windows["rpm"]["limit"], windows["concurrent"]["used"]) == (60, 0)
        assert windows["rpm"]["used"] in (1, 2)
        (budget,) = keys["alice"]["budgets"]
        assert (budget["name"], budget["limit"], budget["used"], budget["reserved"]) == ("b", 100, 15, 0)
        assert keys["root"]["last_used"] is None
        assert b"sha256" not in listed.body
        status = (await told("root", "/api/status")).json()
        assert status["usage"] == {"kept": "memory", "lost": 0}


async def test_an_edit_forgives_nothing(tmp_path: Path) -> None:
    """A budget that is given another period, or is new for a key that has spent before, goes on with what the ledger knows."""
    fields = {"budgets": ["b"]}
    async with serving(tmp_path, fields, budgets={"b": {"usd": 100, "per": "month"}}, prices=PRICES) as (
        gateway,
        _,
        _,
    ):
        for _ in range(3):
            assert (await ask(gateway)).status == 200
        await rows_of(gateway, 3)
        keys = {"alice": row("alice", **fields), "root": row("root", admin="read")}
        write_access(tmp_path, {"keys": keys, "budgets": {"b": {"usd": 14, "per": "week"}}, "prices": PRICES})
        await wait_until(lambda: gateway.service.registry.current.generation == 2, 20)
        task = gateway.service._following
        assert task is not None
        await task
        assert (await ask(gateway)).status == 429


async def test_a_drained_answer_is_known_to_its_end(tmp_path: Path) -> None:
    """Its client has left, its usage comes: no guess, and the slot is held until then."""
    hold = asyncio.Event()
    pieces = sse(*EVENTS)
    turn = Turn(stream(*pieces[:2], hold, *pieces[2:]))
    keys = {"alice": row("alice", limits={"concurrent": 1}, budgets=["b"])}
    async with Peer(turn.run) as peer:
        path = write_access(tmp_path, {"keys": keys, "budgets": BUDGET, "prices": PRICES})
        defaults = {"api_type": "openai", "api_host": peer.url + "/v1", "on_client_gone": "drain"}
        config = {"peer": {"defaults": defaults, "m": {}}}
        async with RunningGateway(tmp_path, config, access=path) as gateway:
            async with Connection(gateway.origin) as client:
                await client.send(
                    "POST", "/v1/chat/completions", {**CHAT, "stream": True}, headers=bearer("alice")
                )
                await client.reader.readuntil(b"one")
            await wait_until(lambda: gateway.service.gateway.drained, 20)
            assert (await ask(gateway)).status == 429
            hold.set()
            (line,) = await rows_of(gateway, 1)
            assert (line["input"], line["output"], line["estimated"]) == (3, 2, 0)
            assert line["micro_usd"] == 5_000_000
            turn.script = answer_json(COMPLETION)
            assert (await ask(gateway)).status == 200
