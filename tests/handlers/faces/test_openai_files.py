"""OpenAI's files through the gateway: where they go without a model, and what is never sent on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import access_lines
from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.media_double import FILE_ID, SOUND, MediaDouble, digest, form_of
from tests.support.media_kit import UPLOAD, form, rows
from tests.support.peer import Peer
from tests.support.scripts import answer, stream
from tests.support.secrets import CLIENT_KEY, UPSTREAM_KEY

ONE = f"/v1/files/{FILE_ID}"


def two(first: str, second: str) -> dict[str, Any]:
    """Two providers; the model ``both`` is at each of them, but the first is out of use for it."""
    config = {"a": rows(first)["up"], "b": rows(second)["up"]}
    config["a"]["both"] = {"weight": 0}
    config["b"].update(both={}, other={})
    del config["b"]["m"]
    return config


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_a_file_and_the_only_provider(prefix: str, tmp_path: Path) -> None:
    """Sent, listed, looked at, read and deleted where it can only be, with our key and never the client's."""
    body, headers = form(("purpose", "batch"), ("file", UPLOAD))
    async with MediaDouble(UPSTREAM_KEY) as double:
        config = {**rows(double.url), "ollama": {"native": {}}}
        async with RunningGateway(tmp_path, config) as proxy:
            base = proxy.origin + prefix
            key = {"Authorization": f"Bearer {CLIENT_KEY}"}
            with access_lines() as lines:
                sent = await request(base, "POST", "/v1/files", body, headers=headers)
                listed = await request(base, "GET", "/v1/files?purpose=batch&limit=5", headers=key)
                shown = await request(base, "GET", ONE)
                content = await request(base, "GET", ONE + "/content")
                deleted = await request(base, "DELETE", ONE)

    assert (sent.json()["filename"], double.requests[0].body) == (digest(UPLOAD), body)
    assert [file["purpose"] for file in listed.json()["data"]] == ["batch"]
    assert (shown.json()["id"], deleted.json()["deleted"]) == (FILE_ID, True)
    assert content.body == SOUND[1]
    assert content.headers["content-disposition"] == 'attachment; filename="a.jsonl"'
    assert [received.path for received in double.requests] == [
        *("/v1/files", "/v1/files?purpose=batch&limit=5"),
        *(ONE, ONE + "/content", ONE),
    ]
    assert all(CLIENT_KEY.encode() not in received.raw for received in double.requests)
    assert [line["endpoint"] for line in lines] == [
        *("/v1/files", "/v1/files", "/v1/files/", "/v1/files/content", "/v1/files/"),
    ]


async def test_head(tmp_path: Path) -> None:
    """HEAD says what GET would, without its body; the upstream is asked with GET, which it knows."""
    async with MediaDouble() as double, RunningGateway(tmp_path, rows(double.url)) as proxy:
        got = await request(proxy.origin, "HEAD", ONE + "/content")
        shown = await request(proxy.origin, "GET", ONE + "/content")

    assert [received.method for received in double.requests] == ["GET", "GET"]
    assert (got.status, got.headers["content-length"]) == (200, str(len(shown.body)))


async def test_head_of_an_answer_without_a_length(tmp_path: Path) -> None:
    """No length is made up."""
    async with Peer(stream(b"one", b"two")) as peer, RunningGateway(tmp_path, rows(peer.url)) as proxy:
        got = await request(proxy.origin, "HEAD", ONE)

    assert (got.status, "content-length" in got.headers) == (200, False)


