"""Parameters of requests that a source sets for a model: OpenAI's names, and how other programs write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_proxy.cli.importing.draft import Draft, Place
from llm_proxy.live.config import checks

#: Taken as they are, if their value is of this type.
_SAME: dict[str, tuple[type, ...]] = {
    "temperature": (int, float),
    "top_p": (int, float),
    "top_k": (int,),
    "min_p": (int, float),
    "max_tokens": (int,),
    "max_completion_tokens": (int,),
    "presence_penalty": (int, float),
    "frequency_penalty": (int, float),
    "repetition_penalty": (int, float),
    "repeat_penalty": (int, float),
    "seed": (int,),
    "stop": (str, list),
    "n": (int,),
    "num_ctx": (int,),
    "num_predict": (int,),
    "reasoning_effort": (str,),
    "chat_template_kwargs": (dict,),
    "logit_bias": (dict,),
    "parallel_tool_calls": (bool,),
    "response_format": (dict,),
    "service_tier": (str,),
    "verbosity": (str,),
    "thinking": (dict,),
    "think": (bool, str),
    "user": (str,),
}
#: As programs in JavaScript write them.
_CAMEL = {
    "topP": "top_p",
    "topK": "top_k",
    "minP": "min_p",
    "maxTokens": "max_tokens",
    "maxOutputTokens": "max_tokens",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "reasoningEffort": "reasoning_effort",
    "textVerbosity": "verbosity",
    "serviceTier": "service_tier",
    "parallelToolCalls": "parallel_tool_calls",
}


def option(name: str, value: Any, draft: Draft, place: Place, words: str = "") -> dict[str, Any] | None:
    """``{name: value}`` as ``options`` hold it, with its line in the report; None if it is no such parameter. ``words``: what is
    different about it here."""
    here = _CAMEL.get(name, name)
    kinds = _SAME.get(here)
    if kinds is None:
        return None
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        draft.lost("its value is none that this parameter can have", *place)
        return {}
    if words or here != name:
        draft.changed(words or f"is options.{here}", *place)
    else:
        draft.taken(*place)
    return {here: value}


def options_of(given: Any, draft: Draft, place: Place, words: str = "") -> dict[str, Any]:
    """Those of a mapping; the rest is not supported."""
    found: dict[str, Any] = {}
    if isinstance(given, Mapping):
        for name, value in given.items():
            one = option(name, value, draft, (*place, name), words)
            if one is None:
                draft.lost("no parameter of requests is called so here", *place, name)
            else:
                found |= one
    return found


def is_keep_alive(value: Any) -> bool:
    """Whether Ollama takes it as a time for which a model stays."""
    try:
        checks.keep_alive(value)
    except ValueError:
        return False
    return True


def seconds(value: Any) -> float | None:
    """A time as the configuration takes it, if it is one."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= 86_400:
        return value
    return None


def count(value: Any, most: int = 1_000_000_000) -> int | None:
    """A whole number above zero, if it is one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most else None
