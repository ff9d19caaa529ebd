"""A whole completion from chunks, and chunks from a whole completion: for servers that answer in the other form.

Laws: pure, over canonical JSON whose frame an adapter has checked (choices are objects, deltas are objects). What is
inside comes from an upstream and may be anything: pieces that do not fit together are an ``UpstreamError``, and an
index is a name, never a size. ``collect(explode(x))`` is ``x`` again for every completion in the canonical form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llm_proxy.errors import UpstreamError
from llm_proxy.wire.answers import details

_Json = dict[str, Any]

#: Fields of a delta whose pieces are joined.
_TEXTS = frozenset({"content", "reasoning_content", "reasoning", "refusal"})
#: Fields of a choice that have a meaning of their own here; any other is kept as it came last.
_CHOICE = frozenset({"index", "delta", "message", "logprobs", "finish_reason"})


def collect(chunks: Iterable[_Json]) -> _Json:
    """The ``chat.completion`` that ``chunks`` spell out, in the order in which they came. Raises ``UpstreamError``."""
    whole: _Json = {}
    choices: dict[int, _Choice] = {}
    usage: _Json | None = None
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for key, value in chunk.items():
            if key not in ("choices", "usage", "object"):
                whole.setdefault(key, value)
        for choice in chunk.get("choices") or ():
            index = _index(choice, 0)
            if index not in choices:
                choices[index] = _Choice(index)
            choices[index].add(choice)
    whole["object"] = "chat.completion"
    whole["choices"] = [choices[index].whole() for index in sorted(choices)]
    if usage is not None:
        whole["usage"] = usage
    return whole


class _Choice:
    """One choice while its pieces come in."""

    def __init__(self, index: int) -> None:
        self._choice: _Json = {"index": index, "message": {}, "finish_reason": None}
        self._message: _Json = {"role": "assistant", "content": None}
        self._calls: dict[int, _Json] = {}
        #: The index behind all that there were.
        self._next = 0
        self._latest = -1

    def whole(self) -> _Json:
        """What has come."""
        self._choice["message"] = self._message
        if details.DETAILS in self._message:
            self._message[details.DETAILS] = details.joined(self._message[details.DETAILS])
        if self._calls:
            self._message["tool_calls"] = [self._calls[index] for index in sorted(self._calls)]
        return self._choice

    def add(self, piece: _Json) -> None:
        """Add one choice of one chunk."""
        for key, value in (piece.get("delta") or {}).items():
            if value is None:
                continue
            if key == "tool_calls":
                for call in _list(value):
                    self._add_call(_object(call))
            elif key in _TEXTS:
                self._message[key] = (self._message.get(key) or "") + _text(value)
            else:
                self._message[key] = _further(self._message.get(key), value)
        for key, value in piece.items():
            if key not in _CHOICE and value is not None:
                self._choice[key] = value
        if piece.get("finish_reason") is not None:
            self._choice["finish_reason"] = piece["finish_reason"]
        for key, value in _object(piece.get("logprobs") or {}).items():
            if isinstance(value, list):
                self._choice.setdefault("logprobs", {}).setdefault(key, []).extend(value)

    def _add_call(self, piece: _Json) -> None:
        """Add a piece of a tool call; one without an index goes on with the latest, unless it has another id."""
        latest = self._calls.get(self._latest)
        another = latest is None or (piece.get("id") or latest["id"]) != latest["id"]
        self._latest = _index(piece, self._next if another else self._latest)
        self._next = max(self._next, self._latest + 1)
        blank = {"id": None, "type": "function", "function": {"name": "", "arguments": ""}}
        call = self._calls.setdefault(self._latest, blank)
        for key, value in piece.items():
            if key == "function":
                for name, text in _object(value or {}).items():
                    if text is not None:
                        call["function"][name] = (call["function"].get(name) or "") + _text(text)
            elif key != "index" and value is not None:
                call[key] = value


def explode(completion: _Json) -> list[_Json]:
    """Canonical chunks that spell out ``completion``: for each choice the message and its end, then the usage. Raises
    ``UpstreamError``."""
    common = {key: value for key, value in completion.items() if key not in ("choices", "usage", "object")}
    common["object"] = "chat.completion.chunk"
    chunks: list[_Json] = []
    for choice in completion.get("choices") or ():
        delta = {"role": "assistant", **(choice.get("message") or {})}
        if delta.get("tool_calls"):
            calls = map(_object, _list(delta["tool_calls"]))
            delta["tool_calls"] = [{**call, "index": at} for at, call in enumerate(calls)]
        index = choice.get("index", 0)
        piece: _Json = {"index": index, "delta": delta, "finish_reason": None}
        if choice.get("logprobs"):
            piece["logprobs"] = choice["logprobs"]
        chunks.append({**common, "choices": [piece]})
        end: _Json = {"index": index, "delta": {}, "finish_reason": choice.get("finish_reason")}
        end.update((key, value) for key, value in choice.items() if key not in _CHOICE)
        chunks.append({**common, "choices": [end]})
    if completion.get("usage"):
        chunks.append({**common, "choices": [], "usage": completion["usage"]})
    return chunks


def _index(piece: _Json, default: int) -> int:
    index = piece.get("index")
    if index is None:
        return default
    if type(index) is not int:
        raise _misfit("an index that is not an integer")
    return index


def _further(before: Any, value: Any) -> Any:
    """A field that we have no rule for: lists grow (annotations, reasoning details), anything else is replaced."""
    return [*before, *value] if isinstance(before, list) and isinstance(value, list) else value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _misfit("a piece of text that is not a string")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _misfit("tool calls that are not a list")
    return value


def _object(value: Any) -> _Json:
    if not isinstance(value, dict):
        raise _misfit("something else where an object belongs")
    return value


def _misfit(what: str) -> UpstreamError:
    return UpstreamError(f"the upstream's answer has {what}", phase="body", kind="event")
