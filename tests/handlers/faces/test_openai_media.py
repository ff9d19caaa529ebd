"""OpenAI's audio, images and moderations through the gateway: what is sent on, what comes back, and every bad end."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from handlers.base import media
from handlers.base.relaying import RelayingHandler
from llm_proxy.faces.media.body import read_body
from tests.handlers.kit import access_lines
from tests.support.client import Answer, Connection, request
from tests.support.gateway import RunningGateway
from tests.support.logs import expect_log
from tests.support.loops import wait_until
from tests.support.media_double import PICTURE, SOUND, MediaDouble, as_json, digest, form_of
from tests.support.media_kit import UPLOAD, form, rows
from tests.support.peer import Peer
from tests.support.scripts import answer, raw, silent, sse, stream
from tests.support.secrets import CLIENT_KEY, COOKIE, UPSTREAM_KEY, assert_no_secret

SPEECH = {"model": "m", "input": "hi", "voice": "alloy"}


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_speech_is_relayed_byte_for_byte(prefix: str, tmp_path: Path) -> None:
    """The upstream's name stands where the public one stood, every other byte of the JSON as it was; the sound comes
    back as it is, and nothing of the upstream's own."""
    sent = as_json({"input": 'say "model"', "model": "m", "voice": "alloy", "speed": 1.0})
    async with MediaDouble(UPSTREAM_KEY) as double, RunningGateway(tmp_path, rows(double.url)) as proxy:
        got = await request(
            proxy.origin + prefix, "POST", "/v1/audio/speech", sent, headers={"Cookie": COOKIE}
        )
        (received,) = double.requests

    assert received.body == sent.replace(b'"m"', b'"tts-double"')
    assert (got.status, got.complete, got.body) == (200, True, b"".join(SOUND))
    assert got.headers["content-type"] == "audio/mpeg"
    assert (got.headers["x-llm-provider"], got.headers["x-llm-model"]) == ("up", "tts-double")
    assert {"x-request-id", "x-config-generation"} <= got.headers.keys()
    assert not {"set-cookie", "alt-svc", "openai-organization"} & got.headers.keys()
    assert_no_secret(got.body)
    assert COOKIE.encode() not in received.raw


async def test_an_upload_keeps_its_bytes(tmp_path: Path) -> None:
    """Only the field with the model's name changes, wherever it stands; a name in quotes within a file's name is none."""
    body, headers = form(("file", UPLOAD), ("model", "m"), ("language", "pl"))
    async with MediaDouble() as double, RunningGateway(tmp_path, rows(double.url, "whisper-double")) as proxy:
        got = await request(proxy.origin, "POST", "/v1/audio/transcriptions", body, headers=headers)
        (received,) = double.requests

    assert got.json()["text"] == digest(UPLOAD)
    assert received.body == body.replace(b"\r\n\r\nm\r\n", b"\r\n\r\nwhisper-double\r\n")
    assert received.header("Content-Type") == headers["Content-Type"]


async def test_a_stream_is_flushed_as_it_comes(tmp_path: Path) -> None:
    """The first event is here before the upstream has made the second; the headers keep proxies from holding it back."""
    body, headers = form(("model", "m"), ("stream", "true"), ("file", b"sound"))
    async with MediaDouble() as double, RunningGateway(tmp_path, rows(double.url, "whisper-double")) as proxy:
        double.gate = asyncio.Event()
        async with Connection(proxy.origin) as client:
            await client.send("POST", "/v1/audio/transcriptions", body, headers=headers)
            got = await client.head()
            first = await client.piece(got)
            double.gate.set()
            await client.rest(got)

    assert json.loads(first.removeprefix(b"data: ")) == {"type": "transcript.text.delta", "delta": "zażółć"}
    assert (got.complete, got.events()[-1]["text"]) == (True, "zażółć 漢字")
    assert (got.headers["cache-control"], got.headers["x-accel-buffering"]) == (
        "no-cache, no-transform",
        "no",
    )


