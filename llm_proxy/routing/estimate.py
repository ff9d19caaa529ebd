"""How many tokens a request has, about, for people who ask before it is sent.

Laws: pure, and linear in the request; it is read by the names that the dialects have. A quarter of the characters of its texts and
tools, and at least its words; tokens that the client has made itself are counted. What nobody here can count (a picture, a sound,
a file, a conversation that is kept elsewhere, a form that is not known) makes the whole unknown, not zero.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llm_proxy.routing.able import needs_of

#: Where texts stand that are no chat: Gemini's embeddings and counts, rerankers.
_WITHIN = ("generateContentRequest", "generate_content_request")
_ELSEWHERE = ("content", "requests", "query", "documents")
#: What stands for something that is kept elsewhere.
_KEPT = ("previous_response_id", "conversation", "cachedContent", "cached_content", "context")
_FILES = frozenset(
    """audio document file image image_file image_url input_audio input_file input_image input_video item_reference video
    video_url""".split()
)
_DATA = ("fileData", "file_data", "inlineData", "inline_data", "images", "input_audio", "image_url")


def likely_tokens(body: Mapping[str, Any]) -> int | None:
    """Of the request ``body`` of any dialect; None if that cannot be known here."""
    for name in _WITHIN:
        if isinstance(within := body.get(name), Mapping):
            return likely_tokens(within)
    kept = any(body.get(name) for name in _KEPT) or isinstance(body.get("prompt"), Mapping)
    if kept or _holds_files(body):
        return None
    made = [number for name in ("input", "prompt") if (number := _ids(body.get(name))) is not None]
    if made:
        return sum(made)
    texts = dict(body)
    others = [body[name] for name in _ELSEWHERE if body.get(name)]
    if others:
        texts["input"] = [texts.get("input", ""), *others]
    found = needs_of(texts).likely
    if not found:
        return None
    tools = body.get("tools") or body.get("functions")
    return found + len(json.dumps(tools, ensure_ascii=False)) // 4 if tools else found


def _ids(value: Any) -> int | None:
    """How many tokens a list of them, or of such lists, has; None if it is none."""
    if not isinstance(value, list) or not value:
        return None
    if all(type(one) is int for one in value):
        return len(value)
    counts = [_ids(one) for one in value]
    return None if None in counts else sum(count for count in counts if count is not None)


def _holds_files(body: Mapping[str, Any]) -> bool:
    """Whether there is anything in it that is no text."""
    rest: list[Any] = [{name: value for name, value in body.items() if name not in ("tools", "functions")}]
    while rest:
        value = rest.pop()
        if isinstance(value, list):
            rest += value
        elif isinstance(value, Mapping):
            kind = value.get("type")
            if (isinstance(kind, str) and kind in _FILES) or any(value.get(name) for name in _DATA):
                return True
            rest += value.values()
    return False
