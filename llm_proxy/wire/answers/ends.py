"""Why an answer ended: every vendor's word for it, as one of the canonical ones.

Laws: only a word that is known to mean a good end is told as one. Vendors add words mostly for ends that are bad, so one
that is not known is told as an answer that is not whole. Case and spelling (camelCase, blanks) do not matter. Pure.

Sources: the references of OpenAI, Azure, Anthropic, Google, Mistral, DeepSeek, Z.ai, Cohere, Amazon Bedrock, IBM watsonx,
Together, OpenRouter, Hugging Face TGI, llama.cpp, LM Studio, vLLM and SGLang; pydantic/pydantic-ai #2844, #7685, #7816.
"""

from __future__ import annotations

import re
from typing import Any, Final

STOP: Final = "stop"
LENGTH: Final = "length"
CALLS: Final = "tool_calls"
FILTERED: Final = "content_filter"
#: Not canonical: the upstream says that it failed.
ERROR: Final = "error"

_WORDS: Final[dict[str, tuple[str, ...]]] = {
    STOP: (
        *(
            "stop",
            "stopped",
            "end_turn",
            "stop_sequence",
            "stop_string_found",
            "stop_token",
            "eos",
            "eos_token",
        ),
        *("eos_found", "end_of_text", "end_of_turn", "endoftext", "end", "ended", "complete", "completed"),
        *(
            "finish",
            "finished",
            "done",
            "normal",
            "success",
            "succeeded",
            "word",
            "ok",
            "natural",
            "load",
            "unload",
            "pause_turn",
            "compaction",
        ),
    ),
    LENGTH: (
        *(
            "length",
            "max_tokens",
            "max_token",
            "max_length",
            "model_length",
            "max_output",
            "max_output_tokens",
        ),
        *("max_completion_tokens", "max_new_tokens", "max_predicted_tokens_reached", "token_limit", "limit"),
        *("context", "context_length", "context_length_exceeded", "context_length_reached", "incomplete"),
        *(
            "context_window_exceeded",
            "model_context_window_exceeded",
            "not_finished",
            "repetition",
        ),
        *(
            "time_limit",
            "cost_limit",
            "user_stopped",
        ),
    ),
    CALLS: ("tool_calls", "tool_call", "tool_use", "function_call", "function_calls", "tools"),
    FILTERED: (
        *("content_filter", "content_filtered", "content_filtering", "contentfilter", "filtered", "refusal"),
        *(
            "safety",
            "recitation",
            "language",
            "blocklist",
            "blocked",
            "prohibited_content",
            "spii",
            "sensitive",
        ),
        *("model_armor", "guardrail_intervened", "error_toxic", "toxic", "moderation", "policy_violation"),
        *("image_safety", "image_prohibited_content", "image_recitation", "jailbreak", "violation"),
    ),
    ERROR: (
        *(
            "error",
            "errored",
            "failed",
            "failure",
            "abort",
            "aborted",
            "cancel",
            "cancelled",
            "canceled",
            "timeout",
        ),
        *("network_error", "insufficient_system_resource", "user_cancel", "model_unloaded", "internal_error"),
        *("error_limit", "server_error", "malformed_function_call", "malformed_response"),
        *("malformed_model_output", "malformed_tool_use", "unexpected_tool_call", "too_many_tool_calls"),
        *("missing_thought_signature", "overloaded", "disconnected"),
    ),
}
_KNOWN: Final = {word: meaning for meaning, words in _WORDS.items() for word in words}
#: Said before there is an end.
_NO_END: Final = frozenset({"", "null", "none", "finish_reason_unspecified", "unspecified"})
#: What a word that is not known is about, if a part of it says so. None of them is a good end.
_PARTS: Final = (
    (
        FILTERED,
        frozenset(
            "filter filtered safety sensitive block blocked blocklist prohibited guardrail guardrails armor moderation "
            "policy toxic refusal refused recitation violation jailbreak spii".split()
        ),
    ),
    (
        ERROR,
        frozenset(
            "error errors failed failure fail abort aborted cancel cancelled canceled timeout malformed unexpected "
            "missing invalid insufficient unavailable overloaded disconnected interrupted exception".split()
        ),
    ),
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_GAP = re.compile(r"[\s.-]+")
#: How bad an end is: of several choices that are one answer, the worst counts.
_RANK: Final = {STOP: 0, CALLS: 1, LENGTH: 2, FILTERED: 3, ERROR: 4}


def is_known(word: str) -> bool:
    """Whether a vendor's ``word`` stands in the table."""
    return word in _KNOWN


def meaning(reason: Any, unknown: str = LENGTH) -> str:
    """The canonical reason, or ``ERROR``; empty if ``reason`` says that there is no end yet. ``unknown``: what a word that
    nobody knows is told as."""
    if reason is None or reason is False:
        return ""
    if not isinstance(reason, str):
        return unknown
    found = _KNOWN.get(reason)
    if found is not None:
        return found
    word = _GAP.sub("_", _HUMP.sub("_", reason.strip()[:100])).lower()
    if word in _NO_END:
        return ""
    found = _KNOWN.get(word) or _KNOWN.get(word.removeprefix("finish_reason_"))
    if found is not None:
        return found
    parts = frozenset(word.split("_"))
    return next((about for about, words in _PARTS if parts & words), unknown)


def worse(one: str, other: str) -> str:
    """The worse of two canonical reasons; either may be empty."""
    if not one or not other:
        return one or other
    return one if _RANK[one] >= _RANK[other] else other
