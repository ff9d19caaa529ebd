"""What other vendors must have back as they gave it, in the one place that every client of the Messages API keeps: the
signature of a block of thinking.

Laws: what was written here comes back value for value; Anthropic's own signatures are left alone, and a server of
Anthropic's never sees another's (``foreign``), because it refuses the whole conversation for it.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from llm_proxy.wire.sse import dumps

Block = dict[str, Any]

#: In front of a signature that is Google's, and of OpenRouter's ``reasoning_details``. Anthropic's own signatures never
#: look so: they are base64.
_GOOGLE = "google:"
_DETAILS = "details:"
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]+")
#: Others that programs put there which keep one history for all vendors: OpenAI's encrypted reasoning (a Fernet token
#: begins so), Google's (a message of protocol buffers whose first field is bytes; Anthropic's begins with its second).
_OTHERS = re.compile(r"gAAAA|C[g-v]")
#: What Google documents for calls without a signature.
_WORDS = frozenset({"skip_thought_signature_validator", "context_engineering_is_the_way_to_go"})


def google_signature(call: Block) -> str:
    """The signature of the thinking before a canonical call, as a block of thinking may carry it; empty if there is none.

    Google's models sign calls and want each signature back with its call (ai.google.dev/gemini-api/docs/thought-signatures);
    its own OpenAI endpoint puts it into ``extra_content.google.thought_signature``.
    """
    found: Any = call
    for name in ("extra_content", "google", "thought_signature"):
        found = found.get(name) if isinstance(found, dict) else None
    return _GOOGLE + found if isinstance(found, str) and found else ""


def googles(block: Block) -> str:
    """Google's signature in a block of thinking, as Google wrote it; empty if there is none."""
    signature = block.get("signature") if block.get("type") == "thinking" else None
    if not isinstance(signature, str) or not signature.startswith(_GOOGLE):
        return ""
    return signature.removeprefix(_GOOGLE)


def details_signature(details: list[Block]) -> str:
    """``reasoning_details`` of a whole message (openrouter.ai/docs/use-cases/reasoning-tokens) as a signature."""
    return _DETAILS + base64.b64encode(dumps(details)).decode() if any(map(_is_opaque, details)) else ""


def details_in(block: Block) -> list[Block]:
    """The ``reasoning_details`` in a block of thinking; empty if there are none."""
    signature = block.get("signature")
    if not isinstance(signature, str) or not signature.startswith(_DETAILS):
        return []
    try:
        found = json.loads(base64.b64decode(signature.removeprefix(_DETAILS), validate=True))
    except (ValueError, RecursionError):  # the latter from nesting that no parser takes
        return []
    return found if isinstance(found, list) and all(isinstance(entry, dict) for entry in found) else []


def foreign(block: Block) -> bool:
    """Whether a block of thinking is of another vendor's model: unsigned, or with a signature that is not Anthropic's."""
    signature = block.get("signature")
    if not isinstance(signature, str) or not signature:
        return True
    return _BASE64.fullmatch(signature) is None or _OTHERS.match(signature) is not None or signature in _WORDS


def _is_opaque(entry: Block) -> bool:
    """Whether an entry holds more than a text, which the block of thinking has besides."""
    return bool(entry.get("data") or entry.get("signature"))