IMAGES: list[tuple[str, tuple[tuple[str, str | bytes], ...]]] = [
    ("/v1/images/edits", (("model", "m"), ("prompt", "p"), ("image[]", b"one"), ("image[]", UPLOAD))),
    ("/v1/images/variations", (("image", UPLOAD), ("model", "m"))),
    ("/v1/audio/translations", (("file", UPLOAD), ("model", "m"))),
]


@pytest.mark.parametrize(("path", "fields"), IMAGES)
async def test_other_uploads(path: str, fields: tuple[tuple[str, str | bytes], ...], tmp_path: Path) -> None:
    """The same for pictures and translations."""
    body, headers = form(*fields)
    async with MediaDouble() as double, RunningGateway(tmp_path, rows(double.url, "image-double")) as proxy:
        got = await request(proxy.origin, "POST", path, body, headers=headers)

    assert got.status == 200
    assert digest(UPLOAD) in got.body.decode()


async def test_json_endpoints(tmp_path: Path) -> None:
    """Pictures and verdicts; the access line says what was asked, of whom, and nothing of the text."""
    async with MediaDouble() as double, RunningGateway(tmp_path, rows(double.url, "image-double")) as proxy:
        with access_lines() as lines:
            picture = await request(
                proxy.origin, "POST", "/v1/images/generations", {"model": "m", "prompt": CLIENT_KEY}
            )
            verdict = await request(
                proxy.origin, "POST", "/v1/moderations", {"model": "m", "input": ["a", "b"]}
            )

    assert picture.json()["data"][0]["b64_json"] == PICTURE
    assert len(verdict.json()["results"]) == 2
    line = lines[0]
    assert (line["endpoint"], line["status"], line["model"]) == ("/v1/images/generations", 200, "m")
    assert (line["provider"], line["upstream_model"]) == ("up", "image-double")
    assert line["upstream_bytes"] == len(picture.body)
    assert_no_secret(str(lines))


async def test_addresses_never_reach_an_upstream(tmp_path: Path) -> None:
    """Neither in JSON nor in a form; the answer names them."""
    body, headers = form(("api_key", CLIENT_KEY), ("file", UPLOAD), ("model", "m"), ("base_url", "http://x"))
    sent = {**SPEECH, "api_base": "http://x", "api_key": CLIENT_KEY}
    async with MediaDouble() as double, RunningGateway(tmp_path, rows(double.url)) as proxy:
        spoken = await request(proxy.origin, "POST", "/v1/audio/speech", sent)
        heard = await request(proxy.origin, "POST", "/v1/audio/transcriptions", body, headers=headers)

    assert (spoken.status, spoken.headers["x-dropped-params"]) == (200, "api_base, api_key")
    assert (heard.json()["text"], heard.headers["x-dropped-params"]) == (digest(UPLOAD), "api_key, base_url")
    assert double.requests[0].json() == {**SPEECH, "model": "tts-double"}
    assert set(form_of(double.requests[1])) == {"file", "model"}


STATUSES = [(400, 400), (404, 404), (422, 422), (429, 429), (500, 502), (503, 503)]


@pytest.mark.parametrize(("theirs", "ours"), STATUSES)
async def test_an_upstreams_refusal_keeps_status_and_words(theirs: int, ours: int, tmp_path: Path) -> None:
    """As on every other endpoint, in OpenAI's form, with the time to wait."""
    async with (
        MediaDouble() as double,
        RunningGateway(tmp_path, rows(double.url, f"error-{theirs}")) as proxy,
    ):
        got = await request(proxy.origin, "POST", "/v1/audio/speech", SPEECH)

    assert got.status == ours
    assert got.json()["error"]["message"] == double.error(theirs)["message"]
    assert got.json()["error"]["request_id"] == got.headers["x-request-id"]
    assert got.headers.get("retry-after") == ("7" if theirs in (429, 503) else None)


