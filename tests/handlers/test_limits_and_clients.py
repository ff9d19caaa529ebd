"""What the vendors' own clients make of a refusal: each raises its own error, waits as long as was said, and asks no more of a budget that is
spent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anthropic
import ollama
import openai
import pytest
from google import genai
from google.genai import errors as google_errors

from tests.handlers.kit import access_lines
from tests.handlers.test_limits import CHAT, PRICES, ask, serving
from tests.support.access_kit import KEYS

SPENT: dict[str, Any] = {"budgets": {"b": {"usd": 14, "per": "month"}}, "prices": PRICES}


def work(origin: str) -> None:
    """Each client, whole and streamed, with its own habit of trying again."""
    key = KEYS["alice"]
    with openai.OpenAI(base_url=origin + "/v1", api_key=key) as client:
        for stream in (False, True):
            with pytest.raises(openai.RateLimitError) as limited:
                client.chat.completions.create(**CHAT, stream=stream)
            assert limited.value.code == "insufficient_quota"
            assert "there is more at" in limited.value.message
        with pytest.raises(openai.RateLimitError):
            client.responses.create(model="m", input="hi")
    with anthropic.Anthropic(base_url=origin, api_key=key) as claude:
        for stream in (False, True):
            with pytest.raises(anthropic.APIStatusError) as billed:
                claude.messages.create(**CHAT, max_tokens=5, stream=stream)
            assert (billed.value.status_code, billed.value.type) == (402, "billing_error")
    google = genai.Client(api_key=key, http_options={"base_url": origin})
    with pytest.raises(google_errors.ClientError) as exhausted:
        google.models.generate_content(model="m", contents="hi")
    assert (exhausted.value.code, exhausted.value.status) == (429, "RESOURCE_EXHAUSTED")
    with pytest.raises(google_errors.ClientError):
        list(google.models.generate_content_stream(model="m", contents="hi"))
    google.close()
    local = ollama.Client(host=origin + "/ollama", headers={"Authorization": f"Bearer {key}"})
    with pytest.raises(ollama.ResponseError) as told:
        local.chat(**CHAT)
    assert told.value.status_code == 429
    assert "budget b is spent" in told.value.error
    local._client.close()


async def test_a_spent_budget(tmp_path: Path) -> None:
    """Eight calls, eight requests: nobody tries again, and no upstream is asked."""
    async with serving(tmp_path, {"budgets": ["b"]}, **SPENT) as (gateway, peer, _):
        while (await ask(gateway, max_tokens=1)).status == 200:
            pass
        asked = len(peer.requests)
        with access_lines() as lines:
            await asyncio.get_running_loop().run_in_executor(None, work, gateway.origin)
        assert len(peer.requests) == asked
    assert [line["code"] for line in lines] == ["insufficient_quota"] * 8


async def test_a_short_limit(tmp_path: Path) -> None:
    """OpenAI's and Anthropic's clients wait as long as was said, and then are served: one refusal for each call that came too soon."""
    async with serving(tmp_path, {"limits": {"rpm": {"limit": 60, "burst": 1}}}) as (gateway, peer, _):

        def both() -> None:
            with openai.OpenAI(base_url=gateway.origin + "/v1", api_key=KEYS["alice"]) as client:
                for _ in range(2):
                    assert client.chat.completions.create(**CHAT).choices
            with anthropic.Anthropic(base_url=gateway.origin, api_key=KEYS["bob"]) as claude:
                for _ in range(2):
                    assert claude.messages.create(**CHAT, max_tokens=5).content

        with access_lines() as lines:
            await asyncio.get_running_loop().run_in_executor(None, both)
        assert len(peer.requests) == 4
    refused = [line for line in lines if line["status"] == 429]
    assert len(refused) <= 2
    assert {line["status"] for line in lines} <= {200, 429}
