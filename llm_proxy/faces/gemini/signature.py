"""What must come back as it went out, in the place that Gemini's clients keep for it: ``thoughtSignature``.

Laws: a signature of Google's own passes as it is. What another vendor wants back (signed blocks of thinking, encrypted
reasoning, reasoning that belongs to a call) is written there in one opaque text that no signature of Google's looks
like; it is the vendor's own words and not secret. It stands where Google's models sign, on the first call of an answer,
or on its last text: programs that throw thoughts away (Gemini CLI does) keep those parts.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from llm_proxy.wire.sse import dumps

Json = dict[str, Any]

#: Fields of a canonical message that a vendor wants back, and their types.
OPAQUE: Mapping[str, type] = {"thinking_blocks": list, "reasoning_details": list, "reasoning_content": str}
#: Twelve bytes, so that they are the same sixteen in every text that is made with them.
_MARK = b"llm-proxy-1:"
_BEGINNING = base64.b64encode(_MARK).decode()
_STANDARD = str.maketrans("-_", "+/")
#: What Google documents for calls without a signature, plain and as its client for Python sends a text; it means nothing.
_WORDS = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
_NOTHING = frozenset(text for word in _WORDS for text in (word, base64.b64encode(word.encode()).decode()))


def sealed(opaque: Mapping[str, Any]) -> str:
    """Fields of ``OPAQUE`` as a signature; empty if there are none."""
    return base64.b64encode(_MARK + dumps(dict(opaque))).decode() if opaque else ""


def is_ours(signature: Any) -> bool:
    """Whether a signature was made here and means nothing to Google."""
    return isinstance(signature, str) and signature.startswith(_BEGINNING)


def opened(signature: Any) -> Json:
    """The fields in a signature that was made here; empty for any other."""
    if not is_ours(signature):
        return {}
    try:
        # The client for Python writes base64 in its other alphabet.
        text = base64.b64decode(signature.translate(_STANDARD), validate=True)
        found = json.loads(text.removeprefix(_MARK))
    except (ValueError, RecursionError):  # the latter from nesting that no parser takes
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: found[name] for name, kind in OPAQUE.items() if isinstance(found.get(name), kind)}


def of_google(signature: Any) -> str:
    """A signature that Google's models will want back; empty if it is none."""
    if not isinstance(signature, str) or is_ours(signature) or signature in _NOTHING:
        return ""
    return signature


def google_extra(signature: str) -> Json:
    """A signature where the canonical form has it: as Google's own OpenAI endpoint does."""
    return {"google": {"thought_signature": signature}}


def signature_in(source: Mapping[str, Any]) -> str:
    """The signature of a canonical call or message; empty if it has none."""
    found: Any = source.get("extra_content")
    for name in ("google", "thought_signature"):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""
