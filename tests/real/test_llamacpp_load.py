"""How busy the real llama.cpp server says that it is, with its page of metrics and without."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from llm_proxy.relay.load_polls import LoadPolls
from llm_proxy.relay.upstream import UpstreamClient
from llm_proxy.routing.states import States
from llm_proxy.wire.calls import Deployment
from tests.real.conftest import SLOW, Start
from tests.support.client import request
from tests.support.llamacpp import LlamaCpp
from tests.support.loops import wait_until
from tests.support.raw_peer import Client

pytestmark = pytest.mark.one_python(
    "test_llamacpp_gateway asks the same server through the gateway on each Python"
)


async def load(running: LlamaCpp, requests: int) -> float:
    """What is known to wait there while so many long requests want one of its two slots."""
    states = States()
    row = Deployment("p", "tiny", "openai", running.base, "tiny", vendor="llamacpp")
    loop = asyncio.get_running_loop()
    body = {"model": "tiny", "messages": [{"role": "user", "content": "loop"}], "max_tokens": 1000}
    async with Client() as http:
        polls = LoadPolls(UpstreamClient(http), states)
        asked = [
            asyncio.create_task(request(running.base, "POST", "/chat/completions", body))
            for _ in range(requests)
        ]
        try:
            polls.asked("tiny", [row, replace(row, model="other", load="none")], loop.time())
            await wait_until(lambda: states.of(row, 0.0).waiting > 0, deadline=20)
            return states.of(row, 0.0).waiting
        finally:
            polls.close()
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            http.close()


async def test_metrics(start_llamacpp: Start) -> None:
    """``llamacpp:requests_deferred``: three of five have no slot."""
    with start_llamacpp(layers=SLOW, metrics=True) as running:
        assert 1 <= await load(running, 5) <= 3


async def test_slots(llamacpp_slow: LlamaCpp) -> None:
    """Without ``--metrics`` the page is a 501, and the slots are looked at: none is free."""
    assert await load(llamacpp_slow, 2) == 1
