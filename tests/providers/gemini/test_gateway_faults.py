"""POST /chat in front of the Gemini API, when something goes wrong, and while the answer runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import Answer, Connection
from tests.support.gateway import RunningGateway
from tests.support.gemini_double import WORDS, GeminiDouble
from tests.support.logs import expect_log
from tests.support.secrets import PROMPT, UPSTREAM_KEY, assert_no_secret

MESSAGES = [{"role": "user", "content": PROMPT}]
FAILING = (
    "nope",
    "dies",
    "mute",
    "error-400",
    "error-401",
    "error-403",
    "error-429",
    "error-500",
    "error-503",
)
REJECTED = "an upstream rejects our key"
BOTH = pytest.mark.parametrize("stream", [True, False])


def config(url: str, **defaults: Any) -> dict[str, Any]:
    models: dict[str, Any] = {"new": {"model": "gemini-3-double"}, **{name: {} for name in FAILING}}
    return {"gemini": {"defaults": {"api_host": url, "api_token": UPSTREAM_KEY, **defaults}, **models}}


async def ask(folder: Path, body: dict[str, Any], **defaults: Any) -> Answer:
    async with (
        GeminiDouble(UPSTREAM_KEY) as double,
        RunningGateway(folder, config(double.url, **defaults)) as proxy,
    ):
        return await proxy.request("POST", "/chat", {"model": "new", "messages": MESSAGES, **body})


@BOTH
@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("nope", 404, "model_not_found"),
        ("error-400", 400, "invalid_request"),
        ("error-429", 429, "rate_limit"),
        ("error-500", 502, "upstream_error"),
        ("error-503", 503, "upstream_error"),
    ],
)
async def test_refusals(model: str, status: int, code: str, stream: bool, tmp_path: Path) -> None:
    """Before the first event an error keeps its status; the time to wait is told in the header."""
    got = await ask(tmp_path, {"model": model, "stream": stream})

    assert (got.status, got.json()["error"]["code"]) == (status, code)
    assert got.headers.get("retry-after") == ("7" if status == 429 else None)


@BOTH
@pytest.mark.parametrize("model", ["error-401", "error-403"])
async def test_a_rejected_key_is_for_the_operator(model: str, stream: bool, tmp_path: Path) -> None:
    """The gateway is at fault, not the client; one line of the log says so."""
    with expect_log("handlers", REJECTED):
        got = await ask(tmp_path, {"model": model, "stream": stream})

    assert (got.status, got.json()["error"]["code"]) == (502, "upstream_auth")


async def test_a_wrong_key_is_never_shown(tmp_path: Path) -> None:
    """The API answers 400 and the double repeats the key: the client learns only that the gateway is at fault."""
    with expect_log("handlers", REJECTED):
        got = await ask(tmp_path, {}, api_token="sk-planted-wrong-key-123456")

    assert (got.status, got.json()["error"]["code"]) == (502, "upstream_auth")
    assert_no_secret(got.body)


async def test_a_wrong_base_is_a_404_without_the_page(tmp_path: Path) -> None:
    """Google answers with a web page; it is not repeated."""
    async with (
        GeminiDouble(UPSTREAM_KEY) as double,
        RunningGateway(tmp_path, config(double.url + "/elsewhere")) as proxy,
    ):
        got = await proxy.request("POST", "/chat", {"model": "new", "messages": MESSAGES})

    assert got.status == 404
    assert "html" not in got.json()["error"]["message"]


@pytest.mark.parametrize("model", ["dies", "mute"])
async def test_a_stream_that_breaks_off(model: str, tmp_path: Path) -> None:
    """An error event, and an end without a finish reason, are one error event and a cut."""
    got = await ask(tmp_path, {"model": model})

    assert (got.status, got.complete) == (200, False)
    assert got.events()[-1]["error"]["code"] == "upstream_error"
    assert "[DONE]" not in got.events()
    assert not any(choice["finish_reason"] for event in got.events()[:-1] for choice in event["choices"])


async def test_tokens_arrive_one_by_one(tmp_path: Path) -> None:
    """The first word is with the client before the second was sent."""
    async with GeminiDouble(UPSTREAM_KEY) as double, RunningGateway(tmp_path, config(double.url)) as proxy:
        double.gate = asyncio.Event()
        async with Connection(proxy.url) as client:
            await client.send("POST", "/chat", {"model": "new", "messages": MESSAGES})
            got = await client.head()
            while WORDS[0] not in got.text():
                assert await client.piece(got)
            double.gate.set()
            await client.rest(got)

    assert got.text() == "".join(WORDS)


async def test_a_client_that_leaves_is_noticed_upstream(tmp_path: Path) -> None:
    """The upstream connection is closed while the stream is silent."""
    async with GeminiDouble(UPSTREAM_KEY) as double, RunningGateway(tmp_path, config(double.url)) as proxy:
        double.gate = asyncio.Event()
        async with Connection(proxy.url) as client:
            await client.send("POST", "/chat", {"model": "new", "messages": MESSAGES})
            await client.piece(await client.head())
        await double.closed_by_client()
