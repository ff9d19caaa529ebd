"""What must come back as it was given out, in the one place that every client of the Responses API keeps:
``encrypted_content`` (platform.openai.com/docs/guides/reasoning, "encrypted reasoning items").

Laws: what was packed here comes back value for value; any other text is not read at all, for only its vendor can. It is
signed by that vendor, not secret, and not encrypted. Besides Anthropic's blocks of thinking there are marks: OpenRouter's
``reasoning_details`` and Google's signatures of calls (``extra_content``), which know by themselves where they belong.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

from llm_proxy.wire.answers.details import Details
from llm_proxy.wire.sse import dumps

_Json = dict[str, Any]
#: What ours begins with.
_MARK = "thinking:"
_DETAILS, _EXTRA = "reasoning_details", "extra_content"


def packed(blocks: Iterable[_Json]) -> str:
    """Signed blocks of thinking, and marks, as one opaque text."""
    return _MARK + base64.b64encode(dumps(list(blocks))).decode()


def is_ours(text: Any) -> bool:
    """Whether ``text`` was given out here."""
    return isinstance(text, str) and text.startswith(_MARK)


def unpacked(text: Any) -> list[_Json] | None:
    """The blocks in ``text``; None if it is not from here."""
    if not is_ours(text):
        return None
    try:
        blocks = json.loads(base64.b64decode(text.removeprefix(_MARK), validate=True))
    except (ValueError, RecursionError):  # the latter from nesting that no parser takes
        return None
    return blocks if isinstance(blocks, list) and all(isinstance(b, dict) for b in blocks) else None


def details_mark(details: Details) -> list[_Json]:
    """The mark for what came since the last time, if anything did."""
    return [{"type": _DETAILS, _DETAILS: details.taken()}] if details else []


def call_mark(call_id: str, extra: Any) -> _Json:
    """The mark for a vendor's field of a call."""
    return {"type": _EXTRA, "call_id": call_id, _EXTRA: extra}


def is_mark(block: _Json) -> bool:
    """Whether a block is no thought, but a mark."""
    return block.get("type") in (_DETAILS, _EXTRA)


def apply_marks(message: _Json, marks: Iterable[_Json]) -> None:
    """Put marks back where their vendors want them: on the assistant's message, or on its calls."""
    details: list[Any] = []
    extras: dict[str, Any] = {}
    for mark in marks:
        if mark["type"] == _DETAILS and isinstance(mark.get(_DETAILS), list):
            details += mark[_DETAILS]
        elif mark["type"] == _EXTRA:
            extras[str(mark.get("call_id"))] = mark.get(_EXTRA)
    if details:
        message[_DETAILS] = details
    for call in message.get("tool_calls", ()) if extras else ():
        if call["id"] in extras:
            call.setdefault(_EXTRA, extras[call["id"]])
