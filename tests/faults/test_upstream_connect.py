"""U1 to U4, U9, U10, U13: no answer at all. The client gets a status in each form, the log says where it failed."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.net.resolver import Resolver
from tests.faults.kit import (
    BODIES,
    FORMS,
    QUICK,
    Suffered,
    assert_idle,
    assert_well,
    failing,
    healthy,
    pooled,
    suffer,
)
from tests.handlers.kit import access_lines, gateway
from tests.support.addresses import black_hole_url, refused_url
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Peer
from tests.support.scripts import raw

in_each_form = pytest.mark.parametrize("form", FORMS)


@in_each_form
async def test_u1_refused(form: str, tmp_path: Path) -> None:
    """Nobody listens: 502, and neither host nor port in the body."""
    url = refused_url()
    async with gateway(tmp_path, url) as proxy:
        met = await failing(proxy, form)

    met.refused(502, "upstream_unreachable")
    assert url.rpartition(":")[2] not in met.answer.body.decode()
    assert met.says("phase", "kind", "ended_by") == ("connect", "refused", "upstream")


def lookups(proxy: RunningGateway, hanging: threading.Event) -> None:
    """Names end in the test: ``good.example`` is loopback, ``slow.example`` hangs, others do not exist."""

    def lookup(host: str, port: Any, *rest: Any, **more: Any) -> Sequence[Any]:
        if host.startswith("slow"):
            hanging.wait(20)
        if not host.startswith("good"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    pooled(proxy).dialer._resolver = Resolver(lookup)


@in_each_form
async def test_u2_no_such_name(form: str, tmp_path: Path) -> None:
    """A name that does not exist is a 502 whose message does not repeat it."""
    async with gateway(tmp_path, "http://nowhere.example:81") as proxy:
        lookups(proxy, threading.Event())
        met = await failing(proxy, form)

    met.refused(502, "upstream_unreachable")
    assert "nowhere" not in met.answer.body.decode()
    assert met.says("phase", "kind") == ("resolve", "nxdomain")


async def test_u3_names_that_hang(tmp_path: Path) -> None:
    """Ten requests whose look-ups hang end at the connect limit; meanwhile another name is looked up and answers."""
    hanging = threading.Event()
    async with Peer(healthy) as peer:
        good = f"http://good.example:{peer.port}/v1"
        fields: dict[str, Any] = {"api_type": "openai", "timeouts": {"connect": 0.5}}
        rows = {"slow": {"defaults": {**fields, "api_host": "http://slow.example:81/v1"}}}
        rows |= {"peer": {"defaults": {**fields, "api_host": good}, "m": {"model": "up"}}}
        rows["slow"] |= {f"m{n}": {"api_host": f"http://slow{n}.example:81/v1"} for n in range(10)}
        async with RunningGateway(tmp_path, rows) as proxy:
            lookups(proxy, hanging)
            with access_lines() as lines:
                bodies = [{**BODIES["whole"], "model": f"m{n}"} for n in range(10)]
                slow = [asyncio.ensure_future(proxy.request("POST", "/chat", body)) for body in bodies]
                await wait_until(lambda: len(proxy.service.gateway.running) == 10)
                await assert_well(proxy)
                assert not any(task.done() for task in slow)
                answers = await asyncio.gather(*slow)
            hanging.set()

    late = [Suffered("whole", got, line) for got, line in zip(answers, lines[1:], strict=True)]
    for met in late:
        met.refused(504, "timeout_connect")
        assert met.says("phase", "kind") == ("resolve", "timeout")


@in_each_form
async def test_u4_black_hole(form: str, tmp_path: Path) -> None:
    """A host that drops every SYN is given up at the connect limit."""
    with black_hole_url() as url:
        async with gateway(tmp_path, url, fields=QUICK) as proxy:
            met = await failing(proxy, form)

    met.refused(504, "timeout_connect")
    assert met.says("phase", "kind", "ended_by") == ("connect", "timeout", "upstream")


@in_each_form
@pytest.mark.parametrize(("end", "kind"), [("cut", "eof"), ("reset", "reset")])
async def test_u9_u13_closed_before_the_head(form: str, end: Any, kind: str, tmp_path: Path) -> None:
    """FIN or RST on a fresh connection instead of an answer: 502, and the request is not sent a second time."""
    met = await suffer(tmp_path, raw(end=end), form)

    met.refused(502, "upstream_unreachable")
    assert met.says("phase", "kind", "ended_by") == ("head", kind, "upstream")


@in_each_form
async def test_u10_a_stale_connection(form: str, tmp_path: Path) -> None:
    """A pooled connection that the server closed costs nothing: one retry on a fresh one, and the line tells."""
    met: list[int] = []

    async def tired(exchange: Exchange) -> None:
        """The second request of the first connection meets its close."""
        met.append(exchange.request.connection)
        if met == [0, 0]:
            exchange.close()
        else:
            await healthy(exchange)

    async with Peer(tired) as peer, gateway(tmp_path, peer.url) as proxy:
        await assert_well(proxy, form)
        with access_lines() as lines:
            await assert_well(proxy, form)
            await wait_until(lambda: bool(lines))
        await assert_idle(proxy)

    assert met == [0, 0, 1]
    assert [(line["status"], line["retried"]) for line in lines] == [(200, True)]


@in_each_form
async def test_u10_the_retry_is_one(form: str, tmp_path: Path) -> None:
    """If the fresh connection dies as well, that is the answer; and a byte of an answer forbids the retry."""
    met: list[int] = []

    async def dying(exchange: Exchange) -> None:
        met.append(exchange.request.connection)
        if len(met) == 1:
            await healthy(exchange)
        elif len(met) == 4:
            await exchange.send(b"H")
            exchange.close()
        else:
            exchange.close()

    async with Peer(dying) as peer, gateway(tmp_path, peer.url) as proxy:
        await assert_well(proxy, form)
        first = await failing(proxy, form)
        fresh = await failing(proxy, form)

    first.refused(502, "upstream_unreachable")
    fresh.refused(502, "upstream_unreachable")
    assert met == [0, 0, 1, 2]
