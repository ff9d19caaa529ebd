"""What runs, as pages see it, and how it is stopped."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.handlers.console.kit import PAGE, PATIENCE, Events, ask, gateway, post
from tests.handlers.kit import CHAT, EVENTS, WHOLE, access_lines
from tests.support.client import Connection, request
from tests.support.gateway import RunningGateway
from tests.support.logs import expect_log
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.scripts import answer_json, silent, sse, stream

STREAM = {**CHAT, "stream": True}
NAME = "<script>alert(1)</script>\u202e"


async def test_a_page_sees_a_stream_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    """Who asks for what, whom it is asked of, how many tokens have come, and that it has ended, and how."""
    gates = [asyncio.Event() for _ in range(3)]
    pieces = sse(*EVENTS)
    script = stream(gates[0], *pieces[:3], gates[1], *pieces[3:], gates[2])
    async with Peer(script) as peer, gateway(tmp_path, peer.url) as proxy, Events(proxy.origin) as events:
        await wait_until(lambda: events.of("running"), PATIENCE)
        async with Connection(proxy.origin) as client:
            headers = {"X-Request-Id": "mine", "User-Agent": "tester/1"}
            await client.send("POST", "/v1/chat/completions", STREAM, headers=headers)
            await wait_until(
                lambda: [row for row in events.rows().values() if row["state"] == "asked"], PATIENCE
            )
            (asked,) = events.rows().values()
            gates[0].set()
            await wait_until(lambda: [row for row in events.rows().values() if row["tokens"] == 3], PATIENCE)
            (streaming,) = events.rows().values()
            for gate in gates:
                gate.set()
            answer = await client.rest(await client.head())
            await wait_until(lambda: not events.rows() and events.of("ended"), PATIENCE)
        status = events.of("status")[0]
        whole = events.of("running")[0]

    assert answer.complete
    assert {
        name: asked[name]
        for name in ("id", "model", "provider", "upstream_model", "face", "stream", "client")
    } == {
        "id": "mine",
        "model": "m",
        "provider": "peer",
        "upstream_model": "up",
        "face": "openai",
        "stream": True,
        "client": "127.0.0.1",
    }
    assert (asked["user_agent"], asked["key"], asked["attempts"]) == ("tester/1", None, 1)
    assert streaming["first_token_ms"] > 0
    (ended,) = [row for data in events.of("ended") for row in data["rows"]]
    assert (ended["request_id"], ended["status"], ended["completion_tokens"]) == ("mine", 200, 2)
    assert ("headers" in ended, ended["outcome"], ended["mark"]) == (False, "200", "good")
    assert (status["state"], status["generation"], status["models"]) == ("applied", 1, 1)
    assert (whole["whole"], whole["rows"], whole["total"]) == (True, [], 0)


async def test_ten_pages_are_told_the_same(tmp_path: Path) -> None:
    """One look for all; one that comes later is told everything first."""
    gate = asyncio.Event()
    async with (
        Peer(stream(*sse(*EVENTS[:2], done=False), gate)) as peer,
        gateway(tmp_path, peer.url) as proxy,
    ):
        pages = [Events(proxy.origin) for _ in range(10)]
        for page in pages:
            await page.__aenter__()
        try:
            async with Connection(proxy.origin) as client:
                await client.send("POST", "/v1/chat/completions", STREAM)
                await wait_until(lambda: all(page.rows() for page in pages), PATIENCE)
                async with Events(proxy.origin) as late:
                    await wait_until(late.rows, PATIENCE)
                    assert late.of("running")[0]["whole"]
                assert proxy.service.gateway.console is not None
                hub = proxy.service.gateway.console.hub
                await wait_until(lambda: hub.watched == 10, PATIENCE)
                gate.set()
        finally:
            for page in pages:
                await page.__aexit__(None, None, None)
        await wait_until(lambda: hub._task is None, PATIENCE)


@pytest.mark.parametrize("begun", [False, True])
async def test_a_stop_releases_the_upstream(begun: bool, tmp_path: Path) -> None:
    """At once; the client is told who did it: by a status, or by an event and a cut."""
    script = stream(*sse(*EVENTS[:2], done=False), end="silence") if begun else silent()
    with access_lines() as lines:
        async with (
            Peer(script) as peer,
            gateway(tmp_path, peer.url) as proxy,
            Connection(proxy.origin) as client,
        ):
            await client.send("POST", "/v1/chat/completions", STREAM, headers={"X-Request-Id": "mine"})
            await wait_until(lambda: proxy.service.gateway.running and peer.requests, PATIENCE)
            if begun:
                answer = await client.head()
            told = await request(proxy.origin, "POST", "/api/requests/mine/stop")
            await wait_until(lambda: peer.links[0].closed_at is not None, PATIENCE)
            if not begun:
                answer = await client.head()
            answer = await client.rest(answer)
            again = await request(proxy.origin, "POST", "/api/requests/mine/stop")

    assert told.status == 200
    assert told.json()["stopped"] == 1
    assert 0 <= told.json()["released_ms"] < 2000
    if begun:
        assert not answer.complete
        assert answer.events()[-1]["error"]["code"] == "stopped_by_operator"
    else:
        assert (answer.status, answer.json()["error"]["code"]) == (503, "stopped_by_operator")
        assert answer.headers["x-should-retry"] == "false"
    assert (again.status, again.json()["error"]["code"]) == (404, "not_found")
    (line,) = [line for line in lines if line["endpoint"] == "/v1/chat/completions"]
    assert (line["ended_by"], line["code"]) == ("operator", "stopped_by_operator")


async def test_a_stop_is_no_failure_of_the_upstream(tmp_path: Path) -> None:
    """Where there is another upstream it is not asked instead, and where an attempt has failed before, the client is not
    told of that one."""
    async with Peer(answer_json({"error": {"message": "busy"}}, 500)) as bad, Peer(silent()) as slow:
        models = {
            "a": {"defaults": {"api_type": "openai", "api_host": bad.url + "/v1", "weight": 1}, "m": {}},
            "b": {"defaults": {"api_type": "openai", "api_host": slow.url + "/v1", "order": 1}, "m": {}},
            "c": {"defaults": {"api_type": "openai", "api_host": bad.url + "/v1", "order": 2}, "m": {}},
        }
        async with RunningGateway(tmp_path, models) as proxy, Connection(proxy.origin) as client:
            await client.send("POST", "/v1/chat/completions", WHOLE, headers={"X-Request-Id": "mine"})
            await wait_until(lambda: slow.requests, PATIENCE)
            await request(proxy.origin, "POST", "/api/requests/mine/stop")
            answer = await client.rest(await client.head())
            states = proxy.service.gateway.router.states
            (row,) = [row for row in proxy.service.registry.current.models["m"] if row.provider == "b"]
            known = states.known(row, asyncio.get_running_loop().time())

    assert (answer.status, answer.json()["error"]["code"]) == (503, "stopped_by_operator")
    assert len(bad.requests) == 1
    assert known is not None
    assert (known.in_flight, known.health.in_a_row) == (0, 0)


async def test_one_that_waits_in_a_queue_is_stopped_too(tmp_path: Path) -> None:
    """It has no upstream yet."""
    async with Peer(silent()) as peer:
        models = {
            "a": {
                "defaults": {"api_type": "openai", "api_host": peer.url + "/v1", "max_concurrent": 1},
                "m": {},
            }
        }
        async with (
            RunningGateway(tmp_path, models) as proxy,
            Events(proxy.origin) as events,
            Connection(proxy.origin) as first,
            Connection(proxy.origin) as second,
        ):
            await first.send("POST", "/v1/chat/completions", WHOLE, headers={"X-Request-Id": "one"})
            await wait_until(lambda: peer.requests, PATIENCE)
            await second.send("POST", "/v1/chat/completions", WHOLE, headers={"X-Request-Id": "two"})
            await wait_until(
                lambda: {row["state"] for row in events.rows().values()} == {"asked", "waiting"}, PATIENCE
            )
            (uid,) = [row["uid"] for row in events.rows().values() if row["id"] == "two"]
            told = await request(proxy.origin, "POST", f"/api/requests/{uid}/stop")
            answer = await second.rest(await second.head())

    assert told.json()["requests"][0]["id"] == "two"
    assert (answer.status, answer.json()["error"]["code"]) == (503, "stopped_by_operator")


async def test_names_of_strangers_are_values(tmp_path: Path) -> None:
    """Whatever a client calls a model or itself: it is JSON, and told as it is; what is unknown is remembered as refused."""
    async with Peer(silent()) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await request(
            proxy.origin,
            "POST",
            "/v1/chat/completions",
            {**WHOLE, "model": NAME},
            headers={"User-Agent": "<b>"},
        )
        page = await request(proxy.origin, "GET", "/console/api/requests", headers=PAGE)
        (row,) = page.json()["rows"]

    assert got.status == 404
    assert (row["model"], row["user_agent"], row["status"]) == (NAME, "<b>", 404)
    assert page.headers["content-type"] == "application/json"
    assert page.headers["x-content-type-options"] == "nosniff"


async def test_a_rejected_edit_is_told_within_a_second(tmp_path: Path) -> None:
    """To every page, with its sentences; and when it is good again."""
    async with gateway(tmp_path, "http://127.0.0.1:1") as proxy, Events(proxy.origin) as events:
        await wait_until(lambda: events.of("status"), PATIENCE)
        with expect_log("llm_proxy.live.state.registry", "configuration rejected"):
            proxy.write_config('{"peer": {"m": {"wieght": 1}}}')
            await wait_until(lambda: events.of("status")[-1]["state"] == "rejected", PATIENCE)
        told = events.of("status")[-1]
        config = await ask(proxy.origin, "/console/api/config")
        proxy.write_config({"demo": {"demo": {}}})
        await wait_until(lambda: events.of("status")[-1]["state"] == "applied", PATIENCE)

    assert "line 1" in told["problems"][0]
    assert config["state"] == "rejected"
    assert (config["problems"][0]["line"], config["problems"][0]["file"]) == (1, "models-config.json")
    assert config["running_text"] is not None
    assert '"wieght": 1' in config["text"]


async def test_nothing_is_done_while_nobody_looks(tmp_path: Path) -> None:
    """The hub ends with its last page; a request that ends is one more in a list."""
    async with Peer(stream(*sse(*EVENTS))) as peer, gateway(tmp_path, peer.url) as proxy:
        console = proxy.service.gateway.console
        assert console is not None
        await request(proxy.origin, "POST", "/v1/chat/completions", STREAM)
        assert console.hub is None
        async with Events(proxy.origin) as events:
            await wait_until(lambda: events.of("running"), PATIENCE)
        await wait_until(lambda: console.hub._task is None and not console.hub.watched, PATIENCE)


async def test_stop_takes_a_page_or_a_program_on_this_machine(tmp_path: Path) -> None:
    """Without keys; a page of a stranger may not, nor whoever comes through a proxy."""
    async with gateway(tmp_path, "http://127.0.0.1:1", allowed_origins="https://app.example") as proxy:
        cases = [
            ({}, 404),
            (PAGE, 404),
            ({"X-Forwarded-For": "1.2.3.4"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Origin": "https://app.example"}, 403),
        ]
        got = [
            (await post(proxy.origin, "/api/requests/x/stop", None, headers)).status for headers, _ in cases
        ]

    assert got == [status for _, status in cases]
