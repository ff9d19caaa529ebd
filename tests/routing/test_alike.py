"""Upstreams that are alike are shared alike, whatever one of them did at first."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from llm_proxy.routing import drawing
from tests.handlers.kit import COMPLETION
from tests.routing.kit import WHOLE, Fleet
from tests.support.client import Connection
from tests.support.peer import Exchange, Script
from tests.support.scripts import answer_json


def late_once(seconds: float) -> Script:
    """The usual answer, but for the first one."""
    waits = [seconds]

    async def script(exchange: Exchange) -> None:
        if waits:
            await asyncio.sleep(waits.pop())
        await answer_json(COMPLETION)(exchange)

    return script


@pytest.mark.parametrize("first", [0.0, 0.02, 0.05])
async def test_one_slow_answer_does_not_decide(
    tmp_path: Path, first: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that answer within what is noise, asked one request after the other: each gets its share, though one began slowly."""
    monkeypatch.setattr(drawing, "NOISE", 1.0)  # a busy machine's
    async with (
        Fleet(tmp_path, late_once(first), late_once(0.0)) as fleet,
        Connection(fleet.proxy.url) as client,
    ):
        served: Counter[str] = Counter()
        for _ in range(200):
            got = await client.request("POST", "/v1/chat/completions", WHOLE)
            served[got.headers["x-llm-provider"]] += 1
    assert min(served.values()) >= 40, served
