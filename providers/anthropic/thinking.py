"""``reasoning_effort`` as Anthropic's thinking (docs.anthropic.com/en/docs/build-with-claude/extended-thinking).

There are two forms. Models up to 4.5 take a budget of tokens; later ones decide for themselves under an effort, and
the newest refuse a budget. The list of those with a budget is closed, so it can stand here; a ``thinking`` option of the
deployment decides for any other name. A budget forbids a forced tool, and tool results without the thinking before
their calls: then thinking is given up and reported, because the client would get a 400 that it cannot understand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from providers.anthropic.models import DEFAULT_MAX_TOKENS, known_limit, thinks

#: An id of a model that takes a budget, with the dates and prefixes that resellers put around it.
_BUDGET_MODELS = re.compile(r"claude-(?:3-|(?:opus|sonnet|haiku)-4(?!\d)(?![-.](?:[6-9]|\d\d)(?!\d)))")

#: The smallest budget that the API accepts.
_MIN_BUDGET = 1024
#: Tokens for each effort. The largest leaves room in the 32,000 that the models with a budget can answer.
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 24576}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What decides about thinking besides the effort; ``preset`` is the deployment's own ``thinking`` option."""

    model: str
    preset: dict[str, Any]
    max_tokens: int | None
    forced_tool: bool
    thinking_lost: bool


@dataclass(frozen=True, slots=True)
class Thinking:
    """Fields for the body (empty: none). ``lost`` says why thinking was given up."""

    config: dict[str, Any]
    effort: str | None
    max_tokens: int
    lost: str = ""


def thinking(effort: str | None, own: dict[str, Any], around: Circumstances) -> Thinking:
    """Translate ``effort`` ("none" switches thinking off); without one, ``own`` is the API's form and stays."""
    if effort is None:
        config = own
    elif effort == "none":
        config = {"type": "disabled"}
    elif _takes_budget(around):
        config = {"type": "enabled", "budget_tokens": _budget(effort, around), **_display(around)}
    else:
        config = {"type": "adaptive", **_display(around)}
    # An agent without a limit of its own must not be cut off in the middle of a file: the default is all there is.
    limit = around.max_tokens if around.max_tokens is not None else known_limit(around.model)
    lost = _why_not(config, around)
    if lost:
        return Thinking({}, None, DEFAULT_MAX_TOKENS if limit is None else limit, lost)
    if limit is None:
        limit = DEFAULT_MAX_TOKENS + _extra(config, effort)  # tokens for thinking count, and come on top
    level = effort if config.get("type") == "adaptive" else None
    return Thinking(config, "low" if level == "minimal" else level, limit)


def _takes_budget(around: Circumstances) -> bool:
    preset = around.preset.get("type")
    if preset in ("enabled", "adaptive"):
        return bool(preset == "enabled")
    return _BUDGET_MODELS.search(around.model) is not None


def _budget(effort: str, around: Circumstances) -> int:
    budget = _BUDGETS.get(effort, _BUDGETS["medium"])
    # A quarter of what the client allows is kept for the answer.
    return budget if around.max_tokens is None else min(budget, around.max_tokens * 3 // 4)


def _display(around: Circumstances) -> dict[str, Any]:
    return {name: value for name, value in around.preset.items() if name == "display"}


def _why_not(config: dict[str, Any], around: Circumstances) -> str:
    """The reason for which the API would refuse to think so; empty if it would not."""
    if config.get("type") in ("enabled", "adaptive") and not thinks(around.model):
        return "this model does not think"
    if config.get("type") != "enabled":
        return ""
    if around.forced_tool:
        return "not with a forced tool"
    if around.thinking_lost:
        return "the thinking_blocks before the tool calls are missing"
    budget = config.get("budget_tokens")
    return "max_tokens is too small" if isinstance(budget, int) and budget < _MIN_BUDGET else ""


def _extra(config: dict[str, Any], effort: str | None) -> int:
    """Tokens that thinking may need on top of the answer's."""
    if config.get("type") not in ("enabled", "adaptive"):
        return 0
    budget = config.get("budget_tokens")
    return budget if isinstance(budget, int) else _BUDGETS.get(effort or "", _BUDGETS["medium"])
