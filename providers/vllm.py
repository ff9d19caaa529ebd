"""vLLM's OpenAI server: the canonical dialect with parameters of its own, which pass like any other field.

Its ``reasoning`` fields (older: ``reasoning_content``) pass untouched as well. Source: docs.vllm.ai, "OpenAI-Compatible
Server", extra parameters; error shapes from recordings in tests/data/vllm.
"""

from __future__ import annotations

from typing import ClassVar

from providers.openai import OpenAIProvider


class VllmProvider(OpenAIProvider):
    """``api_type`` ``vllm``."""

    api_type: ClassVar[str] = "vllm"
    default_host: ClassVar[str | None] = None
    #: vLLM ignores them in silence, and silence is what we do not pass on.
    inexpressible: ClassVar[frozenset[str]] = frozenset(
        {"typical_p", "repeat_last_n", "num_ctx", "keep_alive"}
    )
