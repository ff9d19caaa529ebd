"""Vendors' words for the end of an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.wire.answers import ends
from tests.support.fuzz import fuzz

#: Vendor, its words, and what they mean: from the references that the module names.
KNOWN: dict[str, dict[str, str]] = {
    "OpenAI, Azure": {
        "stop": "stop",
        "length": "length",
        "tool_calls": "tool_calls",
        "content_filter": "content_filter",
        "function_call": "tool_calls",
    },
    "Anthropic": {
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "tool_use": "tool_calls",
        "refusal": "content_filter",
        "model_context_window_exceeded": "length",
    },
    "Google": {
        "STOP": "stop",
        "MAX_TOKENS": "length",
        "SAFETY": "content_filter",
        "RECITATION": "content_filter",
        "SPII": "content_filter",
        "BLOCKLIST": "content_filter",
        "PROHIBITED_CONTENT": "content_filter",
        "MODEL_ARMOR": "content_filter",
        "MALFORMED_FUNCTION_CALL": "error",
        "FINISH_REASON_UNSPECIFIED": "",
        "FINISH_REASON_STOP": "stop",
    },
    "Mistral": {"model_length": "length", "error": "error"},
    "DeepSeek": {"insufficient_system_resource": "error"},
    "Z.ai": {"sensitive": "content_filter", "network_error": "error"},
    "Cohere": {
        "COMPLETE": "stop",
        "ERROR_TOXIC": "content_filter",
        "ERROR_LIMIT": "error",
        "ERROR": "error",
        "USER_CANCEL": "error",
        "STOP_SEQUENCE": "stop",
        "TOOL_CALL": "tool_calls",
    },
    "Bedrock": {
        "guardrail_intervened": "content_filter",
        "content_filtered": "content_filter",
        "malformed_tool_use": "error",
    },
    "watsonx": {
        "eos_token": "stop",
        "not_finished": "length",
        "token_limit": "length",
        "time_limit": "length",
        "cancelled": "error",
    },
    "Together, TGI, llama.cpp": {"eos": "stop", "word": "stop", "limit": "length"},
    "LM Studio": {
        "eosFound": "stop",
        "stopStringFound": "stop",
        "maxPredictedTokensReached": "length",
        "contextLengthReached": "length",
        "userStopped": "length",
        "modelUnloaded": "error",
        "toolCalls": "tool_calls",
        "failed": "error",
    },
    "vLLM, SGLang": {"abort": "error", "repetition": "length"},
    "Ollama": {"load": "stop", "unload": "stop"},
    "DashScope": {"null": "", "": ""},
    "nobody yet": {
        "blocked_by_new_policy": "content_filter",
        "unexpected_new_thing": "error",
        "hallelujah": "length",
        "END-TURN": "stop",
    },
}


@pytest.mark.parametrize("vendor", KNOWN)
def test_words(vendor: str) -> None:
    """Each has one meaning."""
    assert {word: ends.meaning(word) for word in KNOWN[vendor]} == KNOWN[vendor]


@fuzz
@given(st.text(min_size=1).filter(lambda text: text.strip()) | st.integers() | st.lists(st.text()))
def test_a_word_that_is_not_known_is_no_good_end(reason: object) -> None:
    """Whatever it is."""
    meaning = ends.meaning(reason)

    assert meaning not in ("stop", "tool_calls") or isinstance(reason, str)
    assert ends.meaning(f"zz_{reason}_zz") not in ("stop", "tool_calls", "")


@pytest.mark.parametrize("one", ["", "stop", "tool_calls", "length", "content_filter"])
def test_the_worse_of_two(one: str) -> None:
    """Nothing is better than a word; a filter is worse than a limit, and that than a good end."""
    assert ends.worse(one, "") == ends.worse("", one) == one
    assert ends.worse(one, "content_filter") == "content_filter"
    assert ends.worse("length", one) in ("length", "content_filter")
