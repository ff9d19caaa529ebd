"""A request of the Gemini API to a server of that API: what may not go along; and its answer: the server's own bytes.

Laws: the server judges its own dialect. Signatures that this gateway made for a model of another vendor mean nothing there
and are taken out, without a word: what they carry, that vendor alone can read. A stream is asked for as events; for a
client that wants it as an array, each event's own JSON is put into one.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.faces.gemini.face import GeminiFace
from llm_proxy.faces.gemini.signature import is_ours
from llm_proxy.faces.native import NativeFace
from llm_proxy.wire.events import Chunk, Comment, Done
from llm_proxy.wire.sse import SSEDecoder

Json = dict[str, Any]

_SPELLINGS = ("thoughtSignature", "thought_signature")


def without_our_signatures(body: Json) -> Json:
    """``body`` without signatures that were made here; ``body`` itself if it has none."""
    contents = body.get("contents")
    if not isinstance(contents, list):
        return body
    cleaned = [_content(content) for content in contents]
    same = all(new is old for new, old in zip(cleaned, contents, strict=True))
    return body if same else {**body, "contents": cleaned}


def _content(content: Any) -> Any:
    parts = content.get("parts") if isinstance(content, dict) else None
    if not isinstance(parts, list) or not any(map(_signed_here, parts)):
        return content
    cleaned = [
        {name: value for name, value in part.items() if name not in _SPELLINGS}
        if _signed_here(part)
        else part
        for part in parts
    ]
    # An empty text that only carried a signature is nothing, which the API refuses.
    kept = [part for part in cleaned if part not in ({}, {"text": ""})]
    return {**content, "parts": kept or [{"text": " "}]}


def _signed_here(part: Any) -> bool:
    return isinstance(part, dict) and any(is_ours(part.get(name)) for name in _SPELLINGS)


class GeminiNativeFace(NativeFace):
    """The answer's own bytes, as ``own`` frames them."""

    def __init__(self, own: GeminiFace) -> None:
        super().__init__(own)
        self._frames = own
        self._array = own.stream_type == "application/json"

    def event(self, event: Chunk | Comment) -> bytes:
        if event.raw is None or not self._array:
            return super().event(event)
        return b"".join(
            self._frames.framed(found.data)
            for found in SSEDecoder().feed(event.raw)
            if found.data is not None
        )

    def ending(self, done: Done) -> bytes:
        return self._own.end() if done.raw is None else self._frames.closing()
