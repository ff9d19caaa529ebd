"""OpenAI's older completions over an upstream that has them: what goes there and what comes back, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.handlers.kit import COMPLETION, access_lines
from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.native_peer import native
from tests.support.scripts import answer_json, by_path, in_turn, sse, stream
from tests.support.secrets import CLIENT_KEY, UPSTREAM_KEY

PATH = "/v1/completions"


def client(proxy: RunningGateway) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=proxy.origin + "/v1", api_key=CLIENT_KEY, max_retries=0)


def piece(text: str, finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    """One event, as vLLM writes it."""
    choice = {"index": index, "text": text, "logprobs": None, "finish_reason": finish, "stop_reason": None}
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1,
        "model": "up",
        "choices": [choice],
        **more,
    }


USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "prompt_tokens_details": None}
LOGPROBS = {
    "tokens": ["a", " b"],
    "token_logprobs": [None, -0.5],
    "top_logprobs": None,
    "text_offset": [0, 1],
}
WHOLE = {**piece("a b w", "length", usage=USAGE, kv_transfer_params=None)}
EVENTS = [piece(" one"), piece(' "two"\n', index=1), piece("", "stop"), piece("", "stop", 1)]
ASKED = b'"model": "m"', b'"model": "up"'

BODIES: list[dict[str, Any]] = [
    {"prompt": "a b", "max_tokens": 0, "echo": True, "logprobs": 1},
    {"prompt": ["a", "b"], "n": 2, "best_of": 3},
    {"prompt": [1, 2, 3], "add_special_tokens": False, "prompt_logprobs": 1},
    {"prompt": [[1, 2], [3]], "temperature": 1e-3},
    {"prompt": "def f(", "suffix": "return x", "seed": 7, "user": None},
    {"prompt": "x", "best_of": "newest", "stop": {"vendor": 1}},
]


@pytest.mark.parametrize("body", BODIES)
async def test_everything_reaches_the_upstream(body: dict[str, Any], tmp_path: Path) -> None:
    """Fields as they were, in their order, known or not; the answer too but for the model's name."""
    async with native(tmp_path, "vllm", answer_json(WHOLE)) as (proxy, peer):
        got = await request(proxy.origin, "POST", PATH, {"model": "m", **body})
        (sent,) = peer.requests

    assert (sent.path, sent.header("authorization")) == ("/completions", f"Bearer {UPSTREAM_KEY}")
    assert sent.body == json.dumps({"model": "up", **body}, separators=(",", ":")).encode()
    assert got.body == json.dumps(WHOLE).encode().replace(ASKED[1], ASKED[0])
    assert "x-dropped-params" not in got.headers


async def test_streams(tmp_path: Path) -> None:
    """Event by event, several choices, the usage that was asked for."""
    events = sse(*EVENTS, {**piece(""), "choices": [], "usage": USAGE})
    body = {"model": "m", "prompt": "x", "stream": True, "stream_options": {"include_usage": True}}
    async with native(tmp_path, "vllm", stream(b": hi\n\n", *events)) as (proxy, _):
        with access_lines() as lines:
            got = await request(proxy.origin, "POST", PATH, body)

    assert got.complete
    assert got.body.removeprefix(b": hi\n\n") == b"".join(events).replace(ASKED[1], ASKED[0])
    assert (lines[0]["prompt_tokens"], lines[0]["completion_tokens"]) == (9, 2)


async def test_the_official_client(tmp_path: Path) -> None:
    """Reads both forms; log probabilities of the prompt are the upstream's."""
    choice = {"index": 0, "text": "a b", "logprobs": LOGPROBS, "finish_reason": "length"}
    whole = {**WHOLE, "choices": [choice]}
    script = in_turn(answer_json(whole), stream(*sse(*EVENTS)))
    async with native(tmp_path, "vllm", script) as (proxy, _), client(proxy) as sdk:
        got = await sdk.completions.create(model="m", prompt="a b", echo=True, logprobs=1, max_tokens=0)
        live = await sdk.completions.create(model="m", prompt="x", stream=True)
        texts = [choice.text async for event in live for choice in event.choices]

    assert got.choices[0].logprobs is not None
    assert got.choices[0].logprobs.token_logprobs == [None, -0.5]
    assert (got.model, texts) == ("m", [" one", ' "two"\n', "", ""])


async def test_defaults_fill_what_is_open(tmp_path: Path) -> None:
    """In the words of this API; what only chat has is named."""
    options = {
        "max_completion_tokens": 9,
        "temperature": 0.5,
        "top_k": 3,
        "reasoning_effort": "low",
        "logprobs": True,
    }
    async with native(tmp_path, "vllm", answer_json(WHOLE), options=options) as (proxy, peer):
        got = await request(proxy.origin, "POST", PATH, {"model": "m", "prompt": "x", "temperature": 1})
        again = await request(proxy.origin, "POST", PATH, {"model": "m", "prompt": "x", "max_tokens": 2})
        sent = [r.json() for r in peer.requests]

    assert sent[0] == {"model": "up", "prompt": "x", "temperature": 1, "max_tokens": 9, "top_k": 3}
    assert sent[1] == {"model": "up", "prompt": "x", "max_tokens": 2, "temperature": 0.5, "top_k": 3}
    assert (
        got.headers["x-dropped-params"] == again.headers["x-dropped-params"] == "logprobs, reasoning_effort"
    )


