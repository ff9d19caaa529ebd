"""A stream of Gemini's responses as canonical chunks (``:streamGenerateContent?alt=sse``).

Laws: there is no terminator of its own. An answer is complete when all of its candidates have a finish reason *and* the
body has ended cleanly, so ``Done`` comes from ``close``. An error may come as an event or, as the vendor's own clients
expect (googleapis/python-genai, ``_api_client.py``), as bare JSON between the events.
"""

from __future__ import annotations

from collections.abc import Iterator

from llm_proxy.wire.sse import SSEEvent
from providers.base import Chunk, Done, Event
from providers.common.json_objects import Malformed, loads
from providers.common.sse_decoder import ChunkMaker, JsonEventDecoder, Refused, no_terminator
from providers.gemini import errors
from providers.gemini.answer import Answer, Piece, usage


class GeminiDecoder(JsonEventDecoder):
    """One streamed answer."""

    def __init__(self) -> None:
        super().__init__()
        self._make = ChunkMaker()
        self._answer = Answer()

    def _event(self, event: SSEEvent) -> Iterator[Event]:
        if event.data is None:
            refuse_bare(event.raw)
            return
        value = loads(event.data)
        error = errors.error_of(value)
        if error is not None:
            raise Refused(errors.from_error(error))
        if not isinstance(value, dict):
            raise Malformed("not a JSON object")
        for piece in self._answer.read(value):
            yield self._chunk(piece)

    def _end(self) -> Iterator[Event]:
        refuse_bare(self._sse.pending)
        if not self._answer.complete():
            yield no_terminator()
            return
        counts = usage(self._answer.counts)
        for piece in self._answer.last():
            yield self._chunk(piece)
        for index, candidate in sorted(self._answer.candidates.items()):
            yield self._make.finish(candidate.finish(), index)
        if self._answer.counts:
            yield self._make.usage(counts)
        yield Done()

    def _chunk(self, piece: Piece) -> Chunk:
        self._make.id, self._make.model = self._answer.id, self._answer.model
        return self._make.delta(piece.delta, piece.index, **piece.more)


def refuse_bare(raw: bytes) -> None:
    """Raises ``Refused`` if ``raw``, which is no event with data, is an error object."""
    if raw.lstrip()[:1] not in (b"{", b"["):
        return
    try:
        error = errors.error_of(loads(raw))
    except Malformed:
        return
    if error is not None:
        raise Refused(errors.from_error(error))
