"""A face: how one answer is written in the dialect that the client speaks.

Laws: a face is pure and lives for one answer. It is told what happened (``event``, ``end``, ``failure``) and returns
bytes; it never decides when. A terminator is written by ``end`` only, and the relay calls that only after the
upstream's own. Bytes of the same dialect pass untouched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from pydantic_core import from_json

from llm_proxy.errors import GatewayError, openai_face
from llm_proxy.wire.asked_name import Retold, differs, renamed
from llm_proxy.wire.events import ChatResponse, Chunk, Comment, Done
from llm_proxy.wire.large_json import encoded
from llm_proxy.wire.sse import sse_data


class Face(ABC):
    """One answer in one client dialect."""

    #: Content type of a streamed answer.
    stream_type: str = "text/event-stream"
    #: Whether events that are canonical, whole and without usage are written as they came.
    canonical: bool = False
    #: Whether what it writes has to be read first, as vendors write it: it is of another dialect.
    translates: bool = True
    #: Whether the dialect's answers may hold pictures (canonical ``images``); else there is a word about each.
    pictures: bool = False
    #: What is written for them instead (of so many): nothing, if that has to be seen event by event. None: as they came.
    retold: Callable[[bytes, int], bytes] | None = None

    def retold_head(self, before: bytes, after: bytes) -> bytes | None:
        """What to write instead of ``before`` for each event that is ``before``, a text and ``after``, of which one was written
        already (``event``); None if that does not do, and ``retold`` has to be asked about each."""
        return None

    def written_head(self, before: bytes, after: bytes) -> bytes | None:
        """What is written before the text of a chunk that has no bytes of its own and is the event ``before``, a text and
        ``after``; ``after`` follows it. None if something else is written."""
        return None

    @abstractmethod
    def event(self, event: Chunk | Comment) -> bytes:
        """The bytes for one event of the upstream; empty if this dialect has nothing to say about it."""

    def events(self, events: Sequence[Chunk | Comment]) -> bytes:
        """The bytes for events that arrived together, to be written at once."""
        if len(events) == 1:
            return self.event(events[0])
        return b"".join(map(self.event, events))

    @abstractmethod
    def keep_alive(self) -> bytes:
        """What the dialect's clients ignore; only ever written between events."""

    @abstractmethod
    def end(self) -> bytes:
        """The dialect's terminator."""

    def ending(self, done: Done) -> bytes:
        """The dialect's terminator for an answer that its upstream has ended so."""
        return self.end()

    @abstractmethod
    def failure(self, error: GatewayError, request_id: str) -> bytes:
        """An error after the stream has begun; no terminator follows it."""

    @abstractmethod
    def whole(self, response: ChatResponse) -> bytes:
        """The body of an answer that is not streamed (``application/json``)."""

    def status(self, error: GatewayError) -> int:
        """The status of an error before anything was sent."""
        return error.status

    @abstractmethod
    def refusal(self, error: GatewayError, request_id: str) -> dict[str, Any]:
        """The body of an error before anything was sent."""


class OpenAIFace(Face):
    """Chat completions: ``data: {chat.completion.chunk}`` events, then ``data: [DONE]``."""

    canonical = True
    translates = False
    pictures = True

    def __init__(self, include_usage: bool = False, asked: str = "") -> None:
        #: Usage is always asked for upstream; the client sees it only if it asked.
        self._include_usage = include_usage
        #: The model's name that the client used; empty: names stay as they are.
        self._asked = asked
        self._names: Retold | None = None

    def event(self, event: Chunk | Comment) -> bytes:
        if type(event) is Comment:
            return event.raw
        data = event.data  # type: ignore[union-attr]  # nobody derives from either
        raw = event.raw
        if not self._include_usage and data.get("usage"):
            if not data.get("choices"):
                return b""
            data, raw = {key: value for key, value in data.items() if key != "usage"}, None
        if self._names is not None or ((told := data.get("model")) and self._asked and told != self._asked):
            return self._other_name(data, raw)
        return raw or sse_data(data)

    def _other_name(self, data: dict[str, Any], raw: bytes | None) -> bytes:
        """An event that calls the model by another name than the client."""
        if not raw:
            return sse_data({**data, "model": self._asked} if data.get("model") else data)
        if self._names is None:
            self._names = Retold(self._asked)
            self.retold = self._names.tokens
        return self._names.event(data, raw)

    def retold_head(self, before: bytes, after: bytes) -> bytes | None:
        return self._names.head(before, after) if self._names is not None else None

    def written_head(self, before: bytes, after: bytes) -> bytes | None:
        mark = b"?" + after
        made = self.event(Chunk(from_json((before + mark)[len(b"data: ") : -len(b"\n\n")])))
        return made[: -len(mark)] if made.endswith(mark) else None

    def keep_alive(self) -> bytes:
        return b": keep-alive\n\n"

    def end(self) -> bytes:
        return b"data: [DONE]\n\n"

    def failure(self, error: GatewayError, request_id: str) -> bytes:
        return sse_data(openai_face(error, request_id))

    def whole(self, response: ChatResponse) -> bytes:
        data, asked = response.data, self._asked
        if response.raw:
            return renamed(response.raw, data, asked)
        return encoded({**data, "model": asked} if asked and differs(data, asked) else data)

    def refusal(self, error: GatewayError, request_id: str) -> dict[str, Any]:
        return openai_face(error, request_id)
