"""vLLM's OpenAI server: the canonical dialect with parameters of its own, which pass like any other field.

Its ``reasoning`` fields (older: ``reasoning_content``) pass untouched as well. Source: docs.vllm.ai, "OpenAI-Compatible
Server", extra parameters; error shapes from recordings in tests/data/vllm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from llm_proxy.errors import GatewayError
from providers.common.errors import from_body, refusal
from providers.openai.provider import OpenAIProvider


class VllmProvider(OpenAIProvider):
    """``api_type`` ``vllm``."""

    api_type: ClassVar[str] = "vllm"
    default_host: ClassVar[str | None] = None

    def vendor_at(self, api_host: str) -> str:
        return "vllm"

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        said = from_body(body)
        # Its code only repeats the status. This parameter, which no request has, is named for an overflow alone
        # (vllm/renderers/params.py, TokenizeParams).
        if said.param == "input_tokens":
            said = replace(said, code="context_length_exceeded", param="messages")
        return refusal(status, headers, said)
