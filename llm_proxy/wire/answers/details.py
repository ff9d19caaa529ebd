"""``reasoning_details``: what OpenRouter wants back with the calls that thoughts led to
(openrouter.ai/docs/use-cases/reasoning-tokens). Faces keep them where a dialect has a place for what is opaque.

Laws: the pieces of a stream are joined, and nothing else is changed; joined twice they are the same. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_Json = dict[str, Any]

DETAILS = "reasoning_details"
#: Texts of a detail that come in pieces.
_TEXTS = ("text", "summary")


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


class Details:
    """The details of a stream, until a face has a place for them."""

    def __init__(self) -> None:
        self._entries: list[_Json] = []

    def add(self, entries: Iterable[_Json]) -> None:
        """What one delta brought."""
        self._entries += entries

    def __bool__(self) -> bool:
        return bool(self._entries)

    def taken(self) -> list[_Json]:
        """What came since the last time, joined."""
        entries, self._entries = self._entries, []
        return joined(entries)
