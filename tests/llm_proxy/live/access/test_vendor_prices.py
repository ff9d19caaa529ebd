"""Prices of vendors, from the data of ``genai-prices``."""

from __future__ import annotations

import pytest

from llm_proxy.live.access import vendor_prices
from llm_proxy.live.access.accounting import Accounting
from llm_proxy.live.access.cost import Tokens
from llm_proxy.live.access.values import Access, Grant, Price, Team, Terms
from llm_proxy.wire.calls import Deployment, Timeouts


def deployment(host: str, model: str) -> Deployment:
    return Deployment("p", model, "openai", host, model=model, timeouts=Timeouts())


def test_vendors_are_known_by_their_address() -> None:
    """A server of one's own that serves a model of that name costs nothing that anybody knows."""
    if not vendor_prices.prepare():
        pytest.skip("genai-prices is not installed: no vendor's prices are known")
    found = vendor_prices.price_of(deployment("https://api.openai.com/v1", "gpt-4o"))
    assert isinstance(found, Price)
    assert 0 < found.input < found.output
    assert found.cache_read is not None
    assert found.cache_read < found.input
    assert vendor_prices.price_of(deployment("http://127.0.0.1:8000/v1", "gpt-4o")) is None
    assert vendor_prices.price_of(deployment("https://api.openai.com/v1", "no-such-model")) is None
    assert vendor_prices.price_of(deployment("https://api.openai.com/v1", "")) is None


async def test_a_model_costs_what_its_upstream_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One public name at two vendors, and one that an edit has moved while the file of the keys stayed: each at its own price."""
    prices = {"http://dear": Price(10, 10), "http://cheap": Price(1, 1)}
    monkeypatch.setattr(vendor_prices, "price_of", lambda deployment: prices.get(deployment.api_host))
    access, grant, books = Access({}), Grant("alice", Terms(), Team(), None), Accounting()
    dear, cheap, own = (deployment(host, "m") for host in (*prices, "http://own"))

    plans = [books.plan(access, grant, row) for row in (dear, cheap, own)]
    charge = await books.begin(plans[0], books.wanted(plans[0], 1, 1, blind=False))
    for row in (dear, cheap, own):
        books.note(charge, row, Tokens(1, 0), 0, sent=True)

    assert [plan.price for plan in plans] == [Price(10, 10), Price(1, 1), None]
    assert charge.micro_usd == 11
