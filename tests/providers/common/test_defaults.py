"""Defaults under what was sent: who wins, under which name, and what is never sent on."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.wire.schema import UPSTREAM_FIELDS
from providers.common.defaults import effective

MERGED: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"temperature": 1}, {"temperature": 0.2, "seed": 3}, {"temperature": 1, "seed": 3}),
    ({"temperature": 0}, {"temperature": 0.2}, {"temperature": 0}),
    ({"stream": False}, {"stream": True}, {"stream": False}),
    # A null says nothing, but without a default it is left as it is.
    ({"temperature": None}, {"temperature": 0.2}, {"temperature": 0.2}),
    ({"temperature": None}, {}, {"temperature": None}),
    # The same thing under another name.
    ({"max_tokens": 5}, {"max_completion_tokens": 9}, {"max_tokens": 5}),
    ({"max_completion_tokens": 5}, {"max_tokens": 9}, {"max_completion_tokens": 5}),
    ({"num_predict": 5}, {"max_tokens": 9, "max_new_tokens": 8}, {"num_predict": 5}),
    ({"repeat_penalty": 2}, {"repetition_penalty": 1.1}, {"repeat_penalty": 2}),
    ({"stop_sequences": ["a"]}, {"stop": "b"}, {"stop_sequences": ["a"]}),
    ({"max_tokens": None}, {"max_completion_tokens": 9}, {"max_tokens": None, "max_completion_tokens": 9}),
    # Among the defaults the canonical name wins.
    ({}, {"num_predict": 1, "max_tokens": 2}, {"max_tokens": 2}),
    ({}, {"max_tokens": 2, "max_completion_tokens": 3}, {"max_completion_tokens": 3}),
    ({}, {"repeat_penalty": 1, "repetition_penalty": 2}, {"repetition_penalty": 2}),
    # What the client itself says twice is the client's business.
    ({"max_tokens": 1, "max_completion_tokens": 2}, {}, {"max_tokens": 1, "max_completion_tokens": 2}),
    # Objects are values, not layers.
    ({"logit_bias": {"1": 2}}, {"logit_bias": {"3": 4}}, {"logit_bias": {"1": 2}}),
]


@pytest.mark.parametrize(("sent", "defaults", "merged"), MERGED)
def test_who_wins(sent: dict[str, Any], defaults: dict[str, Any], merged: dict[str, Any]) -> None:
    """What the client sends, in whichever words; neither layer is changed by it."""
    before = (dict(sent), dict(defaults))

    assert effective(sent, defaults) == (merged, [])
    assert (sent, defaults) == before


@pytest.mark.parametrize("layer", ["sent", "defaults"])
def test_another_upstream_is_never_chosen_by_a_request(layer: str) -> None:
    """Hosts and keys are taken out of both layers and named, in a fixed order."""
    planted = dict.fromkeys(UPSTREAM_FIELDS, "x")
    merged, refused = effective(*((planted, {}) if layer == "sent" else ({}, planted)))

    assert (merged, refused) == ({}, sorted(UPSTREAM_FIELDS))
    assert UPSTREAM_FIELDS == {"api_base", "base_url", "api_key", "api_host", "api_token", "organization"}


def test_a_dialect_may_have_other_pairs() -> None:
    """The canonical name is the first of each."""
    same = (("reasoning_effort", "think"),)

    assert effective({"think": True}, {"reasoning_effort": "low"}, same)[0] == {"think": True}
    assert effective({}, {"think": True, "reasoning_effort": "low"}, same)[0] == {"reasoning_effort": "low"}
    assert effective({}, {"max_tokens": 1, "num_predict": 2}, same)[0] == {"max_tokens": 1, "num_predict": 2}
