"""How much is thought: ``thinking`` and ``output_config.effort`` of the Messages API in OpenAI's words.

Laws: a budget (``enabled``) and an effort are asked for, so they are sent on; to a model that answers that it does not
think the call is made again without (``BaseProvider.without_thinking``). ``adaptive`` alone means "as you see fit": a model
that is known to take a level is told so, in order that what it thinks is shown; any other is left to itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Block = dict[str, Any]

#: OpenAI's words for budgets of thinking, by the smallest budget that deserves them.
_EFFORTS = ((16_384, "high"), (4_096, "medium"))

#: Models that take a level, by the dialect of the server: OpenAI's reasoning models and gpt-oss wherever they run, and
#: Google's from 2.5 on (platform.openai.com/docs/guides/reasoning, ai.google.dev/gemini-api/docs/thinking).
_OPENAIS = re.compile(
    r"(?:^|[/.:-])(?:o[1-9](?![0-9a-z])|gpt-oss|codex|gpt-(?:[5-9]|\d\d)(?!.*-chat))", re.IGNORECASE
)
_GPT_OSS = re.compile(r"gpt-oss", re.IGNORECASE)
_GOOGLES = re.compile(r"gemini-(?:2\.[5-9]|[3-9]|\d\d)(?!.*(?:image|tts))", re.IGNORECASE)
_THINKERS: Mapping[str, re.Pattern[str]] = {
    "openai": _OPENAIS,
    "vllm": _GPT_OSS,
    "ollama": _GPT_OSS,
    "gemini": _GOOGLES,
}


def thinks(api_type: str, model: str) -> bool:
    """Whether ``model``, as its server of ``api_type`` names it, is known to take a level of thinking."""
    known = _THINKERS.get(api_type)
    return known is not None and known.search(model) is not None


def effort_fields(
    thinking: Block, output: Block, api_type: str, model: str
) -> tuple[dict[str, Any], list[str]]:
    """The canonical fields, and the names of what is lost. OpenAI's API has no word for "do not think" that its models
    without thinking accept; the templates of vLLM's models have a switch, or ignore what they do not know."""
    kind = thinking.get("type")
    effort = output.get("effort") if isinstance(output.get("effort"), str) else None
    if kind in ("disabled", "between_tools"):
        if api_type == "vllm":
            return {"chat_template_kwargs": {"enable_thinking": False}}, []
        return ({"reasoning_effort": "none"}, []) if api_type in ("ollama", "gemini") else ({}, ["thinking"])
    if kind == "enabled":
        effort = effort or _of_budget(thinking.get("budget_tokens"))
    elif kind == "adaptive" and not effort and thinks(api_type, model):
        effort = "medium"  # as much as the model sees fit, but shown
    found: dict[str, Any] = {"reasoning_effort": effort} if effort else {}
    if api_type == "vllm" and effort and kind in ("enabled", "adaptive"):
        found["chat_template_kwargs"] = {"enable_thinking": True}
    return found, []


def _of_budget(budget: Any) -> str:
    budget = budget if isinstance(budget, int) else 0
    return next((word for least, word in _EFFORTS if budget >= least), "low")


def latest_effort(extras: Iterable[Mapping[str, Any] | None]) -> str | None:
    """The effort that the last message of the system with one asks for; it holds from there on."""
    found = None
    for extra in extras:
        config = (extra or {}).get("output_config")
        effort = config.get("effort") if isinstance(config, dict) else None
        found = effort if isinstance(effort, str) else found
    return found
