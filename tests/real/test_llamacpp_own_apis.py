"""Completions and Responses of the real llama.cpp server, relayed: what it answers directly it answers through the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.llamacpp import LlamaCpp
from tests.support.secrets import CLIENT_KEY

#: What differs from request to request.
_OF_THE_DAY = {"id", "created", "created_at", "completed_at", "timings", "usage", "model"}


def config(running: LlamaCpp) -> dict[str, Any]:
    return {"llamacpp": {"defaults": {"api_host": running.base}, "m": {"model": "tiny"}}}


def plain(value: Any) -> Any:
    """``value`` without what differs from request to request."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if name not in _OF_THE_DAY}
    return value


SAME = {"temperature": 0, "cache_prompt": False}
BODIES: list[tuple[str, dict[str, Any]]] = [
    ("/completions", {"prompt": "w0000 w0001", "max_tokens": 3, "echo": True, "logprobs": 1}),
    ("/completions", {"prompt": ["w0000", "w0001 w0002"], "max_tokens": 3}),
    ("/completions", {"prompt": [1, 2, 3], "max_tokens": 3}),
    ("/completions", {"prompt": [[1, 2], [3]], "max_tokens": 3}),
    ("/completions", {"prompt": "w0000", "n": 2, "max_tokens": 3}),
    ("/responses", {"input": "hi", "max_output_tokens": 4}),
    (
        "/responses",
        {"input": [{"role": "user", "content": "hi"}], "instructions": "s", "max_output_tokens": 4},
    ),
]


async def test_the_same_answers(llamacpp: LlamaCpp, tmp_path: Path) -> None:
    """Batches, token ids and several choices too; the same count of tokens, since no chat template is put around a prompt."""
    async with RunningGateway(tmp_path, config(llamacpp)) as proxy:
        for path, body in BODIES:
            through = await request(proxy.origin, "POST", "/v1" + path, {"model": "m", **SAME, **body})
            direct = await request(llamacpp.base, "POST", path, {"model": "tiny", **SAME, **body})
            got, right = through.json(), direct.json()

            assert through.status == direct.status == 200, (through.body, direct.body)
            assert plain(got) == plain(right)
            assert (got["model"], right["model"]) == ("m", "tiny")
            prompt = "prompt_tokens" if path == "/completions" else "input_tokens"
            assert got["usage"][prompt] == right["usage"][prompt]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_official_client(stream: bool, llamacpp: LlamaCpp, tmp_path: Path) -> None:
    """A text keeps its leading blank; the events of a response are read."""
    async with (
        RunningGateway(tmp_path, config(llamacpp)) as proxy,
        AsyncOpenAI(base_url=proxy.origin + "/v1", api_key=CLIENT_KEY, max_retries=0) as sdk,
    ):
        if stream:
            live = await sdk.completions.create(
                model="m", prompt="Once", max_tokens=2, temperature=0, stream=True
            )
            text = "".join([choice.text async for event in live for choice in event.choices])
            # Not by the client's helper: it wants indexes that this server's own events have not.
            events = await sdk.responses.create(model="m", input="hi", max_output_tokens=3, stream=True)
            assert [event.type async for event in events][-1] == "response.completed"
        else:
            text = (
                (await sdk.completions.create(model="m", prompt="Once", max_tokens=2, temperature=0))
                .choices[0]
                .text
            )
            said = await sdk.responses.create(model="m", input="hi", max_output_tokens=3)
            assert (said.model, said.output_text.split()[0]) == ("m", "w0000")

    assert text == " w0000 w0001"
