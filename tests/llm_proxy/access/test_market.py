"""Prices of vendors, from the data of ``genai-prices``."""

from __future__ import annotations

import pytest

from llm_proxy.access import market
from llm_proxy.access.values import Price
from llm_proxy.wire.calls import Deployment, Timeouts


def deployment(host: str, model: str) -> Deployment:
    return Deployment("p", model, "openai", host, model=model, timeouts=Timeouts())


def test_vendors_are_known_by_their_address() -> None:
    """A server of one's own that serves a model of that name costs nothing that anybody knows."""
    if not market.prepare():
        pytest.skip("genai-prices is not installed: no vendor's prices are known")
    found = market.price_of(deployment("https://api.openai.com/v1", "gpt-4o"))
    assert isinstance(found, Price)
    assert 0 < found.input < found.output
    assert found.cache_read is not None
    assert found.cache_read < found.input
    assert market.price_of(deployment("http://127.0.0.1:8000/v1", "gpt-4o")) is None
    assert market.price_of(deployment("https://api.openai.com/v1", "no-such-model")) is None
    assert market.price_of(deployment("https://api.openai.com/v1", "")) is None
