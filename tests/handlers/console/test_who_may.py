"""Who may look into the console, and who may act: without keys, with them, from elsewhere, from the page of a stranger."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.console.sessions import LASTS
from tests.handlers.console.kit import PAGE, PATIENCE, Events, ask, cookie_of, gateway, post
from tests.handlers.kit import COMPLETION, WHOLE
from tests.support.access_kit import KEYS, bearer, row, write_access
from tests.support.client import request
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.scripts import answer_json

NOWHERE = "http://127.0.0.1:1"
DOCUMENT: dict[str, Any] = {
    "keys": {
        "root": row("root", admin="write"),
        "reader": row("reader", admin="read"),
        "alice": row("alice"),
        "old": row("old", admin="write", expires="2020-01-01"),
    }
}
PATHS = (
    "/console/events",
    "/console/api/config",
    "/console/api/history",
    "/console/api/requests",
    "/console/api/models",
    "/console/api/money",
    "/console/api/usage.csv",
    "/console/api/config/generations",
    "/console/api/prompts/tone",
)


async def test_without_keys_it_is_for_this_machine(tmp_path: Path) -> None:
    """Whoever is on it sees and acts; what a proxy has passed on is from elsewhere, as far as anybody knows."""
    async with gateway(tmp_path, NOWHERE) as proxy:
        told = await ask(proxy.origin, "/console/session")
        config = await ask(proxy.origin, "/console/api/config")
        passed = await request(
            proxy.origin, "GET", "/console/api/config", headers={"X-Forwarded-For": "1.2.3.4"}
        )
        closed = await ask(proxy.origin, "/console/session", headers={"Via": "1.1 proxy"})
        stranger = await request(proxy.origin, "GET", "/console/api/config", headers={"Host": "evil.example"})
        no_keys = await post(proxy.origin, "/console/session", {"key": "x"})

    assert (told["access"], told["role"], told["keys"], told["prefix"]) == ("open", "write", False, "api")
    assert config["text"]
    assert (passed.status, passed.json()["error"]["code"]) == (403, "not_allowed")
    assert (closed["access"], closed["role"]) == ("closed", None)
    assert "llm-proxy key new" in closed["reason"]
    assert stranger.status == 403
    assert no_keys.status == 400


async def test_a_trusted_proxy_says_who_asks(tmp_path: Path) -> None:
    """On its word the console is open, or not."""
    async with gateway(tmp_path, NOWHERE, trusted_proxies="127.0.0.1") as proxy:
        near = await request(
            proxy.origin, "GET", "/console/api/config", headers={"X-Forwarded-For": "127.0.0.1"}
        )
        far = await request(
            proxy.origin, "GET", "/console/api/config", headers={"X-Forwarded-For": "8.8.8.8"}
        )

    assert (near.status, far.status) == (200, 403)


async def test_where_it_listens_to_others_too_the_name_counts(tmp_path: Path) -> None:
    """A page of a stranger may have a name that leads here (DNS rebinding)."""
    async with gateway(tmp_path, NOWHERE) as proxy:
        proxy.service.gateway.local = False
        proxy.service.gateway.door = type(proxy.service.gateway.door).of()
        near = await request(proxy.origin, "GET", "/console/api/config")
        rebound = await request(
            proxy.origin, "GET", "/console/api/config", headers={"Host": "rebound.example"}
        )

    assert (near.status, rebound.status) == (200, 403)


async def test_keys_and_roles(tmp_path: Path) -> None:
    """Nobody without a key that has ``admin``; ``read`` sees, ``write`` acts."""
    path = write_access(tmp_path, DOCUMENT)
    async with gateway(tmp_path, NOWHERE, access=path, console_write=1) as proxy:
        statuses = {}
        for name in (None, "alice", "old", "reader", "root"):
            headers = bearer(name) if name else {}
            found = [
                (await request(proxy.origin, "GET", one, headers=headers)).status
                for one in PATHS
                if one != "/console/events"
            ]
            acts = [
                (
                    await post(
                        proxy.origin, one, {"edit": {"generation": 9}, "base": ""}, {**PAGE, **headers}
                    )
                ).status
                for one in ("/console/api/config", "/api/requests/none/stop")
            ]
            statuses[name] = ({*found}, acts)

    assert statuses == {
        None: ({401}, [401, 401]),
        "alice": ({403}, [403, 403]),
        "old": ({401}, [401, 401]),
        "reader": ({200}, [403, 403]),
        "root": ({200}, [404, 404]),
    }


async def test_a_key_becomes_a_session(tmp_path: Path) -> None:
    """A cookie for twelve hours that scripts cannot read; it opens the console, ends at signing out, and is not the key."""
    path = write_access(tmp_path, DOCUMENT)
    async with gateway(tmp_path, NOWHERE, access=path) as proxy:
        before = await ask(proxy.origin, "/console/session")
        got = await post(proxy.origin, "/console/session", {"key": f" {KEYS['reader']}\n"})
        cookie = {"Cookie": cookie_of(got)}
        signed = await ask(proxy.origin, "/console/session", headers=cookie)
        seen = [
            (await request(proxy.origin, "GET", one, headers=cookie)).status
            for one in PATHS
            if one != "/console/events"
        ]
        async with Events(proxy.origin, cookie) as events:
            await wait_until(lambda: events.of("running"), PATIENCE)
        status = await request(proxy.origin, "GET", "/api/status", headers={**cookie, **PAGE})
        out = await post(proxy.origin, "/console/session", None, {**PAGE, **cookie}, "DELETE")
        after = await request(proxy.origin, "GET", "/console/api/config", headers=cookie)
        again = await post(proxy.origin, "/console/session", None, method="DELETE")

    assert (before["access"], before["role"]) == ("key", None)
    assert (got.status, got.body) == (204, b"")
    told = got.headers["set-cookie"]
    assert f"Max-Age={LASTS}" in told
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in told.split(";")}
    assert "Secure" not in told
    assert KEYS["reader"] not in told
    assert (signed["role"], signed["key"], signed["access"]) == ("read", "reader", "key")
    assert {*seen} == {200}
    assert status.json()["generation"] == 1
    assert (out.status, after.status, again.status) == (204, 401, 204)
    assert "Max-Age=0" in out.headers["set-cookie"]


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        ("lpk_wrong", 401, "invalid_api_key"),
        ("old", 401, "invalid_api_key"),
        ("alice", 403, "not_allowed"),
        ("", 400, "invalid_request"),
        (5, 400, "invalid_request"),
    ],
)
async def test_keys_that_open_nothing(key: Any, status: int, code: str, tmp_path: Path) -> None:
    """Unknown, expired, without ``admin``, or none; and no cookie."""
    path = write_access(tmp_path, DOCUMENT)
    async with gateway(tmp_path, NOWHERE, access=path) as proxy:
        got = await post(proxy.origin, "/console/session", {"key": KEYS.get(key, key)})

    assert (got.status, got.json()["error"]["code"]) == (status, code)
    assert "set-cookie" not in got.headers


async def test_the_cookie_is_for_tls_alone_where_there_is_tls(tmp_path: Path) -> None:
    """Also if something in front of us ends it."""
    path = write_access(tmp_path, DOCUMENT)
    async with gateway(tmp_path, NOWHERE, access=path, trusted_proxies="127.0.0.1") as proxy:
        headers = {**PAGE, "X-Forwarded-Proto": "https", "X-Forwarded-For": "8.8.8.8"}
        got = await post(proxy.origin, "/console/session", {"key": KEYS["root"]}, headers)

    assert got.headers["set-cookie"].endswith("; Secure")


async def test_a_key_that_is_taken_away_ends_its_sessions(tmp_path: Path) -> None:
    """At the next request; a page that looks is cut off within a moment."""
    path = write_access(tmp_path, DOCUMENT)
    async with gateway(tmp_path, NOWHERE, access=path) as proxy:
        cookie = {"Cookie": cookie_of(await post(proxy.origin, "/console/session", {"key": KEYS["reader"]}))}
        async with Events(proxy.origin, cookie) as events:
            await wait_until(lambda: events.of("running"), PATIENCE)
            write_access(tmp_path, {"keys": {"root": row("root", admin="write")}})
            await proxy.service.registry.reload("signal")
            got = await request(proxy.origin, "GET", "/console/api/config", headers=cookie)
            await wait_until(lambda: events.ended, PATIENCE)

    assert got.status == 401


async def test_a_session_asks_models_for_our_own_pages_alone(tmp_path: Path) -> None:
    """By ``Sec-Fetch-Site``, or by ``Origin`` where a browser does not send that; a cookie alone is nothing."""
    path = write_access(tmp_path, DOCUMENT)
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url, access=path) as proxy:
        cookie = {"Cookie": cookie_of(await post(proxy.origin, "/console/session", {"key": KEYS["root"]}))}
        cases: list[tuple[dict[str, str], int]] = [
            (PAGE, 200),
            ({"Origin": proxy.origin}, 200),
            ({"Referer": f"{proxy.origin}/console"}, 200),
            ({}, 401),
            ({"Sec-Fetch-Site": "none"}, 401),
            ({"Sec-Fetch-Site": "same-site"}, 403),
            ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403),
            ({"Referer": "https://evil.example/console"}, 401),
        ]
        got = [
            (
                await request(
                    proxy.origin, "POST", "/v1/chat/completions", WHOLE, headers={**cookie, **headers}
                )
            ).status
            for headers, _ in cases
        ]
        other = await request(
            proxy.origin, "POST", "/v1/chat/completions", WHOLE, headers={**cookie, **PAGE, **bearer("alice")}
        )
        rows = (await ask(proxy.origin, "/console/api/requests", headers=bearer("root")))["rows"]

    assert got == [status for _, status in cases]
    assert other.status == 200
    assert [one["key"] for one in rows] == ["alice", "root", "root", "root"]


async def test_what_acts_must_come_from_our_page(tmp_path: Path) -> None:
    """Not from a program that says nothing, nor from a page that may ask models."""
    async with gateway(tmp_path, NOWHERE, allowed_origins="*", console_write=1) as proxy:
        port = proxy.origin.rpartition(":")[2]
        cases: list[tuple[dict[str, str], int]] = [
            (PAGE, 200),
            ({"Origin": proxy.origin}, 200),
            ({}, 403),
            ({"Origin": f"http://127.0.0.1:{port}1"}, 403),
            ({"Origin": "https://app.example"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Sec-Fetch-Site": "same-site", "Origin": proxy.origin}, 403),
            ({"Origin": "null"}, 403),
        ]
        edit = {"edit": {"weight": {"provider": "peer", "model": "m", "weight": 2}}}
        got = [
            (await post(proxy.origin, "/console/api/config/preview", edit, headers)).status
            for headers, _ in cases
        ]
        reads = [
            (await request(proxy.origin, "GET", "/console/api/config", headers=headers)).status
            for headers in ({"Origin": "https://app.example"}, {"Sec-Fetch-Site": "cross-site"})
        ]
        models = await request(proxy.origin, "GET", "/v1/models", headers={"Origin": "https://app.example"})

    assert got == [status for _, status in cases]
    assert reads == [403, 403]
    assert models.status == 200


async def test_it_can_be_switched_off(tmp_path: Path) -> None:
    """Nothing of it is there, nor told of; ``/`` answers a browser in a line."""
    async with gateway(tmp_path, NOWHERE, console=0) as proxy:
        gone = [
            (await request(proxy.origin, "GET", path)).status
            for path in (*PATHS, "/console", "/console/console.css", "/console/session")
        ]
        stop = await request(proxy.origin, "POST", "/api/requests/x/stop")
        front = await request(proxy.origin, "GET", "/", headers={"Accept": "text/html"})
        document = await request(proxy.origin, "GET", "/openapi.json")
        gateway_ = proxy.service.gateway

    assert {*gone, stop.status} == {404}
    assert (front.status, front.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert b"console" not in front.body
    assert not [path for path in document.json()["paths"] if "console" in path or path.endswith("/stop")]
    assert (gateway_.console, gateway_.ended) == (None, None)


async def test_the_front_sends_browsers_to_it(tmp_path: Path) -> None:
    """By a relative address, so that a prefix which a proxy takes away stays; everybody else is told in a line."""
    async with gateway(tmp_path, NOWHERE) as proxy:
        browser = await request(proxy.origin, "GET", "/", headers={"Accept": "text/html,*/*;q=0.8"})
        other = await request(proxy.origin, "GET", "/", headers={"Accept": "*/*"})
        head = await request(proxy.origin, "HEAD", "/")
        slash = await request(proxy.origin, "GET", "/console/")

    assert (browser.status, browser.headers["location"], browser.headers["vary"]) == (
        302,
        "console",
        "Accept",
    )
    assert (other.status, other.body.count(b"\n"), head.status) == (200, 1, 200)
    assert (slash.status, slash.headers["location"]) == (308, "../console")


async def test_many_pages_end_with_the_process(tmp_path: Path) -> None:
    """They are no requests that a stop waits for."""
    async with gateway(tmp_path, NOWHERE) as proxy:
        async with Events(proxy.origin) as one, Events(proxy.origin) as two:
            await wait_until(lambda: one.of("running") and two.of("running"), PATIENCE)
            stopping = asyncio.get_running_loop().create_task(proxy.service.stop(asyncio.Event()))
            await wait_until(lambda: one.ended and two.ended, PATIENCE)
            await asyncio.wait_for(stopping, PATIENCE)
        proxy.service.stop = _nothing  # type: ignore[method-assign]


async def _nothing(*_: Any, **__: Any) -> None:
    """It has been done."""
