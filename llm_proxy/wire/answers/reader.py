"""An answer of the canonical dialect as vendors write it, made an answer as the dialect's reference has it.

For faces of other dialects, which have to know what is said; clients of the same dialect get the bytes that came.

Laws: what is in order passes as it is, at the cost of a look; ``collect(read(x))`` says all that x says. Several choices,
where one was asked for, are one answer. A reason for the end that contradicts what came is put right, and a bad end is
never told as a good one; an answer that never began is a fault of its upstream. Pure; one reader reads one answer.

Sources: the issues that the modules of this package name; HKUDS/nanobot #1555 (an answer in two choices), vercel/ai #12218
and earendil-works/pi #6226 (calls with the reason ``stop``, or none).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llm_proxy.errors import UpstreamError
from llm_proxy.wire.answers import counts
from llm_proxy.wire.answers.choice import Choice
from llm_proxy.wire.answers.misfit import misfit
from llm_proxy.wire.answers.sources import FIELDS
from llm_proxy.wire.events import Chunk, Done, Event, Failed

_Json = dict[str, Any]

#: Of a delta that is in order if its texts are texts.
_PLAIN = frozenset({"role", "content", "reasoning_content"})
_FINE = (str, type(None))


class AnswerReader:
    """``alone``: one choice was asked for. ``pictures``: whether the face can show them."""

    def __init__(self, *, alone: bool = True, pictures: bool = False) -> None:
        self._alone = alone
        self._pictures = pictures
        self._choices: dict[int, Choice] = {}

    def events(self, events: Sequence[Event]) -> list[Event]:
        """``events`` of a stream; what they leave open is told before ``Done``."""
        found: list[Event] = []
        try:
            for event in events:
                if type(event) is Chunk:
                    found.append(made := self._chunk(event))
                    if made is not event:
                        self._check()
                elif type(event) is Done:
                    found += [*self._end(), event]
                else:
                    found.append(event)
        except UpstreamError as error:
            found.append(Failed(error))
        except ValueError:
            found.append(Failed(misfit("a value that JSON cannot express")))
        return found

    def whole(self, completion: _Json) -> list[_Json]:
        """A whole answer as the chunks of one. Raises ``UpstreamError``."""
        try:
            chunk = self._read({**completion, "object": "chat.completion.chunk"}, apart=True)
            self._check()
            return [chunk.data, *(last.data for last in self._end())]
        except ValueError as error:
            raise misfit("a value that JSON cannot express") from error

    def _check(self) -> None:
        """Raises what a choice has failed with, once what it said before is told."""
        for choice in self._choices.values():
            if choice.fault is not None:
                raise choice.fault

    def _chunk(self, event: Chunk) -> Chunk:
        data = event.data
        choices = data.get("choices")
        if choices and len(choices) == 1 and not data.get("usage") and FIELDS.isdisjoint(data):
            choice = choices[0]
            delta = choice.get("delta")
            if (
                delta
                and delta.keys() <= _PLAIN
                and not choice.get("finish_reason")
                and choice.get("index") in (0, None)
                and type(text := delta.get("content")) in _FINE
                and type(delta.get("reasoning_content")) in _FINE
                and (known := self._choices.get(0)) is not None
                and known.plain(text)
            ):
                return event
        return self._read(data)

    def _read(self, data: _Json, *, apart: bool = False) -> Chunk:
        said: list[_Json] = []
        usage = data.get("usage")
        for place, choice in enumerate(data.get("choices") or ()):
            index = _index(choice.get("index"), place if apart else 0)
            known = self._known(0 if self._alone else index)
            said += known.read(choice, index, apart=apart)
            usage = usage or choice.get("usage")  # Moonshot's place for it
        if self._choices and not FIELDS.isdisjoint(data):
            self._choices[min(self._choices)].cite(data)
        left_out = FIELDS | {"choices", "usage"}
        found = {key: value for key, value in data.items() if key not in left_out}
        if found.get("id") is not None:
            found["id"] = str(found["id"])
        if not usage and isinstance(data.get("x_groq"), dict):
            usage = data["x_groq"].get("usage")
        if isinstance(usage, dict) and usage:
            found["usage"] = counts.clean(usage)
        return Chunk({**found, "choices": said})

    def _known(self, index: int) -> Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = Choice(index, pictures=self._pictures)
        return choice

    def _end(self) -> list[Chunk]:
        """What is only known at the end. Raises ``UpstreamError`` if there was no answer."""
        if not self._choices:
            raise misfit("no choice in it: nothing was answered")
        last = [piece for _, choice in sorted(self._choices.items()) for piece in choice.end()]
        return [Chunk({"choices": last})] if last else []


def _index(index: Any, default: int) -> int:
    if isinstance(index, float) and index.is_integer():
        index = int(index)
    if index is None:
        return default
    if type(index) is not int:
        raise misfit("an index that is no integer")
    return index
