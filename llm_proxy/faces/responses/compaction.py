"""A conversation in fewer words, as a client asks for it before its context is full
(platform.openai.com/docs/guides/conversation-state, "compaction"): the model is asked for a summary, and that goes out in an
item that only its giver can read.

Laws: a summary from here comes back as text; one of another service cannot be read, and the model is told that something
is missing.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.errors import UpstreamError
from llm_proxy.faces.responses.sealed import packed, unpacked

_Json = dict[str, Any]
#: What the model is asked instead of the next turn.
ASKED = (
    "Summarise this conversation so that another assistant can go on with it from your words alone: what the user wants, "
    "what was decided and done, facts, names of files and results that matter, and what is left to do. Answer with the "
    "summary only."
)
#: Types of the item with a summary; the second is Codex's older word (openai/codex, protocol/src/models.rs).
ITEMS = frozenset({"compaction", "compaction_summary"})
_ELSEWHERE = "[Earlier turns were compacted by another service in a form that only it can read.]"


def is_trigger(item: Any) -> bool:
    """Whether an item asks for it."""
    return isinstance(item, dict) and item.get("type") == "compaction_trigger"


def summary_of(pieces: list[str]) -> str:
    """What the model wrote. Raises ``UpstreamError`` if it is nothing: the client would go on without its history."""
    summary = "".join(pieces)
    if not summary.strip():
        raise UpstreamError("the model gave no summary of the conversation", phase="body", kind="event")
    return summary


def sealed(summary: str) -> str:
    """``encrypted_content`` of the item with a summary."""
    return packed([{"type": "compaction", "text": summary}])


def told(item: _Json) -> tuple[str, bool]:
    """What an item with a summary says to the model, and whether it could be read."""
    blocks = unpacked(item.get("encrypted_content")) or []
    texts = [block["text"] for block in blocks if isinstance(block.get("text"), str)]
    if not texts:
        return _ELSEWHERE, False
    return "Summary of the conversation so far:\n" + "\n".join(texts), True
