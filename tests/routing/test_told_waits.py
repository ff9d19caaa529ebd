"""An upstream that says when it may be asked again is not asked before, in whatever way it says so; another model is, at once."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.routing.kit import STREAM, TEXT, WHOLE, Fleet, serves, status
from tests.routing.test_queue import waiting
from tests.support.loops import still, wait_until

#: Every way to say "in some seconds".
WAYS: dict[str, dict[str, str]] = {
    "seconds": {"Retry-After": "7"},
    "a date": {
        "Retry-After": formatdate(1_000_020, usegmt=True),
        "Date": formatdate(1_000_000, usegmt=True),
    },
    "milliseconds": {"retry-after-ms": "7000"},
    "reset": {"x-ratelimit-reset": "7"},
    "ratelimit-reset": {"RateLimit-Reset": "7"},
    "go's durations": {"x-ratelimit-reset-requests": "7s", "x-ratelimit-reset-tokens": "1m2.5s"},
    "anthropic's": {"anthropic-ratelimit-requests-reset": "2099-01-01T00:00:00Z"},
    "nothing": {},
}
TWO = {1: ("m",), 2: ("backup",)}


@pytest.mark.parametrize("way", WAYS)
async def test_it_is_left_alone(way: str, tmp_path: Path) -> None:
    """It is asked once; a fallback for rate limits answers at once, streamed and whole."""
    fallback = {"model": "backup", "on": ["rate_limit"]}
    models: dict[str, Any] = {"m": {"fallbacks": [fallback]}, "*": {"retries": 1}}
    async with Fleet(tmp_path, status(429, WAYS[way]), serves, models=models, names=TWO) as fleet:
        for body in (STREAM, WHOLE):
            got = await fleet.ask(body)
            assert (got.status, got.headers["x-llm-fallback"]) == (200, "m->backup")
        assert fleet.asked() == [1, 2]


@pytest.mark.parametrize("name", ["m", "gpu-1/m"])
@pytest.mark.parametrize("body", [STREAM, WHOLE], ids=["stream", "whole"])
async def test_nobody_else_is_left(name: str, body: dict[str, Any], tmp_path: Path) -> None:
    """Without a fallback it waits for the upstream to wake, and asks nobody before; who leaves meanwhile is let go."""
    models: dict[str, Any] = {"*": {"retries": 1}}
    async with Fleet(tmp_path, status(429, {"Retry-After": "7"}), models=models) as fleet:
        asked = asyncio.create_task(fleet.ask({**body, "model": name}))
        await wait_until(lambda: waiting(fleet) == 1)
        assert await still(fleet.asked) == [1]
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)


async def test_another_upstream_is_not_waited_for(tmp_path: Path) -> None:
    """Another upstream of the same model answers at once, before any fallback."""
    models: dict[str, Any] = {"m": {"fallbacks": ["backup"]}}
    names = {1: ("m",), 2: ("m",), 3: ("backup",)}
    tiers = {1: {"order": -1}}
    scripts = status(429, {"Retry-After": "7"}), serves, serves
    async with Fleet(tmp_path, *scripts, models=models, names=names, fields=tiers) as fleet:
        got = await fleet.ask(STREAM)

        assert (got.text(), fleet.asked()) == (TEXT, [1, 1, 0])
