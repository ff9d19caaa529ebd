"""Google's API from outside: paths and names, keep-alives, cuts, arrays, counts, models, errors, keys."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import COMPLETION, EVENTS, access_lines, chunk, config, gateway
from tests.support.client import Answer, Connection, request
from tests.support.gateway import RunningGateway
from tests.support.peer import Peer
from tests.support.scripts import answer_json, sse, stream
from tests.support.secrets import CLIENT_KEY, assert_no_secret

ASK: Any = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
WHOLE = "/v1beta/models/m:generateContent"
LIVE = "/v1beta/models/m:streamGenerateContent?alt=sse"
ARRAY = "/v1beta/models/m:streamGenerateContent"


def responses(answer: Answer) -> list[Any]:
    """The responses of a stream."""
    return [json.loads(block[6:]) for block in answer.body.decode().split("\n\n") if block.strip("\n")]


def texts(found: list[Any]) -> str:
    """What they say."""
    parts = [part for one in found for part in one["candidates"][0]["content"]["parts"]]
    return "".join(part.get("text", "") for part in parts)


@pytest.mark.parametrize("prefix", ["", "/gemini", "/api"])
@pytest.mark.parametrize("version", ["v1beta", "v1"])
@pytest.mark.parametrize("name", ["m", "org/m", "qwen3:8b", "org/m:q4", "models/m"])
async def test_paths_and_names(name: str, version: str, prefix: str, tmp_path: Path) -> None:
    """Names with slashes and colons, and with ``models/`` before them, in both versions, wherever the API stands."""
    async with Peer(answer_json(COMPLETION)) as peer:
        rows = config(peer.url)
        public = name.removeprefix("models/")
        rows["peer"][public] = rows["peer"].pop("m")
        async with RunningGateway(tmp_path, rows) as proxy:
            path = f"{prefix}/{version}/models/{name}:generateContent"
            got = await request(proxy.origin, "POST", path, ASK)
            one = await request(proxy.origin, "GET", f"/gemini/{version}/models/{name}")

    assert (got.status, got.json()["modelVersion"]) == (200, public)
    assert texts([got.json()]) == "one two"
    assert one.json()["name"] == f"models/{public}"


async def test_a_stream_is_nothing_but_data(tmp_path: Path) -> None:
    """Comments of the upstream do not pass, the silence is filled by blank lines, and the end is no event: Google's
    clients raise on everything else."""
    gate = asyncio.Event()
    first, *rest = sse(*EVENTS)
    async with (
        Peer(stream(b": from upstream\n\n", first, gate, *rest)) as peer,
        gateway(tmp_path, peer.url, keepalive_after=0.02, keepalive_interval=0.02) as proxy,
        Connection(proxy.origin) as client,
    ):
        await client.send("POST", LIVE, ASK)
        got = await client.head()
        while len(got.pieces) < 2:
            assert await client.piece(got)
        gate.set()
        await client.rest(got)

    assert got.complete
    assert got.headers["content-type"] == "text/event-stream"
    assert set(got.body.partition(b"data: ")[0]) == {ord("\n")}
    assert all(line == b"" or line.startswith(b"data: {") for line in got.body.split(b"\n"))
    found = responses(got)
    assert texts(found) == "one two"
    assert [one["candidates"][0].get("finishReason") for one in found] == [None, None, "STOP"]
    assert found[-1]["usageMetadata"] == {
        "promptTokenCount": 3,
        "candidatesTokenCount": 2,
        "totalTokenCount": 5,
    }


@pytest.mark.parametrize("path", [ARRAY, ARRAY + "?alt=json"])
async def test_an_array(path: str, tmp_path: Path) -> None:
    """Without ``alt=sse`` the stream is one JSON array of the same responses, whole even after keep-alives."""
    gate = asyncio.Event()
    first, *rest = sse(*EVENTS)
    async with (
        Peer(stream(first, gate, *rest)) as peer,
        gateway(tmp_path, peer.url, keepalive_after=0.02, keepalive_interval=0.02) as proxy,
        Connection(proxy.origin) as client,
    ):
        await client.send("POST", path, ASK)
        got = await client.head()
        while not got.pieces:
            assert await client.piece(got)
        gate.set()
        await client.rest(got)

    assert got.headers["content-type"] == "application/json"
    assert texts(got.json()) == "one two"


@pytest.mark.parametrize("end", ["cut", "reset", "clean"])
@pytest.mark.parametrize("path", [LIVE, ARRAY])
async def test_a_broken_stream_looks_broken(path: str, end: Any, tmp_path: Path) -> None:
    """After what came there is an error in Google's form, and a cut: an array stays open."""
    async with (
        Peer(stream(*sse(*EVENTS[:2], done=False), end=end)) as peer,
        gateway(tmp_path, peer.url) as proxy,
    ):
        got = await request(proxy.origin, "POST", path, ASK)

    assert not got.complete
    *before, error = responses(got) if path == LIVE else json.loads(got.body + b"]")
    assert texts(before) == "one"
    assert (error["error"]["code"], error["error"]["status"]) == (502, "UNAVAILABLE")


