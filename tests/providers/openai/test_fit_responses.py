"""A Responses request for a model that refuses some of it."""

from __future__ import annotations

from typing import Any

import pytest

from providers.openai.fit_responses import fit_responses
from providers.vendors import VENDORS

CODEX = {
    "input": "hi",
    "reasoning": {"effort": "medium", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
}


@pytest.mark.parametrize(
    ("model", "body", "sent", "lost"),
    [
        ("gpt-4o", CODEX, {"input": "hi", "include": []}, ("reasoning",)),
        ("ft:gpt-4.1-mini:me", {"reasoning": {"effort": "low"}}, {}, ("reasoning",)),
        ("gpt-4o", {"reasoning": None, "temperature": 0}, {"temperature": 0}, ()),
        (
            "gpt-4o",
            {"include": ["message.output_text.logprobs"]},
            {"include": ["message.output_text.logprobs"]},
            (),
        ),
        ("o4-mini", {**CODEX, "temperature": 0.5, "top_p": 1}, CODEX, ("temperature",)),
        ("gpt-5", {"top_p": 0.5, "top_logprobs": 2}, {}, ("top_logprobs", "top_p")),
    ],
)
def test_what_a_model_refuses_is_left_out(model: str, body: Any, sent: Any, lost: Any) -> None:
    """It is named unless it says nothing; all else stays, in its order."""
    given = dict(body)

    assert fit_responses(body, VENDORS["openai"], model) == (sent, lost)
    assert body == given


@pytest.mark.parametrize(
    ("vendor", "model"), [("openai", "gpt-5.5"), ("vllm", "gpt-4o"), ("lenient", "o4-mini")]
)
def test_a_request_of_which_nothing_is_refused_is_the_same(vendor: str, model: str) -> None:
    """Not a copy of it, and no name."""
    body: Any = {**CODEX, "temperature": 0.5}

    sent, lost = fit_responses(body, VENDORS[vendor], model)

    assert sent is body
    assert lost == ()