async def test_a_rejected_key_is_not_the_clients_fault(tmp_path: Path) -> None:
    """502, and the key that the upstream repeats stays here."""
    async with MediaDouble("another") as double, RunningGateway(tmp_path, rows(double.url)) as proxy:
        with expect_log("handlers.base.handler", "an upstream rejects our key"):
            got = await request(proxy.origin, "POST", "/v1/audio/speech", SPEECH)

    assert (got.status, got.json()["error"]["code"]) == (502, "upstream_auth")
    assert_no_secret(got.body)


async def test_a_cut_sound_stays_a_cut(tmp_path: Path) -> None:
    """No byte is added to it, and no clean end."""
    async with MediaDouble() as double, RunningGateway(tmp_path, rows(double.url, "dies")) as proxy:
        got = await request(proxy.origin, "POST", "/v1/audio/speech", SPEECH)

    assert (got.status, got.complete, got.body) == (200, False, b"".join(SOUND[:2]))


@pytest.mark.parametrize(("half", "told"), [(b"", True), (b'data: {"ty', False)])
async def test_a_cut_stream_says_so_where_there_is_room(half: bytes, told: bool, tmp_path: Path) -> None:
    """Between two events there is room for one with the error; within one there is none. The cut is visible in both."""
    pieces = [*sse({"type": "speech.audio.delta"}, done=False), *([half] if half else [])]
    async with Peer(stream(*pieces, end="cut")) as peer, RunningGateway(tmp_path, rows(peer.url)) as proxy:
        got = await request(proxy.origin, "POST", "/v1/audio/speech", SPEECH)

    assert (got.status, got.complete) == (200, False)
    rest = got.body.removeprefix(b"".join(pieces))
    assert bool(rest) is told
    if told:
        assert json.loads(rest.removeprefix(b"data: "))["error"]["code"] == "upstream_error"


@pytest.mark.parametrize("half", [b"", b"data: {"])
async def test_a_silent_stream_is_kept_alive_between_events(half: bytes, tmp_path: Path) -> None:
    """With comments, from the first event on and before it; within an event nothing is written."""
    gate = asyncio.Event()
    event = b"data: {}\n\n"
    async with (
        Peer(stream(gate, event, *([half] if half else []), end="silence")) as peer,
        RunningGateway(
            tmp_path, rows(peer.url, timeouts={"idle": 1.0}), keepalive_after=0.05, keepalive_interval=0.05
        ) as proxy,
        Connection(proxy.origin) as client,
    ):
        await client.send("POST", "/v1/audio/speech", SPEECH)
        got = await client.head()
        first = await client.piece(got)
        gate.set()
        await client.rest(got)

    comment = b": keep-alive\n\n"
    before, _, after = got.body.partition(event)
    assert (first, before.replace(comment, b"")) == (comment, b"")
    assert (comment in after, b"timeout_idle" in after) == (not half, not half)
    assert after.startswith(half)
    assert not got.complete


async def test_a_silent_sound_gets_no_comments(tmp_path: Path) -> None:
    """Only streams of events have a place for them."""
    async with (
        Peer(stream(b"one\n\n", end="silence", content_type="audio/mpeg")) as peer,
        RunningGateway(
            tmp_path, rows(peer.url, timeouts={"idle": 0.3}), keepalive_after=0.05, keepalive_interval=0.05
        ) as proxy,
    ):
        got = await request(proxy.origin, "POST", "/v1/audio/speech", SPEECH)

    assert (got.body, got.complete) == (b"one\n\n", False)


FAULTS = [(raw(end="cut"), 502, "upstream_unreachable"), (silent(), 504, "timeout_first_byte")]


