"""A double of vLLM's OpenAI server on a real socket: what differs from OpenAI's own API, after recordings in
tests/data/vllm.

It takes fields that it does not know, thinks in ``reasoning`` (docs.vllm.ai, "Reasoning Outputs"), has codes of errors
that only repeat the status, and sends ``[DONE]`` even after an error in a stream.
"""

from __future__ import annotations

from typing import Any

from tests.support import scripts
from tests.support.openai_double import OpenAIDouble
from tests.support.peer import Script

_TYPES = {400: "BadRequestError", 404: "NotFoundError", 429: "TooManyRequestsError"}
_WORDS = {
    400: "This model's maximum context length is 8 tokens. However, your prompt contains at least 9 input tokens. "
    "(parameter=input_tokens, value=9)",
    404: "The model `nope` does not exist. Valid aliases: gpt-double.",
}
_DEAD = "EngineCore encountered an issue. See stack trace (above) for the root cause."


class VllmDouble(OpenAIDouble):
    """``async with VllmDouble() as double``; models as in ``OpenAIDouble``."""

    dies_with = 500
    done_after_error = True

    def __init__(self, api_key: str | None = None) -> None:
        super().__init__(api_key, unknown_fields=True, thoughts="reasoning")

    def error(self, status: int, message: str = "") -> dict[str, Any]:
        param = "input_tokens" if status == 400 and not message else None
        kind = _TYPES.get(status, "InternalServerError")
        return {"message": message or _WORDS.get(status, _DEAD), "type": kind, "param": param, "code": status}

    def failure(self, status: int, message: str = "") -> Script:
        if status == 401:
            return scripts.answer_json({"error": "Unauthorized"}, 401)
        return scripts.answer_json({"error": self.error(status, message)}, status)

    def whole(self, completion: dict[str, Any]) -> dict[str, Any]:
        (choice,) = completion["choices"]
        message = {"audio": None, "function_call": None, "reasoning": None, **choice["message"]}
        choice = {**choice, "message": message, "stop_reason": None, "token_ids": None}
        more = {"prompt_logprobs": None, "kv_transfer_params": None, "service_tier": None}
        return {**completion, "choices": [choice], "usage": _usage(completion["usage"]), **more}

    def chunk(self, chunk: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in chunk.items() if name not in ("obfuscation", "usage")}
        if chunk.get("usage"):
            kept["usage"] = _usage(chunk["usage"])
        kept["choices"] = [{**choice, **_piece(choice), "token_ids": None} for choice in chunk["choices"]]
        return kept


def _piece(choice: dict[str, Any]) -> dict[str, Any]:
    delta = {name: value for name, value in choice["delta"].items() if name != "refusal"}
    if "tool_calls" in delta or delta.get("role"):
        delta["content"] = None if "tool_calls" in delta else ""
    return {"delta": delta, **({"stop_reason": None} if choice["finish_reason"] else {})}


def _usage(counts: dict[str, Any]) -> dict[str, Any]:
    """It counts no thoughts apart; what its cache gave it says if told to (--enable-prompt-tokens-details)."""
    cached = {"cached_tokens": counts["prompt_tokens_details"]["cached_tokens"]}
    return {**counts, "prompt_tokens_details": cached, "completion_tokens_details": None}
