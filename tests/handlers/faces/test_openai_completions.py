"""OpenAI's legacy completions over upstreams of four dialects, asked by the official client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.handlers.kit import EVENTS, chunk, gateway
from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.openai_upstreams import KINDS, over, turns
from tests.support.peer import Peer
from tests.support.scripts import answer_json, silent, sse, stream
from tests.support.secrets import CLIENT_KEY


def client(proxy: RunningGateway) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=proxy.origin + "/v1", api_key=CLIENT_KEY, max_retries=0)


@KINDS
async def test_text(kind: str, tmp_path: Path) -> None:
    """Whole and streamed, the same text, a reason for the end and counts."""
    async with over(kind, tmp_path) as (proxy, double), client(proxy) as sdk:
        whole = await sdk.completions.create(model="m", prompt="hi", max_tokens=100)
        options: Any = {"include_usage": True}
        live = await sdk.completions.create(
            model="m", prompt=["hi"], max_tokens=100, stream=True, stream_options=options
        )
        chunks = [piece async for piece in live]

        asked = [turns(sent.json()) for sent in double.requests]
    streamed = "".join(choice.text for piece in chunks for choice in piece.choices)
    assert whole.choices[0].text == streamed != ""
    assert (whole.object, whole.model, whole.choices[0].finish_reason) == ("text_completion", "m", "stop")
    assert [choice.finish_reason for piece in chunks for choice in piece.choices][-1] == "stop"
    assert {piece.id for piece in chunks} == {chunks[0].id}
    assert whole.usage is not None
    assert whole.usage.completion_tokens > 0
    assert (chunks[-1].choices, chunks[-1].usage is not None) == ([], True)
    assert all(piece.usage is None for piece in chunks[:-1])
    assert asked[0] == asked[1]
    assert [turn["role"] for turn in asked[0]] == ["user"]


@KINDS
async def test_stopped_by_the_limit(kind: str, tmp_path: Path) -> None:
    """The reason is length."""
    async with over(kind, tmp_path, thinks=False) as (proxy, _), client(proxy) as sdk:
        got = await sdk.completions.create(model="m", prompt="hi", max_tokens=2)

    assert (got.choices[0].text, got.choices[0].finish_reason) == ("Hello from", "length")


async def test_everything_of_a_request(tmp_path: Path) -> None:
    """What chat knows goes along, unknown fields too; what it does not know is named in a header."""
    body = {
        "model": "m",
        "prompt": "hi",
        "suffix": "",
        "echo": True,
        "best_of": 3,
        "max_tokens": 9,
        "temperature": 0.5,
        "stop": ["x"],
        "n": 2,
        "seed": 1,
        "vendor": {"y": 1},
    }
    choices = [{"index": at, "message": {"content": "ab"}, "finish_reason": "stop"} for at in range(2)]
    async with (
        Peer(answer_json({"choices": choices})) as peer,
        gateway(tmp_path, peer.url) as proxy,
    ):
        got = await request(proxy.origin, "POST", "/v1/completions", body)
        sent = peer.requests[0].json()

    assert [choice["index"] for choice in got.json()["choices"]] == [0, 1]
    assert [choice["text"] for choice in got.json()["choices"]] == ["hiab", "hiab"]
    assert got.headers["x-dropped-params"] == "best_of"
    wanted = {"max_tokens": 9, "temperature": 0.5, "stop": ["x"], "n": 2, "seed": 1, "vendor": {"y": 1}}
    assert {key: sent[key] for key in wanted} == wanted
    assert not {"prompt", "suffix", "echo", "best_of"} & set(sent)


async def test_log_probabilities(tmp_path: Path) -> None:
    """Four lists, and offsets that go on from chunk to chunk."""
    async with over("openai", tmp_path) as (proxy, _), client(proxy) as sdk:
        live = await sdk.completions.create(model="m", prompt="hi", logprobs=0, stream=True)
        found = [choice.logprobs async for piece in live for choice in piece.choices if choice.logprobs]

    assert [found[0].tokens, found[0].token_logprobs, found[0].top_logprobs] == [
        ["Hello"],
        [-0.25],
        [{"Hello": -0.25}],
    ]
    assert [at for logprobs in found for at in logprobs.text_offset or ()][:3] == [0, 5, 10]


async def test_usage_only_if_asked_for(tmp_path: Path) -> None:
    """The upstream is always asked, the client is told only if it wants to know."""
    async with Peer(stream(*sse(*EVENTS))) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await request(
            proxy.origin, "POST", "/v1/completions", {"model": "m", "prompt": "x", "stream": True}
        )
        assert peer.requests[0].json()["stream_options"] == {"include_usage": True}

    assert got.complete
    assert got.events()[-1] == "[DONE]"
    assert not any("usage" in event for event in got.events()[:-1])


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"model": "m"}, 400, "prompt"),
    ({"model": "m", "prompt": [1, 2]}, 400, "prompt"),
    ({"model": "m", "prompt": [[1, 2]]}, 400, "prompt"),
    ({"model": "m", "prompt": ["a", "b"]}, 400, "prompt"),
    ({"model": "m", "prompt": []}, 400, "prompt"),
    ({"model": "m", "prompt": ["a", [1]]}, 400, "prompt"),
    ({"model": "m", "prompt": "x", "logprobs": True}, 400, "logprobs"),
    ({"model": "m", "prompt": "x", "suffix": "y"}, 400, "suffix"),
    ({"model": "m", "prompt": "x", "echo": True, "logprobs": 0}, 400, "echo"),
    ({"prompt": "x"}, 400, "model"),
    ({"model": "mm", "prompt": "x"}, 404, "model"),
]


async def test_bad_input(tmp_path: Path) -> None:
    """The usual error, and nothing is sent."""
    async with Peer(silent()) as peer, gateway(tmp_path, peer.url) as proxy:
        answers = [await request(proxy.origin, "POST", "/v1/completions", body) for body, _, _ in BAD]

        assert not peer.requests
    told = [(got.status, got.json()["error"]["param"]) for got in answers]
    assert told == [(status, param) for _, status, param in BAD]


@pytest.mark.parametrize("streaming", [True, False])
async def test_an_error_before_the_first_byte(streaming: bool, tmp_path: Path) -> None:
    """Its status, its message, when to come back."""
    async with over("openai", tmp_path, model="error-429") as (proxy, _), client(proxy) as sdk:
        with pytest.raises(openai.RateLimitError) as caught:
            await sdk.completions.create(model="m", prompt="hi", stream=streaming)

    assert caught.value.response.headers["retry-after"] == "7"


async def test_a_break_in_mid_stream(tmp_path: Path) -> None:
    """An error event, no ``[DONE]``, a cut: the official client raises."""
    async with (
        Peer(stream(*sse(chunk({"content": "one"}), done=False), end="cut")) as peer,
        gateway(tmp_path, peer.url) as proxy,
    ):
        raw = await request(
            proxy.origin, "POST", "/v1/completions", {"model": "m", "prompt": "x", "stream": True}
        )
        async with client(proxy) as sdk:
            live = await sdk.completions.create(model="m", prompt="x", stream=True)
            with pytest.raises(openai.APIError):
                async for _ in live:
                    pass

    assert not raw.complete
    assert raw.events()[0]["choices"][0]["text"] == "one"
    assert raw.events()[-1]["error"]["code"] == "upstream_error"
