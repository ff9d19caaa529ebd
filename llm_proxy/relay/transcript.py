"""What a streamed answer says, for a trace whose operator wants texts.

Laws: between the decoder and the face, like ``AnswerReader``; events go on as they came. Of each choice at most ``MOST``
characters are kept. An answer in an API of another form than chat, relayed as it is, is not looked into: nothing is noted of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llm_proxy.relay.continuity import Continuity
from llm_proxy.wire.answers.reader import AnswerReader
from llm_proxy.wire.events import Chunk, Event

#: Characters of a choice, and choices, that are kept.
MOST, _CHOICES = 16_384, 16


class Transcript:
    """Of one answer, in as many parts as it comes."""

    __slots__ = ("_reader", "_sizes", "_texts", "_whole")

    def __init__(self) -> None:
        self._reader: AnswerReader | Continuity | None = None
        self._texts: dict[int, list[str]] = {}
        self._sizes: dict[int, int] = {}
        self._whole: Mapping[str, Any] | None = None

    def over(self, reader: AnswerReader | Continuity | None) -> Transcript:
        """Listen to what ``reader`` makes of the next part."""
        self._reader = reader
        return self

    def events(self, events: Sequence[Event]) -> Sequence[Event]:
        """``events``, which are noted."""
        if self._reader is not None:
            events = self._reader.events(events)
        for event in events:
            if type(event) is Chunk:
                self._note(event.data.get("choices"))
        return events

    def heard(self, data: Mapping[str, Any]) -> AnswerReader | Continuity | None:
        """The answer came whole although a stream was asked for; what it is to be read by."""
        self._whole = data
        return self._reader

    def _note(self, choices: Any) -> None:
        for choice in choices if isinstance(choices, list) else ():
            delta = choice.get("delta")
            text = delta.get("content") if isinstance(delta, Mapping) else None
            number = choice.get("index")
            if not isinstance(text, str) or not isinstance(number, int) or number not in range(_CHOICES):
                continue
            room = MOST - self._sizes.get(number, 0)
            if room > 0 and text:
                self._texts.setdefault(number, []).append(text[:room])
                self._sizes[number] = MOST - room + len(text[:room])

    def answer(self) -> Mapping[str, Any] | None:
        """It, as a whole answer has it; None if nothing was said."""
        if self._whole is not None:
            return self._whole
        said = [{"message": {"content": "".join(texts)}} for _, texts in sorted(self._texts.items())]
        return {"choices": said} if said else None
