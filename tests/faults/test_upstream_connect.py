"""U1 to U6, U9, U10, U13: no answer at all. In each form the client gets a status, the log says where it failed."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.resolver import Resolver
from llm_proxy.sse import dumps
from tests.faults.kit import (
    BODIES,
    FORMS,
    PATHS,
    QUICK,
    Suffered,
    ask,
    assert_idle,
    assert_well,
    healthy,
    once,
    pooled,
    suffer,
)
from tests.handlers.kit import COMPLETION, access_lines, gateway
from tests.support.addresses import black_hole_url, refused_url
from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Peer
from tests.support.raw_peer import CA, RawPeer, Wire, answers, ok, server_tls
from tests.support.scripts import raw

in_each_form = pytest.mark.parametrize("form", FORMS)


async def failing(proxy: RunningGateway, form: str) -> Suffered:
    """One request that gets no answer."""
    with access_lines() as lines:
        got = await ask(proxy, form)
        await wait_until(lambda: bool(lines))
    await assert_idle(proxy)
    (line,) = lines
    return Suffered(form, got, line)


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


CERTIFICATES = {
    "self-signed": "self-signed certificate",
    "wrong-name": "it is for another host name",
    "expired": "certificate has expired",
}


@in_each_form
@pytest.mark.parametrize(("name", "words"), CERTIFICATES.items())
async def test_u5_certificates(
    form: str, name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that fails a check is refused; the message says which, and nothing is sent or tried again."""
    monkeypatch.setenv("SSL_CERT_FILE", CA)
    async with Peer(healthy, tls=server_tls(name)) as peer, gateway(tmp_path, peer.url) as proxy:
        met = await failing(proxy, form)
        await wait_until(lambda: peer.connections <= 1)
        assert not peer.requests

    met.refused(502, "upstream_unreachable")
    message = met.answer.json()["error"]["message"]
    assert "certificate" in message
    assert words in message
    assert met.says("phase", "kind") == ("tls", "verify")


async def test_u5_a_trusted_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other side of it: with a certificate of a trusted CA the answer comes."""
    monkeypatch.setenv("SSL_CERT_FILE", CA)
    good = answers(ok(dumps(COMPLETION), b"Content-Type: application/json"))
    async with RawPeer(good, tls=server_tls()) as peer, gateway(tmp_path, peer.url.rstrip("/")) as proxy:
        await assert_well(proxy, "whole")


@in_each_form
async def test_u6_plain_http_on_a_tls_port(form: str, tmp_path: Path) -> None:
    """A server that does not speak TLS where it should is a 502 that names the handshake."""

    async def plain(wire: Wire) -> None:
        await wire.reader.read(10)
        await wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await wire.closed()

    async with RawPeer(plain) as peer:
        async with gateway(tmp_path, f"https://127.0.0.1:{peer.port}") as proxy:
            met = await failing(proxy, form)
        await peer.left()

    met.refused(502, "upstream_unreachable")
    assert met.says("phase", "kind") == ("tls", "protocol")


@in_each_form
async def test_u6_a_handshake_that_stalls(form: str, tmp_path: Path) -> None:
    """The connect limit covers the handshake; the upstream sees the close."""

    async def stall(wire: Wire) -> None:
        await wire.closed()

    async with RawPeer(stall) as peer:
        async with gateway(tmp_path, f"https://127.0.0.1:{peer.port}", fields=QUICK) as proxy:
            met = await failing(proxy, form)
        await peer.left()

    met.refused(504, "timeout_connect")
    assert met.says("phase", "kind") == ("tls", "timeout")


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


async def test_l6_a_black_hole_beside_others(tmp_path: Path) -> None:
    """L6: while requests to one provider hang, another answers; they share no queue."""
    with black_hole_url() as url:
        async with Peer(once(healthy)) as peer:
            fields = {"api_type": "openai", "timeouts": {"connect": 5}}
            rows = {"hole": {"defaults": {**fields, "api_host": url + "/v1"}, "lost": {}}}
            rows |= {"peer": {"defaults": {**fields, "api_host": peer.url + "/v1"}, "m": {"model": "up"}}}
            async with RunningGateway(tmp_path, rows) as proxy:
                body = {**BODIES["whole"], "model": "lost"}
                lost = [
                    asyncio.ensure_future(request(proxy.url, "POST", PATHS["whole"], body)) for _ in range(20)
                ]
                await wait_until(lambda: len(proxy.service.gateway.running) == 20)
                for form in FORMS:
                    await assert_well(proxy, form)
                assert not any(task.done() for task in lost)
                for task in lost:
                    task.cancel()
                await asyncio.gather(*lost, return_exceptions=True)
                await assert_idle(proxy)
