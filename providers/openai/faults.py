"""Errors that an answer of the canonical dialect carries in spite of its 200: in a choice, or in words of the vendor's own.

Laws: an error in a choice is what one beside the choices is (OpenRouter: openrouter.ai/docs/api-reference/errors, BerriAI/litellm
#21755). The reason ``error`` is one too; other reasons of a vendor's own are the client's to read, in its own dialect.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.errors import GatewayError
from providers.common.errors import Reported, in_stream, reported

_Json = dict[str, Any]


def of_choice(choice: _Json) -> GatewayError | None:
    """The error in a choice."""
    error = choice.get("error")
    if error:
        return in_stream(reported({"error": error}))
    return in_stream(Reported()) if choice.get("finish_reason") == "error" else None


def of_answer(value: _Json) -> GatewayError | None:
    """The error in a whole answer: at its top, in a choice, or in the place where a vendor has it."""
    if value.get("error"):
        return in_stream(reported(value))
    choices = value.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and (error := of_choice(choice)) is not None:
            return error
    return None if choices else _of_no_answer(value)


def of_event(value: _Json) -> GatewayError | None:
    """The error in an event without choices that says so by a code: MiniMax (``base_resp``), Baidu (``error_code``), DashScope;
    or by its form, which is FastAPI's for errors and nothing else."""
    if value.keys() == {"detail"} and value["detail"]:
        return in_stream(reported(value))
    base = value.get("base_resp")
    if isinstance(base, dict) and base.get("status_code"):
        return in_stream(reported({"message": base.get("status_msg"), "code": base["status_code"]}))
    code = value.get("error_code") or value.get("code")
    message = value.get("message") or value.get("error_msg") or value.get("msg")
    if code in (None, 0, 200, "0", "200", "") or not isinstance(message, str):
        return None
    return in_stream(reported({"message": message, "code": code, "type": value.get("type")}))


def _of_no_answer(value: _Json) -> GatewayError | None:
    """What a vendor says instead of choices; of a whole answer, any message is what it has to say."""
    if (error := of_event(value)) is not None:
        return error
    said = reported(value)
    return in_stream(said) if said.message and "usage" not in value else None
