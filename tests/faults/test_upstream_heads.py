"""U7, U8, U19 to U23: what an upstream can do wrong, or right, before the first byte of a body."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.kit import (
    FORMS,
    QUICK,
    ask,
    healthy,
    suffer,
    suffering,
)
from tests.support.peer import Exchange
from tests.support.scripts import drip, head, raw, silent

in_each_form = pytest.mark.parametrize("form", FORMS)


@in_each_form
async def test_u7_never_answers(form: str, tmp_path: Path) -> None:
    """504 at the first-byte limit, and the upstream sees the close."""
    met = await suffer(tmp_path, silent(), form, QUICK)

    met.refused(504, "timeout_first_byte")
    assert met.says("phase", "kind", "ended_by") == ("head", "timeout", "upstream")


async def test_u7_keep_alives_do_not_hide_it(tmp_path: Path) -> None:
    """Our own comments to the client neither stop nor move the limit; they only make it an event."""
    met = await suffer(tmp_path, silent(), "stream", QUICK, keepalive_after=0.05, keepalive_interval=0.05)

    met.broken_off("timeout_first_byte", "")
    assert met.answer.body.count(b": keep-alive\n\n") >= 2


@in_each_form
async def test_u8_a_dripping_head(form: str, tmp_path: Path) -> None:
    """The limit is for the whole head: a byte now and then does not move it."""
    met = await suffer(tmp_path, drip(head(200, {"X": "y" * 200}), 0.02), form, QUICK)

    met.refused(504, "timeout_first_byte")


OK = b"HTTP/1.1 200 OK\r\n"
HEADS: dict[str, tuple[bytes, str]] = {
    "u19 two lengths": (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "framing"),
    "u19 length and chunks": (
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "framing",
    ),
    "u19 gzip, chunked": (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "framing"),
    "u19 NUL": (OK + b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}", "framing"),
    "u19 folded": (OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}", "framing"),
    "u19 not HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "framing"),
    "u20 head over 64 KB": (OK + b"X: " + b"y" * 70_000 + b"\r\n\r\n", "too_large"),
    "u20 5,000 headers": (OK + b"X: y\r\n" * 5_000 + b"\r\n", "too_large"),
    "u21 endless 100": (b"HTTP/1.1 100 Continue\r\n\r\n" * 50, "informational"),
    "u23 101": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "protocol"),
}


@in_each_form
@pytest.mark.parametrize("name", HEADS)
async def test_heads_that_are_refused(form: str, name: str, tmp_path: Path) -> None:
    """502, the connection is closed at once although the upstream would go on, and it is never used again."""
    data, kind = HEADS[name]
    met = await suffer(tmp_path, raw(data, end="silence"), form)

    met.refused(502, "upstream_error")
    assert met.says("phase", "kind", "ended_by") == ("head", kind, "upstream")


@in_each_form
async def test_u20_sixteen_megabytes_in_one_value(form: str, tmp_path: Path) -> None:
    """An endless head is given up after its first 64 KiB: its sender gets rid of a fraction."""
    sent = 0

    async def endless(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.send(OK + b"X: ")
        while sent < 16 << 20:
            await exchange.send(b"y" * 65536)
            sent += 65536

    met = await suffer(tmp_path, endless, form)

    met.refused(502, "upstream_error")
    assert met.says("phase", "kind") == ("head", "too_large")
    assert sent < 16 << 20


@in_each_form
async def test_u21_some_informational_answers(form: str, tmp_path: Path) -> None:
    """Up to ten are skipped, early hints among them, and nothing of them reaches the client."""

    async def chatty(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 5)
        await exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 5)
        await healthy(exchange)

    async with suffering(tmp_path, chatty) as (_, proxy):
        got = await ask(proxy, form)

    assert (got.status, got.complete) == (200, True)
    assert "link" not in got.headers


BODILESS: dict[str, tuple[str, bytes, int]] = {
    "204 that promises a body": ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 10\r\n\r\n", 204),
    "304": ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nETag: x\r\n\r\n", 304),
    "HEAD": ("HEAD", OK + b"Content-Length: 10\r\n\r\n", 200),
}


@pytest.mark.parametrize("name", BODILESS)
async def test_u23_nobody_waits_for_a_body_that_never_comes(name: str, tmp_path: Path) -> None:
    """HEAD, 204 and 304 end with the head, whatever it says."""
    method, data, status = BODILESS[name]
    async with suffering(tmp_path, raw(data, end="clean")) as (_, proxy):
        got = await proxy.request(method, "/passthrough/peer/x")

    assert (got.status, got.body, got.complete) == (status, b"", True)


@pytest.mark.parametrize("form", ["stream", "whole"])
@pytest.mark.parametrize("status", [204, 304])
async def test_u23_no_answer_to_a_chat(form: str, status: int, tmp_path: Path) -> None:
    """A status without a body answers no question: 502, at once."""
    met = await suffer(tmp_path, raw(head(status), end="close"), form)

    met.refused(502, "upstream_error")
