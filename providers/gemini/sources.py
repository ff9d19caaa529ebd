"""Where a Gemini answer has its facts from, as canonical annotations (ai.google.dev/gemini-api/docs/google-search).

Laws: a source that supports a piece of text is told with its place there, in characters (the vendor counts bytes of UTF-8);
one that supports none belongs to all of it. Each is told once, however often a stream repeats it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llm_proxy.wire.answers.sources import citation
from providers.common.json_objects import JsonObject, integer, obj, objects, text

#: The kinds of what was found, each with an address and a title.
_KINDS = ("web", "retrievedContext", "maps", "image")


class Sources:
    """The sources of one candidate while its responses come in."""

    def __init__(self) -> None:
        self._grounding: JsonObject = {}
        self._cited: list[JsonObject] = []
        self._read: list[JsonObject] = []

    def note(self, candidate: JsonObject) -> None:
        """Take what one response says of them: each list replaces the one before, as it is repeated whole. Raises ``Malformed``."""
        found = obj(candidate, "groundingMetadata")
        if found:
            self._grounding = {**self._grounding, **{k: v for k, v in found.items() if v}}
        citations = obj(candidate, "citationMetadata")
        self._cited = objects(citations, "citationSources") or objects(citations, "citations") or self._cited
        self._read = objects(obj(candidate, "urlContextMetadata"), "urlMetadata") or self._read

    def annotations(self, said: str) -> list[dict[str, Any]]:
        """All of them; ``said`` is the text. Raises ``Malformed``."""
        found: dict[tuple[str, int, int], dict[str, Any]] = {}
        told: set[str] = set()
        for url, title, start, end in self._all(_Places(said)):
            if url and (start is not None or url not in told):
                first, last = (0, len(said)) if start is None or end is None else (start, end)
                told.add(url)
                found.setdefault((url, first, last), citation(url, title, first, last))
        return list(found.values())

    def _all(self, places: _Places) -> Iterator[tuple[str, str, int | None, int | None]]:
        chunks = [_chunk(chunk) for chunk in objects(self._grounding, "groundingChunks")]
        for support in objects(self._grounding, "groundingSupports"):
            segment = obj(support, "segment")
            start, end = places.of(integer(segment, "startIndex")), places.of(integer(segment, "endIndex"))
            numbers = support.get("groundingChunkIndices")
            for number in numbers if isinstance(numbers, list) else ():
                if type(number) is int and 0 <= number < len(chunks):
                    yield (*chunks[number], start, end)
        for source in self._cited:
            start, end = places.of(integer(source, "startIndex")), places.of(integer(source, "endIndex"))
            yield text(source, "uri"), text(source, "title"), start, end
        for url, title in chunks:
            yield url, title, None, None
        for page in self._read:
            if text(page, "urlRetrievalStatus") in ("", "URL_RETRIEVAL_STATUS_SUCCESS"):
                yield text(page, "retrievedUrl"), "", None, None


def _chunk(chunk: JsonObject) -> tuple[str, str]:
    for kind in _KINDS:
        if inner := obj(chunk, kind):
            return text(inner, "uri") or text(inner, "sourceUri"), text(inner, "title") or text(
                inner, "text"
            )[:100]
    return "", ""


class _Places:
    """Places in a text, given in bytes, as numbers of characters."""

    def __init__(self, said: str) -> None:
        self._length = len(said)
        self._data = None if said.isascii() else said.encode(errors="surrogatepass")
        #: Places are asked for in about the order of the text, and remembered: counting anew would be quadratic.
        self._known: dict[int, int] = {0: 0}
        self._last = (0, 0)

    def of(self, at: int) -> int:
        """The number of characters before byte ``at``."""
        if self._data is None:
            return max(0, min(at, self._length))
        at = max(0, min(at, len(self._data)))
        if at not in self._known:
            before, count = self._last if self._last[0] <= at else (0, 0)
            count += len(self._data[before:at].decode(errors="ignore"))
            self._known[at] = count
            self._last = at, count
        return self._known[at]