async def test_errors(tmp_path: Path) -> None:
    """Google's form with every problem; an unknown path, model and method too."""
    wrong = {
        "contents": [{"parts": [{"text": "hi"}]}],
        "generationConfig": {"temperature": "hot", "topP": True, "candidateCount": 0},
    }
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:

        async def ask(path: str, body: Any, method: str = "POST") -> Any:
            got = await request(proxy.origin, method, path, body)
            assert got.headers["content-type"] == "application/json"
            assert got.json()["error"]["code"] == got.status
            return got.json()["error"]

        bad = await ask(WHOLE, wrong)
        unknown = await ask(WHOLE.replace("/m:", "/nobody:"), ASK)
        nowhere = await ask("/v1beta/tunedModels/x:generateContent", ASK)
        elsewhere = await ask("/gemini/v1/files", None, "GET")
        no_method = await ask("/v1beta/models/m:predict", ASK)
        no_json = await ask(WHOLE, b"{")

    (fields,) = [detail for detail in bad["details"] if detail["@type"].endswith(".BadRequest")]
    assert bad["status"] == "INVALID_ARGUMENT"
    assert {violation["field"] for violation in fields["fieldViolations"]} == {
        "generationConfig.temperature",
        "generationConfig.topP",
        "generationConfig.candidateCount",
    }
    assert {unknown["status"], nowhere["status"], elsewhere["status"]} == {"NOT_FOUND"}
    assert no_method["code"] == 405
    assert no_json["status"] == "INVALID_ARGUMENT"
    assert not peer.requests


async def test_keys_are_neither_logged_nor_sent_on(tmp_path: Path) -> None:
    """A key in the query or in its header stays here, whatever the upstream is."""
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        with access_lines() as lines:
            for path in (f"{WHOLE}?key={CLIENT_KEY}", f"/v1beta/models?key={CLIENT_KEY}"):
                method = "GET" if path.startswith("/v1beta/models?") else "POST"
                body = None if method == "GET" else ASK
                got = await request(proxy.origin, method, path, body, headers={"x-goog-api-key": CLIENT_KEY})
                assert got.status == 200

    assert CLIENT_KEY not in repr(peer.requests[-1].headers) + peer.requests[-1].path
    assert_no_secret(repr(lines))


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"x-goog-api-key": "k"}, "models"),
        ({"x-goog-api-client": "google-genai-sdk/3"}, "models"),
        ({"x-goog-api-key": "k", "anthropic-version": "2023-06-01"}, "has_more"),
        ({"anthropic-version": "2023-06-01"}, "has_more"),
        ({}, "object"),
    ],
)
async def test_one_path_for_three_dialects(headers: dict[str, str], key: str, tmp_path: Path) -> None:
    """``/v1/models`` is everybody's: the client's own headers decide, also for errors."""
    async with RunningGateway(tmp_path, {"demo": {"demo": {}}}) as proxy:
        got = await request(proxy.origin, "GET", "/v1/models", headers=headers)
        lost = await request(proxy.origin, "GET", "/v1/models/nobody", headers=headers)

    assert key in got.json()
    assert lost.status == 404
    assert ("status" in lost.json()["error"]) is (key == "models")