OTHER_FORMS = [(answer_json(WHOLE), True), (stream(*sse(*EVENTS)), False)]


@pytest.mark.parametrize(("script", "streaming"), OTHER_FORMS)
async def test_an_answer_in_the_other_form(script: Any, streaming: bool, tmp_path: Path) -> None:
    """Is put into the one that was asked for."""
    async with native(tmp_path, "vllm", script) as (proxy, _):
        got = await request(proxy.origin, "POST", PATH, {"model": "m", "prompt": "x", "stream": streaming})

    first = got.events()[0] if streaming else got.json()
    assert got.complete
    assert (first["object"], first["model"]) == ("text_completion", "m")
    assert "".join(c["text"] for c in first["choices"] if c["index"] == 0) == (
        "a b w" if streaming else " one"
    )


BROKEN = [
    stream(*sse(EVENTS[0], {"error": {"message": "no", "code": 500}}, done=False)),
    stream(*sse(EVENTS[0], done=False)),
    stream(sse(EVENTS[0])[0], b"data: {oops\n\n"),
]


@pytest.mark.parametrize("script", BROKEN)
async def test_a_break_in_mid_stream(script: Any, tmp_path: Path) -> None:
    """What came, an error event, no ``[DONE]``, a cut."""
    async with native(tmp_path, "vllm", script) as (proxy, _):
        got = await request(proxy.origin, "POST", PATH, {"model": "m", "prompt": "x", "stream": True})

    assert not got.complete
    assert got.events()[0]["choices"][0]["text"] == " one"
    assert got.events()[-1]["error"]["code"] == "upstream_error"


NO_ANSWERS = [[], {"object": "text_completion"}, {"choices": 7}, {"error": {"message": "no such endpoint"}}]


@pytest.mark.parametrize("value", [*NO_ANSWERS, {"choices": [{"text": 7}]}])
@pytest.mark.parametrize("streaming", [False, True])
async def test_a_200_that_is_no_answer(value: Any, streaming: bool, tmp_path: Path) -> None:
    """502, unless it is one and only odd: then the client has it as it is."""
    async with native(tmp_path, "vllm", answer_json(value)) as (proxy, _):
        got = await request(proxy.origin, "POST", PATH, {"model": "m", "prompt": "x", "stream": streaming})

    odd = value == {"choices": [{"text": 7}]} and not streaming
    assert got.status == (200 if odd else 502)


REFUSED = {"error": {"message": "bad best_of", "type": "BadRequestError", "param": "best_of", "code": 400}}


async def test_the_upstream_judges(tmp_path: Path) -> None:
    """Its 400 is the client's."""
    async with native(tmp_path, "vllm", answer_json(REFUSED, 400)) as (proxy, _), client(proxy) as sdk:
        with pytest.raises(openai.BadRequestError, match="bad best_of"):
            await sdk.completions.create(model="m", prompt="x", best_of=1)


NOT_FOUND = answer_json({"detail": "Not Found"}, 404)


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_an_upstream_without_the_endpoint(status: int, tmp_path: Path) -> None:
    """Is asked for a chat instead, and for nothing else from then on; what chat cannot do is a 400."""
    scripts = {
        "/completions": answer_json({"detail": "no"}, status),
        "/chat/completions": answer_json(COMPLETION),
    }
    async with native(tmp_path, "vllm", by_path(scripts)) as (proxy, peer):
        asked = {"model": "m", "prompt": "x", "best_of": 4}
        answers = [await request(proxy.origin, "POST", PATH, asked) for _ in range(2)]
        batch = await request(proxy.origin, "POST", PATH, {"model": "m", "prompt": ["x", "y"]})
        paths = [sent.path for sent in peer.requests]

    assert [got.json()["choices"][0]["text"] for got in answers] == ["one two", "one two"]
    assert all(got.headers["x-dropped-params"] == "best_of" for got in answers)
    assert paths == ["/completions", "/chat/completions", "/chat/completions"]
    assert (batch.status, batch.json()["error"]["param"]) == (400, "prompt")


UNKNOWN = [
    {"error": {"message": "no model `up`", "type": "NotFoundError", "param": "model", "code": 404}},
    {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": "model_not_found"}},
]


@pytest.mark.parametrize("error", UNKNOWN)
async def test_an_unknown_model_is_no_unknown_endpoint(error: dict[str, Any], tmp_path: Path) -> None:
    """The 404 is told, and nothing is remembered."""
    async with native(tmp_path, "vllm", answer_json(error, 404)) as (proxy, peer):
        answers = [await request(proxy.origin, "POST", PATH, {"model": "m", "prompt": "x"}) for _ in range(2)]

        assert [sent.path for sent in peer.requests] == ["/completions", "/completions"]
    assert [got.status for got in answers] == [404, 404]


async def test_which_upstreams_have_it(tmp_path: Path) -> None:
    """A vendor's host says so, and the configuration where no host can."""
    rows: dict[str, Any] = {
        "x": {"defaults": {"api_type": "openai", "api_host": "http://127.0.0.1:9"}, "m": {}}
    }
    async with RunningGateway(tmp_path, rows) as proxy:
        got = await request(proxy.origin, "POST", PATH, {"model": "m", "prompt": [1]})

    assert (got.status, got.json()["error"]["param"]) == (400, "prompt")
    assert "not known to have completions" in got.json()["error"]["message"]
