"""Defaults of the configuration under what the client sent, for dialects that take OpenAI's names.

What the client sends wins, in whichever words: a default is left out when the client said the same thing under
another name. Among the defaults themselves a canonical name wins over the upstream's own. A null says nothing: typed
clients send it for what they leave open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llm_proxy.wire.schema import UPSTREAM_FIELDS

#: Names for one thing, the canonical ones first.
SAME = (
    ("max_completion_tokens", "max_tokens", "max_new_tokens", "num_predict"),
    ("stop", "stop_sequences"),
    ("repetition_penalty", "repeat_penalty"),
)


def effective(
    sent: Mapping[str, Any], defaults: Mapping[str, Any], same: Iterable[tuple[str, ...]] = SAME
) -> tuple[dict[str, Any], list[str]]:
    """``sent`` completed by ``defaults``, and the names that were left out for safety. ``sent`` is not changed."""
    merged = _under(sent, defaults, same) if defaults else dict(sent)
    if UPSTREAM_FIELDS.isdisjoint(merged):
        return merged, []
    refused = sorted(UPSTREAM_FIELDS & merged.keys())
    for name in refused:
        del merged[name]
    return merged, refused


def _under(
    sent: Mapping[str, Any], defaults: Mapping[str, Any], same: Iterable[tuple[str, ...]]
) -> dict[str, Any]:
    merged = dict(defaults)
    for names in same:
        there = [name for name in names if name in merged]
        if any(sent.get(name) is not None for name in names):
            there.insert(0, "")
        for name in there[1:]:
            del merged[name]
    merged.update((name, value) for name, value in sent.items() if value is not None or name not in merged)
    return merged
