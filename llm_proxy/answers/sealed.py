"""What an upstream wants back as it gave it out, in the one opaque place that another dialect has.

OpenRouter keeps signatures and encrypted thoughts in ``reasoning_details`` of a message and wants them back there
(openrouter.ai/docs/use-cases/reasoning-tokens); GitHub Copilot has ``reasoning_opaque``. Anthropic's dialect has the
``signature`` of a block of thinking for it, the Responses API ``encrypted_content``; both are written from canonical
``thinking_blocks``, so such fields travel as the signature of one.

Laws: what ``restored`` gives back is what came, pieces of a stream joined; a signature that is not from here is left
alone. It is signed by its vendor, not secret. Pure.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

from llm_proxy.wire.sse import dumps

_Json = dict[str, Any]

#: In front of such a signature. Anthropic's own are base64, Google's are marked in the same way.
_MARK = "message:"
DETAILS = "reasoning_details"
OPAQUE = "reasoning_opaque"
#: Fields of a message that may come out of a signature: a client could have written it.
_FIELDS = frozenset({DETAILS, OPAQUE})
#: Texts of a detail that come in pieces.
_TEXTS = ("text", "summary")
#: What makes a detail worth keeping: without it there is only text, which goes back as text.
_SIGNS = ("signature", "data")


def is_sealed(signature: Any) -> bool:
    """Whether ``signature`` was made by ``block``."""
    return isinstance(signature, str) and signature.startswith(_MARK)


def block(thought: str, fields: _Json) -> _Json:
    """A block of thinking that carries ``fields`` of a message."""
    signature = _MARK + base64.b64encode(dumps(fields)).decode()
    return {"type": "thinking", "thinking": thought, "signature": signature}


def restored(blocks: Iterable[Any]) -> _Json:
    """The fields that the blocks of one message carry together; empty if none does."""
    found: _Json = {}
    details: list[Any] = []
    for one in blocks:
        fields = _opened(one.get("signature")) if isinstance(one, dict) else {}
        given = fields.pop(DETAILS, None)
        details += given if isinstance(given, list) else []
        found.update(fields)
    return {**found, DETAILS: joined(details)} if details else found


def unpacked(message: _Json) -> None:
    """Put what the ``thinking_blocks`` of ``message`` carry into the fields where its upstream looks for it."""
    blocks = message.get("thinking_blocks")
    if isinstance(blocks, list) and (fields := restored(blocks)):
        message.update(fields)
        message["thinking_blocks"] = [one for one in blocks if not is_sealed(one.get("signature"))]
        if not message["thinking_blocks"]:
            del message["thinking_blocks"]


def _opened(signature: Any) -> _Json:
    if not is_sealed(signature):
        return {}
    try:
        value = json.loads(base64.b64decode(signature.removeprefix(_MARK), validate=True))
    except (ValueError, RecursionError):  # the latter from nesting that no parser takes
        return {}
    return {key: value[key] for key in _FIELDS & value.keys()} if isinstance(value, dict) else {}


def worth_keeping(details: Iterable[Any]) -> bool:
    """Whether there is something in ``details`` that cannot be said in words."""
    return any(isinstance(detail, dict) and any(detail.get(name) for name in _SIGNS) for detail in details)


def joined(details: Iterable[Any]) -> list[Any]:
    """``details`` with the pieces of each put together: neighbours of one kind and index are pieces of one, and the
    signature comes last, without a text (agno-agi/agno #5802). Encrypted ones are never pieces."""
    found: list[Any] = []
    texts: list[list[str]] = []
    for detail in details:
        if not isinstance(detail, dict):
            continue
        piece = {name: detail[name] for name in _TEXTS if isinstance(detail.get(name), str)}
        if not found or not _goes_on(found[-1], detail):
            found.append(dict(detail))
            texts.append([])
        else:
            found[-1].update({k: v for k, v in detail.items() if k not in piece and v is not None})
            found[-1].update(dict.fromkeys(piece.keys() - found[-1].keys(), ""))
        texts[-1] += piece.values()
    for detail, said in zip(found, texts, strict=True):
        name = next((name for name in _TEXTS if isinstance(detail.get(name), str)), None)
        if name is not None:
            detail[name] = "".join(said)
    return found


def _goes_on(before: _Json, detail: _Json) -> bool:
    if detail.get("type") not in ("reasoning.text", "reasoning.summary") or before.get("signature"):
        return False
    same = all(before.get(name) == detail.get(name) for name in ("type", "index"))
    return same and (not detail.get("id") or not before.get("id") or before["id"] == detail["id"])


def said(details: Iterable[Any]) -> str:
    """The readable text of ``details``."""
    texts = (detail.get("text") or detail.get("summary") for detail in details if isinstance(detail, dict))
    return "".join(text for text in texts if isinstance(text, str))
