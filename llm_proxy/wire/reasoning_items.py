"""Reasoning of OpenAI's Responses API in a signed block of thinking, which chat and Messages clients keep and send back.

OpenAI gives reasoning out as an item with an id and a text that only it can read, and wants both back unchanged
(platform.openai.com/docs/guides/reasoning, encrypted reasoning items). The block's signature holds the two; its thinking is
the summary, if there was one. To any other vendor the block means nothing. Pure.
"""

from __future__ import annotations

from typing import Any

_Json = dict[str, Any]

_MARK = "openai:"


def block_of(item: _Json, thinking: str) -> _Json | None:
    """The block for a reasoning ``item`` whose summary is ``thinking``; None if nothing of it has to come back."""
    sealed, name = item.get("encrypted_content"), item.get("id")
    if not isinstance(sealed, str) or not sealed:
        return None
    name = name if isinstance(name, str) and ":" not in name else ""
    return {"type": "thinking", "thinking": thinking, "signature": f"{_MARK}{name}:{sealed}"}


def is_openai(block: _Json) -> bool:
    """Whether a block of thinking is one of these."""
    signature = block.get("signature")
    return isinstance(signature, str) and signature.startswith(_MARK)


def item_of(block: _Json) -> _Json | None:
    """The item that ``block`` was made of; None if it was made of something else."""
    if not is_openai(block):
        return None
    name, _, sealed = block["signature"].removeprefix(_MARK).partition(":")
    thinking = block.get("thinking")
    summary = [{"type": "summary_text", "text": thinking}] if thinking and isinstance(thinking, str) else []
    item = {"type": "reasoning", "summary": summary, "encrypted_content": sealed}
    return {**item, "id": name} if name else item
