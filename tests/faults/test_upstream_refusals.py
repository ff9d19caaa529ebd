"""U25, U31 to U35: an upstream that answers properly, but not with what was asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults.kit import PIECES, ask, assert_idle, suffer, suffering
from tests.handlers.kit import COMPLETION, access_lines, gateway
from tests.support.logs import WATCH, expect_log
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Peer
from tests.support.scripts import answer, answer_json, head, stream
from tests.support.secrets import UPSTREAM_KEY

translated = pytest.mark.parametrize("form", ["stream", "whole"])


@translated
async def test_u25_the_other_form(form: str, tmp_path: Path) -> None:
    """One JSON object for a stream, a stream for one object: answered as asked, with a warning once a minute."""
    other = answer_json(COMPLETION) if form == "stream" else stream(*PIECES)
    with expect_log("handlers", "streams when it should not") as warned:
        async with Peer(other) as peer, gateway(tmp_path, peer.url) as proxy:
            answers = [await ask(proxy, form) for _ in range(3)]

    for got in answers:
        assert got.complete
        text = got.text() if form == "stream" else got.json()["choices"][0]["message"]["content"]
        assert text == "one two"
    assert [(r.levelname, r.provider) for r in warned] == [("WARNING", "peer")]  # type: ignore[attr-defined]


DATE = {"Date": "Wed, 21 Oct 2015 07:28:00 GMT"}
WAITS: dict[str, tuple[dict[str, str], str | None]] = {
    "seconds": ({"Retry-After": "7"}, "7"),
    "a date": ({"Retry-After": "Wed, 21 Oct 2015 07:28:09 GMT", **DATE}, "9"),
    "a date that has passed": ({"Retry-After": "Wed, 21 Oct 2015 07:27:00 GMT", **DATE}, "0"),
    "years": ({"Retry-After": "1000000000"}, "3600"),
    "garbage": ({"Retry-After": "soon"}, None),
    "negative": ({"Retry-After": "-1"}, None),
    "none": ({}, None),
}


@translated
@pytest.mark.parametrize("name", WAITS)
async def test_u31_rate_limit(form: str, name: str, tmp_path: Path) -> None:
    """429 with a Retry-After that is bounded, in seconds, and left out where it makes no sense."""
    headers, wanted = WAITS[name]
    met = await suffer(tmp_path, answer_json({"error": {"message": "slow"}}, 429, headers), form)

    met.refused(429, "rate_limit")
    assert met.answer.headers.get("retry-after") == wanted
    assert met.says("phase", "kind", "ended_by") == ("head", "429", "upstream")


async def test_u31_passthrough_passes_it_on(tmp_path: Path) -> None:
    """Untouched means untouched: the caller reads what the upstream said."""
    async with suffering(tmp_path, answer(b"slow", 429, {"Retry-After": "soon"})) as (_, proxy):
        got = await ask(proxy, "passthrough")

    assert (got.status, got.body, got.headers["retry-after"]) == (429, b"slow", "soon")


REJECTIONS = [
    (401, {"error": {"message": f"bad key {UPSTREAM_KEY}", "code": "invalid_api_key"}}),
    (403, {"error": {"message": "who are you?", "type": "authentication_error"}}),
]


@translated
@pytest.mark.parametrize(("status", "said"), REJECTIONS)
async def test_u33_our_key_is_rejected(form: str, status: int, said: Any, tmp_path: Path) -> None:
    """502, never the client's 401; one ERROR a minute for each provider, however many requests fail."""
    with expect_log("handlers", "rejects our key") as told:
        async with Peer(answer_json(said, status)) as peer, gateway(tmp_path, peer.url) as proxy:
            answers = [await ask(proxy, form) for _ in range(5)]

    for got in answers:
        assert (got.status, got.json()["error"]["code"]) == (502, "upstream_auth")
        assert "operator" in got.json()["error"]["message"]
    assert [(r.levelname, r.provider) for r in told] == [("ERROR", "peer")]  # type: ignore[attr-defined]
    assert peer.url.rpartition(":")[2] not in "\n".join(WATCH.of_test)


REFUSALS = [
    (
        400,
        {"error": {"message": "too long", "code": "context_length_exceeded"}},
        400,
        "context_length_exceeded",
    ),
    (400, {"error": {"message": "no", "type": "exceed_context_size_error"}}, 400, "context_length_exceeded"),
    (403, {"error": {"message": "not in your country"}}, 403, "upstream_error"),
    (404, {"error": {"message": "no such model", "code": "model_not_found"}}, 404, "model_not_found"),
    (413, {"error": "too large"}, 413, "upstream_error"),
    (422, {"detail": [{"loc": ["body", "x"], "msg": "no"}]}, 422, "upstream_error"),
]


@translated
@pytest.mark.parametrize(("status", "said", "kept", "code"), REFUSALS)
async def test_u34_refused(form: str, status: int, said: Any, kept: int, code: str, tmp_path: Path) -> None:
    """A verdict on the client's request keeps its status and words; it is not asked for twice."""
    met = await suffer(tmp_path, answer_json(said, status), form)

    met.refused(kept, code)
    assert met.says("phase", "kind") == ("head", "4xx")
    assert met.answer.json()["error"]["type"] in ("invalid_request_error", "permission_error")


SIZE = 10 << 20


@pytest.mark.parametrize(
    ("form", "status", "kept"),
    [
        ("stream", 500, 502),
        ("whole", 500, 502),
        ("stream", 529, 529),
        ("whole", 503, 503),
        ("passthrough", 502, 502),
    ],
)
async def test_u35_ten_megabytes_of_error(form: str, status: int, kept: int, tmp_path: Path) -> None:
    """A chat reads 64 KiB of it and closes: its sender gets rid of a fraction. Passthrough relays all of it."""
    sent = 0

    async def wordy(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.send(
            b"HTTP/1.1 %d Error\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % (status, SIZE)
        )
        while sent < SIZE:
            await exchange.send(b"sorry " * 10922 + b"....")
            sent += 65536

    async with suffering(tmp_path, wordy) as (peer, proxy):
        with access_lines() as lines:
            got = await ask(proxy, form)
            await wait_until(lambda: bool(lines))
        if form != "passthrough":
            await peer.closed_by_client()

    if form == "passthrough":
        assert (got.status, len(got.body), got.complete) == (status, SIZE, True)
        return
    assert (got.status, got.json()["error"]["code"]) == (kept, "upstream_error")
    assert len(got.json()["error"]["message"]) < 600
    assert (lines[0]["phase"], lines[0]["kind"]) == ("head", "5xx")
    assert sent < SIZE


async def test_u35_an_error_whose_body_never_ends(tmp_path: Path) -> None:
    """What has come of it is enough; it is not waited for until a limit."""
    said = json.dumps({"error": {"message": "engine died"}}).encode()

    async def stuck(exchange: Exchange) -> None:
        await exchange.send(head(503, {"Content-Type": "application/json", "Content-Length": "1000"}) + said)
        await exchange.left()

    async with Peer(stuck) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await ask(proxy, "stream")
        await peer.closed_by_client()
        await assert_idle(proxy)

    assert (got.status, got.json()["error"]["message"]) == (503, "engine died")
