"""A history that goes to OpenAI as it is, without what only this gateway has put into it.

Turns of the same conversation may have been answered by other upstreams. Their thoughts were given out in OpenAI's form,
but OpenAI takes only reasoning of its own ("The encrypted content ... could not be verified", "Item with id 'rs_...' not
found"), and no fields that it does not know. A conversation must not end at that for ever.

Laws: what OpenAI itself gave out stays as it is, byte for byte; what is taken out and said something is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llm_proxy.faces.responses.compaction import ITEMS, told
from llm_proxy.faces.responses.sealed import is_ours

_Json = dict[str, Any]
#: Ids of our own items: OpenAI's are longer.
_OUR_ID = re.compile(r"rs_[0-9a-f]{32}[0-9]{1,6}")
#: Google's signatures, where this gateway gives them out.
_MARK = "extra_content"


def cleaned(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """``body`` as OpenAI takes it (the same object if nothing is to be done), and the names of what was taken out."""
    items = body.get("input")
    if not isinstance(items, list) or not any(map(_is_strange, items)):
        return body, ()
    dropped = tuple(f"input.{at} (reasoning)" for at, item in enumerate(items) if _is_our_thought(item))
    kept = [_understood(item) for item in items if not _is_our_thought(item)]
    return {**body, "input": kept}, dropped


def _is_strange(item: Any) -> bool:
    return isinstance(item, dict) and (_MARK in item or _is_our_thought(item) or _is_our_summary(item))


def _is_our_summary(item: _Json) -> bool:
    return item.get("type") in ITEMS and is_ours(item.get("encrypted_content"))


def _is_our_thought(item: Any) -> bool:
    if not isinstance(item, dict) or item.get("type") != "reasoning":
        return False
    sealed = item.get("encrypted_content")
    return is_ours(sealed) or (not sealed and _OUR_ID.fullmatch(str(item.get("id"))) is not None)


def _understood(item: Any) -> Any:
    """``item`` in words and fields that OpenAI knows."""
    if not isinstance(item, dict):
        return item
    if _is_our_summary(item):
        return {"role": "user", "content": told(item)[0]}
    return {name: value for name, value in item.items() if name != _MARK} if _MARK in item else item
