"""Texts that end an answer, and seeds, as each vendor takes them."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.errors import InvalidRequest
from llm_proxy.wire.calls import Deployment
from providers.discovery import discover
from tests.support.native_kit import ask, body_of

PROVIDERS = discover()
SIX = list("abcdef")
CASES: list[tuple[str, str, Any, Any, tuple[str, ...]]] = [
    ("anthropic", "", "x", ["x"], ()),
    ("anthropic", "", ["\n", "", "x"], ["x"], ("stop (white space)",)),
    ("anthropic", "", "\n\n", None, ("stop (white space)",)),
    ("anthropic", "", SIX, SIX, ()),
    ("gemini", "", ["\n", "", "x"], ["\n", "x"], ("stop (empty)",)),
    ("gemini", "", SIX, SIX[:5], ("stop (more than 5)",)),
    ("openai", "openai", SIX, SIX[:4], ("stop (more than 4)",)),
    ("openai", "openai", SIX[:4], SIX[:4], ()),
    ("openai", "lenient", SIX, SIX, ()),
]


def call(api_type: str, vendor: str = "", **fields: Any) -> Any:
    row = Deployment("p", "m", api_type, "http://h", "m", vendor=vendor)
    return PROVIDERS[api_type].chat_call(ask(**fields), row)


@pytest.mark.parametrize(("api_type", "vendor", "stop", "sent", "dropped"), CASES)
def test_stops(api_type: str, vendor: str, stop: Any, sent: Any, dropped: tuple[str, ...]) -> None:
    """Blank ones are refused by Anthropic, empty ones and more than five by Gemini, more than four by OpenAI."""
    made = call(api_type, vendor, stop=stop)
    body = body_of(made)
    found = {**body, **body.get("generationConfig", {})}

    assert (
        next((found[name] for name in ("stop", "stop_sequences", "stopSequences") if name in found), None)
        == sent
    )
    assert made.dropped == dropped


@pytest.mark.parametrize("seed", [0, -1, 2**31 - 1, -(2**31)])
def test_a_seed_that_fits_stays(seed: int) -> None:
    assert body_of(call("gemini", seed=seed))["generationConfig"]["seed"] == seed


@pytest.mark.parametrize("seed", [2**31, 2**40 + 5, -(2**63)])
def test_a_seed_that_does_not_is_one_that_does(seed: int) -> None:
    """The same each time."""
    found = body_of(call("gemini", seed=seed))["generationConfig"]["seed"]

    assert 0 <= found < 2**31
    assert found == body_of(call("gemini", seed=seed))["generationConfig"]["seed"]


@pytest.mark.parametrize(("api_type", "name"), [("anthropic", "stop_sequences"), ("gemini", "stopSequences")])
@pytest.mark.parametrize("given", [5, {"a": 1}, ["x", 1]], ids=str)
def test_what_is_no_text_is_said(api_type: str, name: str, given: Any) -> None:
    with pytest.raises(InvalidRequest, match=f"{name}: must be"):
        call(api_type, **{name: given})
