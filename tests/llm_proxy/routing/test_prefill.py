"""Which upstreams go on with an assistant's message that is not complete."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.routing.prefill import takes_prefill
from tests.support.native_kit import row


@pytest.mark.parametrize(
    ("api_type", "model", "fields", "goes_on"),
    [
        ("ollama", "llama3.2", {}, True),
        ("vllm", "x", {}, True),
        ("openai", "x", {"vendor": "llamacpp"}, True),
        ("openai", "gpt-4o", {}, False),
        ("openai", "gpt-4o", {"prefill": True}, True),
        ("ollama", "llama3.2", {"prefill": False}, False),
        ("gemini", "gemini-2.5-pro", {}, False),
        ("anthropic", "claude-2.1", {}, True),
        ("anthropic", "claude-3-5-sonnet-20241022", {}, True),
        ("anthropic", "claude-3-opus-latest", {}, True),
        ("anthropic", "claude-sonnet-4-20250514", {}, True),
        ("anthropic", "claude-opus-4-5-20251101", {}, True),
        ("anthropic", "claude-sonnet-4-6", {}, False),
        ("anthropic", "claude-opus-4-7-20260401", {}, False),
        ("anthropic", "claude-opus-5", {}, False),
        ("anthropic", "something-else", {}, False),
    ],
)
def test_who_goes_on(api_type: str, model: str, fields: dict[str, Any], goes_on: bool) -> None:
    """By what the configuration says, else by the kind of server and, of Claude, the version."""
    assert takes_prefill(row(api_type, model, **fields)) is goes_on