@pytest.mark.parametrize(("script", "status", "code"), FAULTS)
async def test_no_answer_is_our_error(script: Any, status: int, code: str, tmp_path: Path) -> None:
    """What the upstream did not say, we say, in our form."""
    config = rows("", timeouts={"first_byte": 0.2})
    async with Peer(script) as peer:
        config["up"]["defaults"]["api_host"] = peer.url + "/v1"
        async with RunningGateway(tmp_path, config) as proxy:
            got = await request(proxy.origin, "POST", "/v1/audio/speech", SPEECH)

    assert (got.status, got.json()["error"]["code"]) == (status, code)


async def test_the_upstream_sees_that_the_client_left(tmp_path: Path) -> None:
    """In the middle of an answer, as on any other endpoint."""
    endless = stream(b"one", end="silence", content_type="audio/mpeg")
    async with Peer(endless) as peer, RunningGateway(tmp_path, rows(peer.url)) as proxy:
        with access_lines() as lines:
            async with Connection(proxy.origin) as client:
                await client.send("POST", "/v1/audio/speech", SPEECH)
                await client.piece(await client.head())
            await peer.closed_by_client(deadline=2)
            await wait_until(lambda: bool(lines))

    assert [(line["status"], line["ended_by"]) for line in lines] == [(499, "client")]


