"""The parameters of a request as a vendor's row wants them: names, limits, levels of effort.

Laws: a parameter that has another name goes by that; one that the vendor or the model refuses is left out. ``HINTS`` speak
to a vendor's statistics or cache and are left out without a word; so is a parameter that has the value which it would have
anyway.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from llm_proxy.wire.schema import FRAME
from providers.common.params import HINTS
from providers.openai.vendor import Vendor

_Json = dict[str, Any]

#: ``client_metadata`` is of the Responses API, and in no chat API.
_CACHE_HINTS = HINTS - {"user", "safety_identifier"}
#: What names somebody or something, in as many characters as a vendor allows.
_NAMES = ("user", "safety_identifier", "prompt_cache_key")
#: Values that say nothing.
DEFAULTS: _Json = {
    "temperature": 1,
    "top_p": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logit_bias": {},
    "logprobs": False,
    "store": False,
    "parallel_tool_calls": True,
    "service_tier": "auto",
    "metadata": {},
}
#: Levels of effort, the least first.
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def fit_params(body: _Json, vendor: Vendor, model: str) -> list[str]:
    """Change the parameters of ``body``; the names of those that were lost."""
    if body.keys() <= FRAME:
        return []
    for ours, theirs in vendor.renames:
        if body.get(ours) is not None:
            body.setdefault(theirs, body.pop(ours))
    _limit(body, vendor)
    if body.get("tool_choice") == "any":  # Mistral's word, who knows OpenAI's too
        body["tool_choice"] = "required"
    for name in _NAMES:
        if isinstance(text := body.get(name), str) and len(text) > vendor.user_length:
            body[name] = hashlib.sha256(text.encode()).hexdigest()
    lost = _take(body, _unwanted(body, vendor, model))
    if vendor.stops and isinstance(stop := body.get("stop"), list) and len(stop) > vendor.stops:
        body["stop"] = stop[: vendor.stops]
        lost.append(f"stop (more than {vendor.stops})")
    return lost + _effort(body, vendor) if vendor.efforts else lost


def _unwanted(body: _Json, vendor: Vendor, model: str) -> set[str]:
    """The names of ``body`` that are to be left out."""
    found = body.keys() & vendor.refuses
    if vendor.params is not None:
        found |= body.keys() - vendor.params - FRAME
    found |= body.keys() & (_CACHE_HINTS if not vendor.cache_keys else {"client_metadata"})
    found |= body.keys() & refused_by(vendor, model)
    if "tools" in body and not body["tools"]:  # as good as none, but refused; and so is a choice among none
        found |= body.keys() & {"tools", "tool_choice", "parallel_tool_calls"}
    return found


def refused_by(vendor: Vendor, model: str) -> frozenset[str]:
    """The parameters that this model of the vendor refuses."""
    last = model.lower().rpartition("/")[2].removeprefix("ft:")
    return frozenset().union(*(names for pattern, names in vendor.models if pattern.match(last)))


def _take(body: _Json, names: Iterable[str]) -> list[str]:
    """Take ``names`` out of ``body``; those that said something."""
    lost = []
    for name in sorted(names):
        value = body.pop(name)
        if value is None or name in HINTS or (name in DEFAULTS and value == DEFAULTS[name]):
            continue
        if (name == "tools" and not value) or (name == "tool_choice" and value in ("auto", "none")):
            continue
        lost.append(name)
    return lost


def _limit(body: _Json, vendor: Vendor) -> None:
    if vendor.limit == "either":
        return
    other = "max_tokens" if vendor.limit == "max_completion_tokens" else "max_completion_tokens"
    if other in body:
        value = body.pop(other)
        if value is not None and body.get(vendor.limit) is None:
            body[vendor.limit] = value


def _effort(body: _Json, vendor: Vendor) -> list[str]:
    """The level that is nearest to the one asked for, if the vendor has not that one; the higher of two."""
    asked = body.get("reasoning_effort")
    if asked in vendor.efforts or asked not in _EFFORTS:
        return []
    at = _EFFORTS.index(asked)
    levels = [level for level in vendor.efforts if level in _EFFORTS[1:]]
    if asked == "none" or not levels:
        del body["reasoning_effort"]
    else:
        body["reasoning_effort"] = min(
            levels, key=lambda level: (abs(_EFFORTS.index(level) - at), -_EFFORTS.index(level))
        )
    return [f"reasoning_effort ({asked})"]


def fit_embeddings(body: _Json, vendor: Vendor) -> list[str]:
    """The same for a request for embeddings."""
    known = vendor.embeddings
    if known is None:
        return _take(body, body.keys() & {"client_metadata"})
    if "output_dimension" in known and body.get("dimensions") is not None:
        body.setdefault("output_dimension", body.pop("dimensions"))
    return _take(body, body.keys() - known)
