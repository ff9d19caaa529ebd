"""Choosing a deployment by weight, and the 404 for unknown models."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.errors import NoUpstream
from llm_proxy.routing.choice import choose, unknown_model
from llm_proxy.wire.calls import Deployment


def rows(*weights: float) -> list[Deployment]:
    return [Deployment(f"p{i}", "m", "openai", "http://h", "m", weight=w) for i, w in enumerate(weights)]


def test_shares_are_proportional_to_weight() -> None:
    """Over evenly spread points, each deployment gets exactly its share."""
    chosen = [choose(rows(1, 3), (i + 0.5) / 400).provider for i in range(400)]

    assert (chosen.count("p0"), chosen.count("p1")) == (100, 300)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=8), st.floats(0, 1, exclude_max=True))
def test_a_deployment_of_weight_zero_is_never_chosen(weights: list[float], point: float) -> None:
    """Whatever the rounding, weight 0 means out of rotation."""
    if sum(weights) > 0:
        assert choose(rows(*weights), point).weight > 0


def test_no_weight_left_is_503() -> None:
    """A known model whose weights are all 0 is unavailable, not unknown."""
    with pytest.raises(NoUpstream) as caught:
        choose(rows(0, 0), 0.5)

    assert (caught.value.status, caught.value.code) == (503, "no_upstream")


def test_unknown_model_names_near_ones() -> None:
    """The 404 helps with a typing error, and shows only printable characters of what was asked."""
    error = unknown_model("gpt-4\n0", ["gpt-4o", "llama3.2"])

    assert error.status == 404
    assert "gpt-4o" in error.message
    assert "\n" not in error.message


def test_long_model_name_is_cut() -> None:
    """A megabyte of model name does not come back in the message."""
    assert len(unknown_model("x" * 1_000_000, ["gpt-4o"]).message) < 300
