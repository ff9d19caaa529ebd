"""One choice of an answer while it comes in: what each of its pieces says, in the canonical form and in a face's order.

Laws: what is read here has one name and one type afterwards; other fields pass. Thoughts come before what they led to, and
what their upstream wants back behind them. The reason for the end is told when it comes, and
once more if what came later shows that it was another. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from llm_proxy.errors import UpstreamError
from llm_proxy.wire.answers import details, ends, parts
from llm_proxy.wire.answers.calls import CallReader
from llm_proxy.wire.answers.misfit import misfit
from llm_proxy.wire.answers.sources import FIELDS, Annotations

_Json = dict[str, Any]

#: What thoughts are called: DeepSeek and most, OpenRouter and vLLM, Copilot, others. One says the same as another.
_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "thinking_content")
_READ = frozenset(
    {
        *_THOUGHTS,
        *FIELDS,
        *("role", "content", "refusal", "images", "annotations", "audio", "tool_calls", "function_call"),
        details.DETAILS,
    }
)
#: Of a choice; anything else (log probabilities, the stop sequence) is passed on with it.
_CHOICE = frozenset({"index", "delta", "message", "text", "finish_reason", "usage", "error"})
#: The order in which faces look at the fields of one delta; others come last.
_ORDER = (
    "role",
    "reasoning_content",
    "reasoning_details",
    "thinking_blocks",
    "content",
    "refusal",
    "images",
    "annotations",
    "tool_calls",
)
_RANK = {name: rank for rank, name in enumerate(_ORDER)}
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9 _.-]{0,59}")


class Choice:
    """Choice ``index`` of the answer that is read; ``pictures``: whether the face can show them."""

    def __init__(self, index: int, *, pictures: bool) -> None:
        self._index = index
        self._pictures = pictures
        self._begun = False
        #: Characters of its text.
        self._length = 0
        self._calls = CallReader()
        self._annotations = Annotations()
        self._listed: _Json = {}
        #: What was said while a call was still open.
        self._held: list[_Json] = []
        self._finish = self._told = ""
        #: Why the answer is none, once its upstream has said so.
        self.fault: UpstreamError | None = None

    def plain(self, text: str | None) -> bool:
        """Take a piece that is nothing but texts, of which ``text`` is shown; false if it has to be read."""
        if self._calls:
            return False
        self._length += len(text or "")
        return True

    def read(self, piece: _Json, source: int, *, apart: bool) -> list[_Json]:
        """One piece, of choice ``source`` as the upstream numbers them, as canonical ones. ``apart``: it is all of that choice. Raises
        ``UpstreamError``."""
        deltas = _in_order(self._apart_from_calls(self._deltas(self._said(piece, apart), source, apart)))
        found = [self._piece(delta) for delta in deltas]
        more = {name: value for name, value in piece.items() if name not in _CHOICE and value is not None}
        reason = ends.meaning(piece.get("finish_reason"))
        if reason == ends.ERROR:
            self.fault = _failed(piece["finish_reason"])
        elif reason:
            self._finish = ends.worse(self._finish, reason)
            self._told = self._reason()
        if (more or reason) and not found:
            found = [self._piece({})]
        if more:
            next((one for one in found if "content" in one["delta"]), found[-1]).update(more)
        if reason and self.fault is None:
            found[-1]["finish_reason"] = self._told
        return found

    def cite(self, listing: _Json) -> None:
        """Note the sources that stand beside the choices; many servers repeat them in each event."""
        self._listed.update({name: listing[name] for name in FIELDS & listing.keys() if listing[name]})

    def end(self) -> list[_Json]:
        """What is left to be told."""
        deltas = []
        if rest := self._calls.rest():
            deltas.append({"tool_calls": rest})
        deltas += self._held
        if sources := self._annotations.listed(self._listed, self._length):
            deltas.append({"annotations": sources})
        found = [self._piece(delta) for delta in deltas]
        reason = self._reason()
        if reason != self._told:
            found.append({**self._piece({}), "finish_reason": reason})
        return found

    def _apart_from_calls(self, deltas: Iterable[_Json]) -> Iterator[_Json]:
        """``deltas`` without words in the middle of a call, which most dialects cannot tell: they wait for its end."""
        for delta in deltas:
            if "tool_calls" in delta:
                yield delta
            elif self._held or self._calls.unfinished():
                self._held.append(delta)
            else:
                yield delta
        if self._held and not self._calls.unfinished():
            yield from self._held
            self._held = []

    def _reason(self) -> str:
        """Why it ended, by what was said and by what came."""
        reason = self._finish
        if reason in ("", ends.STOP) and self._calls.cut():
            return ends.LENGTH
        if reason in ("", ends.STOP, ends.CALLS):
            return ends.CALLS if self._calls else ends.STOP
        return reason

    def _piece(self, delta: _Json) -> _Json:
        return {"index": self._index, "delta": delta, "finish_reason": None}

    def _said(self, piece: _Json, apart: bool) -> _Json:
        """The object with what was said. Some servers stream messages, or repeat the whole one at the end of a stream."""
        for name in ("message", "delta") if apart else ("delta", "message"):
            said = piece.get(name)
            if said and (apart or name == "delta" or not self._begun):
                return _object(said)
        text = piece.get("text")
        return {"content": text} if isinstance(text, str) and text else {}

    def _deltas(self, said: _Json, source: int, apart: bool) -> Iterator[_Json]:
        """Each field, or part of one, by itself."""
        if not self._begun:
            self._begun = True
            yield {"role": "assistant"}
        yield from self._thought(said)
        if said.get("thinking_blocks") is not None:
            yield {"thinking_blocks": said["thinking_blocks"]}
        for delta in self._words(said):
            if "content" in delta:
                self._length += len(delta["content"])
            yield delta
        if (calls := self._called(said, source, apart)) is not None:
            yield {"tool_calls": calls}
        rest = {k: v for k, v in said.items() if k not in _READ and k != "thinking_blocks" and v is not None}
        if rest:
            yield rest

    def _thought(self, said: _Json) -> Iterator[_Json]:
        thought = next((text for name in _THOUGHTS if (text := parts.words(said.get(name)))), "")
        given = said.get(details.DETAILS)
        known = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
        if thought := thought or details.said(known):
            yield {"reasoning_content": thought}
        if known:
            yield {details.DETAILS: known}

    def _words(self, said: _Json) -> Iterator[_Json]:
        """What is shown: text, a refusal, pictures, sources."""
        content = said.get("content")
        if isinstance(content, str):
            yield from [{"content": content}] if content else []
        elif content is not None:
            yield from self._shown(parts.read(content))
        if refusal := parts.words(said.get("refusal")):
            yield {"refusal": refusal}
        audio = said.get("audio")
        if isinstance(audio, dict) and isinstance(audio.get("transcript"), str) and audio["transcript"]:
            yield {"content": audio["transcript"]}
        if said.get("images"):
            yield from self._shown([{"images": said["images"]}])
        cited = self._annotations.of(said["annotations"], self._length) if said.get("annotations") else []
        cited += self._annotations.listed(said, self._length)
        if cited:
            yield {"annotations": cited}

    def _shown(self, deltas: Iterable[_Json]) -> Iterator[_Json]:
        for delta in deltas:
            if "images" in delta and not self._pictures:
                images = delta["images"]
                yield {"content": parts.noted(images if isinstance(images, list) else [images])}
                continue
            cited = delta.pop("annotations", None)
            if delta and any(delta.values()):
                yield delta
            if cited and (new := self._annotations.of(cited, self._length)):
                yield {"annotations": new}

    def _called(self, said: _Json, source: int, apart: bool) -> list[_Json] | None:
        calls = said.get("tool_calls")
        if not calls and said.get("function_call"):  # the form before there were tools
            calls = [{"index": 0, "function": said["function_call"]}]
        if not calls:
            return None
        if not isinstance(calls, list | dict):
            raise misfit("tool calls that are not a list")
        return self._calls.read(calls, source, apart=apart)


def _in_order(deltas: Iterable[_Json]) -> list[_Json]:
    """``deltas`` in as few as keep their order: a face looks at the fields of one in its own."""
    found: list[_Json] = []
    rank = len(_RANK)
    for delta in deltas:
        own = min(_RANK.get(name, len(_RANK)) for name in delta)
        if found and own > rank:
            found[-1].update(delta)
        else:
            found.append(dict(delta))
        rank = own
    return found


def _object(value: Any) -> _Json:
    if not isinstance(value, dict):
        raise misfit("something else where an object belongs")
    return value


def _failed(reason: Any) -> UpstreamError:
    said = f": {reason}" if isinstance(reason, str) and _WORD.fullmatch(reason) else ""
    return UpstreamError(f"the upstream says that its answer failed{said}", phase="body", kind="event")