async def test_a_client_that_left_in_time_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who leaves while a large upload is read causes no call."""
    reading, go_on = threading.Event(), threading.Event()
    closed = asyncio.Event()

    def slowly(data: bytes, kind: str) -> Any:
        reading.set()
        assert go_on.wait(10)
        return read_body(data, kind)

    def left(handler: media.MediaHandler) -> None:
        RelayingHandler.on_connection_close(handler)
        closed.set()

    monkeypatch.setattr(media, "read_body", slowly)
    monkeypatch.setattr(media.MediaHandler, "on_connection_close", left)
    body, headers = form(("model", "m"), ("file", UPLOAD))
    async with Peer(answer(b"")) as peer, RunningGateway(tmp_path, rows(peer.url)) as proxy:
        with access_lines() as lines:
            async with Connection(proxy.origin) as client:
                await client.send("POST", "/v1/audio/transcriptions", body, headers=headers)
                await wait_until(reading.is_set)
            await asyncio.wait_for(closed.wait(), 5)
            go_on.set()
            await wait_until(lambda: bool(lines))

        assert peer.connections == 0
    assert [line["status"] for line in lines] == [499]


async def test_a_slow_client_slows_the_upstream(tmp_path: Path) -> None:
    """Of an endless sound no more is taken than the sockets and one bounded buffer hold."""
    piece = b"x" * 65536
    endless = stream(*[piece] * 2000, content_type="audio/mpeg")
    async with (
        Peer(endless) as peer,
        RunningGateway(tmp_path, rows(peer.url)) as proxy,
        Connection(proxy.origin) as client,
    ):
        await client.send("POST", "/v1/audio/speech", SPEECH)
        await client.head()
        running: Any = next(iter(proxy.service.gateway.running))
        seen: list[int] = []

        def stands() -> bool:
            seen.append(running.exchange.received)
            return len(seen) > 20 and len(set(seen[-20:])) == 1

        await wait_until(stands, 20)
        held = running.exchange._size + running.connection._transport.get_write_buffer_size()

    assert held < 1 << 20
    assert 0 < seen[-1] < 2000 * len(piece)


BAD: list[tuple[str, Any, int, str | None]] = [
    ("/v1/audio/speech", {"input": "hi"}, 400, "model"),
    ("/v1/audio/speech", {"model": 3}, 400, "model"),
    ("/v1/audio/speech", {"model": "mm"}, 404, "model"),
    ("/v1/audio/speech", b"[1]", 400, None),
    ("/v1/audio/speech", b'{"model": "m", "model": "x"}', 400, None),
    ("/v1/audio/speech", {"model": "native"}, 400, "model"),
    ("/v1/audio/transcriptions", form(("file", b"x")), 400, "model"),
    ("/v1/audio/transcriptions", form(("model", "m"), ("model", "x")), 400, "model"),
    ("/v1/audio/transcriptions", form(("model", b"m")), 400, "model"),
    ("/v1/audio/transcriptions", (b"--b--", {"Content-Type": "multipart/form-data"}), 400, None),
    ("/v1/audio/transcriptions", (b"--b--", {"Content-Type": "multipart/mixed; boundary=b"}), 415, None),
    ("/v1/images/generations", {"prompt": "p"}, 400, "model"),
    ("/v1/moderations", {"input": "p"}, 400, "model"),
]


@pytest.mark.parametrize(("path", "sent", "status", "param"), BAD)
async def test_bad_requests(path: str, sent: Any, status: int, param: str | None, tmp_path: Path) -> None:
    """A clear 4xx that names the field, which no client repeats, and no connection."""
    body, headers = sent if isinstance(sent, tuple) else (sent, {})
    async with Peer(answer(b"")) as peer:
        config = {**rows(peer.url), "two": rows(peer.url)["up"]}
        config["ollama"] = {"native": {"api_host": peer.url}}
        async with RunningGateway(tmp_path, config) as proxy:
            got = await request(proxy.origin, "POST", path, body, headers=headers)

        assert peer.connections == 0
    assert (got.status, got.json()["error"]["param"]) == (status, param)


async def test_a_model_of_another_dialect(tmp_path: Path) -> None:
    """Refused in words that say why; where the model has an upstream of this dialect too, that one is taken."""
    async with MediaDouble() as double:
        config = rows(double.url)
        config["ollama"] = {"m": {"weight": 1000}, "native": {}}
        async with RunningGateway(tmp_path, config) as proxy:
            taken = [await request(proxy.origin, "POST", "/v1/audio/speech", SPEECH) for _ in range(3)]
            refused = await request(proxy.origin, "POST", "/v1/audio/speech", {**SPEECH, "model": "native"})

    assert [got.headers["x-llm-provider"] for got in taken] == ["up"] * 3
    error = refused.json()["error"]
    assert (refused.status, error["code"], error["type"]) == (400, "not_supported", "invalid_request_error")
    assert "ollama" in error["message"]


@pytest.mark.parametrize("path", ["/v1/images/generations", "/v1/moderations"])
async def test_the_only_provider_needs_no_model(path: str, tmp_path: Path) -> None:
    """That API lets the model out here; so it goes where it can only be meant to go, without one."""
    async with MediaDouble() as double:
        config = {**rows(double.url), "ollama": {"native": {}}, "demo": {"demo": {}}}
        sent = as_json({"prompt" if "images" in path else "input": "x"})
        async with RunningGateway(tmp_path, config) as proxy:
            got = await request(proxy.origin, "POST", path, sent)

    assert (got.status, double.requests[0].body) == (200, sent)
    assert (got.headers["x-llm-provider"], "x-llm-model" in got.headers) == ("up", False)


async def test_the_limit_of_bodies_holds(tmp_path: Path) -> None:
    """An upload that is too large is a 413 before it is read."""
    body, headers = form(("model", "m"), ("file", UPLOAD))
    async with Peer(answer(b"")) as peer:
        async with RunningGateway(tmp_path, rows(peer.url), max_body_size=2048) as proxy:
            got: Answer = await request(
                proxy.origin, "POST", "/v1/audio/transcriptions", body, headers=headers
            )

        assert peer.connections == 0
    assert (got.status, got.json()["error"]["code"]) == (413, "request_too_large")


async def test_a_large_upload(tmp_path: Path) -> None:
    """Several megabytes keep every byte, and go on in slices."""
    large = UPLOAD * 100
    body, headers = form(("file", large), ("model", "m"))
    async with MediaDouble() as double, RunningGateway(tmp_path, rows(double.url, "whisper-double")) as proxy:
        got = await request(proxy.origin, "POST", "/v1/audio/transcriptions", body, headers=headers)

    assert got.json()["text"] == digest(large)
