"""Token counts as vendors give them, under the canonical names and as integers.

Laws: a count that cannot be read is left out, because it is no reason to lose an answer; what is not known here stays as
it is. Floats come from gateways whose JSON has no integers; the cached part of a prompt has a name of its own at DeepSeek,
Moonshot, Anthropic and Mistral. Pure.
"""

from __future__ import annotations

from typing import Any

_Json = dict[str, Any]

#: The canonical name, and what else it is called.
_NAMES = {
    "prompt_tokens": ("input_tokens", "promptTokens", "prompt_token_count", "promptTokenCount"),
    "completion_tokens": (
        "output_tokens",
        "completionTokens",
        "completion_token_count",
        "candidatesTokenCount",
    ),
    "total_tokens": ("totalTokens", "total_token_count", "totalTokenCount"),
}
_DETAILS = {
    "prompt_tokens_details": ("input_tokens_details",),
    "completion_tokens_details": ("output_tokens_details",),
}
#: Where a number stands beside the details that it belongs to.
_CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens", "num_cached_tokens")
_REASONED = ("reasoning_tokens", "thinking_tokens", "thoughts_tokens")


def number(value: Any) -> int | None:
    """A count; None if ``value`` is none. Raises ``ValueError`` for one that is beyond JSON."""
    if type(value) is int:
        return value if value >= 0 else None
    if isinstance(value, float):
        if value == float("inf"):  # ``1e999`` is legal JSON
            raise ValueError("a number beyond JSON")
        return int(value) if value >= 0 else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return None


def clean(usage: _Json) -> _Json:
    """``usage`` with the canonical counts; what else it says stays."""
    found = {**usage}
    for name, others in _NAMES.items():
        _settle(found, name, (name, *others))
    for name, others in _DETAILS.items():
        details: _Json = next((usage[key] for key in (name, *others) if isinstance(usage.get(key), dict)), {})
        known = {key: count for key, value in details.items() if (count := number(value)) is not None}
        if name == "prompt_tokens_details":
            _fill(known, "cached_tokens", usage, _CACHED)
        else:
            _fill(known, "reasoning_tokens", {**details, **usage}, _REASONED)
        found.pop(name, None)
        if known:
            found[name] = known
    for name in ("cache_creation_input_tokens", "cache_read_input_tokens"):
        _settle(found, name, (name,))
    if "prompt_tokens" in found and "completion_tokens" in found:
        found.setdefault("total_tokens", found["prompt_tokens"] + found["completion_tokens"])
    return found


def _settle(found: _Json, name: str, names: tuple[str, ...]) -> None:
    """The first of ``names`` that is a number, under ``name``."""
    count = next((count for key in names if (count := number(found.get(key))) is not None), None)
    found.pop(name, None)
    if count is not None:
        found[name] = count


def _fill(known: _Json, name: str, usage: _Json, names: tuple[str, ...]) -> None:
    """A detail that stands elsewhere. Zero says as little as nothing: some gateways fill both, one of them with 0."""
    if not known.get(name):
        count = next((count for key in names if (count := number(usage.get(key)))), None)
        if count is not None:
            known[name] = count
