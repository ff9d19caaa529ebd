"""Where an Anthropic answer has its words from: citations, and what a search on the vendor's side has found.

Citations become OpenAI's ``annotations`` (a ``url_citation`` has its place in the whole text); documents without an address
are cited by their names. What was found but not cited stands in ``search_results``, as other vendors with a search of
their own call it (docs.perplexity.ai). Texts around a search are two: without a break they would be glued together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.common.json_objects import JsonObject

#: Blocks between two texts that do not part them: the answer goes on in mid-sentence.
_SEAMLESS = ("text", "fallback")


class Text:
    """The text of one answer, as it grows: how long it is, and where it was interrupted."""

    def __init__(self) -> None:
        self.length = 0
        self._interrupted = False
        self._open_line = False

    def block(self, kind: Any) -> None:
        """A block of ``kind`` begins."""
        if kind not in _SEAMLESS and self._open_line:
            self._interrupted = True

    def said(self, piece: str) -> str:
        """The next piece, with a break in front if something other than text came between."""
        if piece and self._interrupted:
            self._interrupted = False
            piece = piece if piece[0] == "\n" else "\n\n" + piece
        if piece:
            self.length += len(piece)
            self._open_line = piece[-1] != "\n"
        return piece


def annotated(citations: Any, start: int, end: int) -> list[JsonObject]:
    """The citations on the text from ``start`` to ``end`` of an answer."""
    place = {"start_index": start, "end_index": end}
    given = citations if isinstance(citations, list) else []
    return [_annotation(citation, place) for citation in given if isinstance(citation, dict)]


def _annotation(citation: Mapping[str, Any], place: JsonObject) -> JsonObject:
    url = citation.get("url") or citation.get("source")
    if isinstance(url, str):
        title = citation.get("title")
        return {"type": "url_citation", "url_citation": {**place, "url": url, "title": str(title or url)}}
    named = {
        "filename": str(citation.get("document_title") or ""),
        "index": citation.get("document_index") or 0,
    }
    quoted = {"quote": str(citation.get("cited_text") or "")}
    return {"type": "file_citation", "file_citation": {**place, **named, **quoted}}


def search_results(block: Mapping[str, Any]) -> list[JsonObject]:
    """What a block of results says was found; empty for any other block."""
    kind, content = block.get("type"), block.get("content")
    if kind == "web_search_tool_result" and isinstance(content, list):
        return [_found(result) for result in content if isinstance(result, dict)]
    if kind == "web_fetch_tool_result" and isinstance(content, dict) and isinstance(content.get("url"), str):
        document = content.get("content")
        title = document.get("title") if isinstance(document, dict) else None
        return [_found({**content, "title": title, "page_age": content.get("retrieved_at")})]
    return []


def _found(result: Mapping[str, Any]) -> JsonObject:
    return {
        name: result.get(given) for name, given in (("title", "title"), ("url", "url"), ("date", "page_age"))
    }