async def test_models_come_in_pages(tmp_path: Path) -> None:
    """Every model once, in their order; a size of 0 is the usual one, and what is no token is a 400."""
    names = [f"m{number}" for number in range(5)]
    rows = {"demo": {name: {"input_size": 4096} for name in names}}
    async with RunningGateway(tmp_path, rows) as proxy:
        seen: list[str] = []
        token = ""
        while True:
            got = await request(proxy.origin, "GET", f"/v1beta/models?pageSize=2&pageToken={token}")
            seen += [model["name"] for model in got.json()["models"]]
            if not (token := got.json().get("nextPageToken", "")):
                break
        everything = await request(proxy.origin, "GET", "/v1beta/models?page_size=0")
        bad = await request(proxy.origin, "GET", "/v1beta/models?pageToken=x&pageSize=many")

    assert seen == [f"models/{name}" for name in names]
    assert len(everything.json()["models"]) == 5
    assert everything.json()["models"][0]["inputTokenLimit"] == 4096
    assert bad.status == 400
    assert "pageSize" in bad.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        ASK,
        {"generateContentRequest": {"model": "models/m", **ASK}},
        {"generate_content_request": {"model": "models/m", **ASK}},
        {"contents": {"parts": {"text": "hi"}}},
    ],
)
async def test_counting_is_free(body: Any, tmp_path: Path) -> None:
    """An upstream that cannot count is not asked to answer instead: the count is an estimate and says so."""
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await request(proxy.origin, "POST", "/v1beta/models/m:countTokens", body)
        empty = await request(proxy.origin, "POST", "/v1beta/models/m:countTokens", {})

    assert got.json()["totalTokens"] > 0
    assert got.headers["x-token-count"] == "estimate"
    assert empty.status == 400
    assert not peer.requests


async def test_a_picture_counts_as_one(tmp_path: Path) -> None:
    """A megabyte of base64 is no quarter of a million tokens."""
    blob = {"inlineData": {"mimeType": "image/png", "data": "A" * 1_000_000}}
    async with RunningGateway(tmp_path, {"demo": {"m": {}}}) as proxy:
        body = {"contents": [{"parts": [{"text": "hi"}, blob]}]}
        got = await request(proxy.origin, "POST", "/v1beta/models/m:countTokens", body)

    assert got.json()["totalTokens"] < 500


@pytest.mark.parametrize("path", [WHOLE, LIVE])
async def test_several_candidates(path: str, tmp_path: Path) -> None:
    """``candidateCount`` is asked for, and each candidate keeps its number and its own end."""
    two = [
        {**chunk({}), "choices": [{"index": n, "delta": {"content": f"c{n}"}, "finish_reason": None}]}
        for n in (0, 1)
    ]
    ends = [
        {**chunk({}), "choices": [{"index": n, "delta": {}, "finish_reason": reason}]}
        for n, reason in ((0, "stop"), (1, "length"))
    ]
    whole = {
        **COMPLETION,
        "choices": [
            {"index": n, "message": {"content": f"c{n}"}, "finish_reason": reason}
            for n, reason in ((0, "stop"), (1, "length"))
        ],
    }
    script = answer_json(whole) if path == WHOLE else stream(*sse(*two, *ends))
    async with Peer(script) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await request(proxy.origin, "POST", path, {**ASK, "generationConfig": {"candidateCount": 2}})
        sent = peer.requests[-1].json()

    last = got.json() if path == WHOLE else responses(got)[-1]
    assert sent["n"] == 2
    assert [(one["index"], one["finishReason"]) for one in last["candidates"]] == [
        (0, "STOP"),
        (1, "MAX_TOKENS"),
    ]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "embedContent",
            {"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 2, "taskType": "CLUSTERING"},
        ),
        (
            "batchEmbedContents",
            {
                "requests": [
                    {"model": "models/m", "content": {"parts": [{"text": "a"}]}, "output_dimensionality": 2},
                    {
                        "model": "models/m",
                        "content": {"parts": [{"text": "b"}]},
                        "embedContentConfig": {"outputDimensionality": 2, "taskType": "CLUSTERING"},
                    },
                ]
            },
        ),
    ],
)
async def test_embeddings(path: str, body: Any, tmp_path: Path) -> None:
    """One vector or several, in their order; what only tells Google the purpose is named."""
    count = len(body.get("requests", [0]))
    data = [{"index": n, "embedding": [n, 0.5]} for n in reversed(range(count))]
    script = answer_json({"object": "list", "data": data, "model": "up", "usage": {"prompt_tokens": 2}})
    async with Peer(script) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await request(proxy.origin, "POST", f"/v1beta/models/m:{path}", body)
        sent = peer.requests[-1].json()

    assert (sent["input"], sent["dimensions"]) == (["a", "b"][:count], 2)
    assert got.headers["x-dropped-params"] == "taskType"
    vectors = [{"values": [n, 0.5]} for n in range(count)]
    made = {"embedding": vectors[0]} if path == "embedContent" else {"embeddings": vectors}
    assert got.json() == {**made, "usageMetadata": {"promptTokenCount": 2}}