@pytest.mark.parametrize("hint", ["field", "query", "header"])
@pytest.mark.parametrize("model", ["other", "both"])
async def test_a_hint_chooses_and_stays_here(hint: str, model: str, tmp_path: Path) -> None:
    """A model as a field, in the query or in a header; the upstream sees none of it."""
    fields: list[tuple[str, str | bytes]] = [("purpose", "batch"), ("file", UPLOAD)]
    body, headers = form(*fields, *([("model", model)] if hint == "field" else []))
    path = "/v1/files" + (f"?model={model}" if hint == "query" else "")
    if hint == "header":
        headers["X-Model"] = model
    async with (
        MediaDouble() as first,
        MediaDouble() as second,
        RunningGateway(tmp_path, two(first.url, second.url)) as proxy,
    ):
        got = await request(proxy.origin, "POST", path, body, headers=headers)

    assert (got.json()["filename"], got.headers["x-llm-provider"]) == (digest(UPLOAD), "b")
    assert (first.requests, second.requests[0].path) == ([], "/v1/files")
    assert form_of(second.requests[0]) == {"purpose": "batch", "file": digest(UPLOAD)}
    assert b"X-Model" not in second.requests[0].raw


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_hint_without_a_body(method: str, tmp_path: Path) -> None:
    """Taken out of the query, whose other parameters stay as they are."""
    path = f"{ONE}?%6Cimit=%31&mo%64el=other&after=x"
    async with (
        MediaDouble() as first,
        MediaDouble() as second,
        RunningGateway(tmp_path, two(first.url, second.url)) as proxy,
    ):
        got = await request(proxy.origin, method, path)

    assert (got.status, got.headers["x-llm-provider"]) == (200, "b")
    assert second.requests[0].path == f"{ONE}?%6Cimit=%31&after=x"


async def test_where_to_is_not_guessed(tmp_path: Path) -> None:
    """With two providers a 400 says what to send; an unknown model is a 404, one of another dialect a 400."""
    async with Peer(answer(b"")) as peer:
        config = {**two(peer.url, peer.url), "ollama": {"native": {}}}
        async with RunningGateway(tmp_path, config) as proxy:
            unsaid = await request(proxy.origin, "GET", "/v1/files")
            unknown = await request(proxy.origin, "GET", "/v1/files?model=otter")
            native = await request(proxy.origin, "GET", "/v1/files", headers={"X-Model": "native"})

        assert peer.connections == 0
    assert (unsaid.status, unsaid.json()["error"]["param"]) == (400, "model")
    assert "X-Model" in unsaid.json()["error"]["message"]
    assert (unknown.status, unknown.json()["error"]["code"]) == (404, "model_not_found")
    assert (native.status, native.json()["error"]["code"]) == (400, "not_supported")


async def test_nobody_keeps_files(tmp_path: Path) -> None:
    """Where no upstream speaks that dialect, the answer says so."""
    async with RunningGateway(tmp_path, {"ollama": {"native": {}}}) as proxy:
        got = await request(proxy.origin, "GET", "/v1/files")

    assert (got.status, got.json()["error"]["code"]) == (400, "not_supported")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/files/..", 404),
        ("/v1/files/%2e%2e", 404),
        ("/v1/files/.", 404),
        ("/v1/files/a/b", 404),
        ("/v1/files/a%2fb", 404),
        ("/v1/files/a\\b", 404),
        ("/v1/files?a=\\", 400),
        ("/v1/files/x/content/..", 404),
    ],
)
async def test_a_path_cannot_leave_the_files(path: str, status: int, tmp_path: Path) -> None:
    """Before any connection."""
    async with Peer(answer(b"")) as peer, RunningGateway(tmp_path, rows(peer.url)) as proxy:
        got = await request(proxy.origin, "GET", path)

        assert peer.connections == 0
    assert got.status == status


async def test_an_id_that_looks_like_the_list(tmp_path: Path) -> None:
    """Is an id all the same."""
    async with Peer(answer(b"{}")) as peer, RunningGateway(tmp_path, rows(peer.url)) as proxy:
        await request(proxy.origin, "DELETE", "/v1/files/files")

    assert peer.requests[0].path == "/v1/files/files"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/files", "GET, HEAD, POST"),
        ("POST", ONE, "GET, HEAD, DELETE"),
        ("PUT", ONE + "/content", "GET, HEAD"),
    ],
)
async def test_other_methods(method: str, path: str, allowed: str, tmp_path: Path) -> None:
    """405, with those that there are."""
    async with RunningGateway(tmp_path, rows("http://127.0.0.1:9")) as proxy:
        got = await request(proxy.origin, method, path)

    assert (got.status, got.headers["allow"]) == (405, allowed)


async def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The upstream's own 404, in its words."""
    async with MediaDouble() as double, RunningGateway(tmp_path, rows(double.url)) as proxy:
        got = await request(proxy.origin, "GET", "/v1/files/file-gone")

    assert (got.status, got.json()["error"]["message"]) == (404, "No such File object: file-gone")
