"""A whole completion from chunks, and chunks from a whole completion: for servers that answer in the other form.

Pure, over canonical JSON. ``collect(explode(x))`` is ``x`` again for every completion in the canonical form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_Json = dict[str, Any]

#: Fields of a delta whose pieces are joined.
_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")


def collect(chunks: Iterable[_Json]) -> _Json:
    """The ``chat.completion`` that ``chunks`` spell out, in the order in which they came."""
    whole: _Json = {}
    choices: dict[int, _Json] = {}
    usage: _Json | None = None
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for key, value in chunk.items():
            if key not in ("choices", "usage", "object"):
                whole.setdefault(key, value)
        for choice in chunk.get("choices") or ():
            _add(choices.setdefault(choice.get("index", 0), _empty(choice.get("index", 0))), choice)
    whole["object"] = "chat.completion"
    whole["choices"] = [choices[index] for index in sorted(choices)]
    if usage is not None:
        whole["usage"] = usage
    return whole


def _empty(index: int) -> _Json:
    return {"index": index, "message": {"role": "assistant", "content": None}, "finish_reason": None}


def _add(whole: _Json, choice: _Json) -> None:
    """Add one choice of one chunk."""
    message = whole["message"]
    for key, value in (choice.get("delta") or {}).items():
        if key == "tool_calls":
            for call in value or ():
                _add_call(message.setdefault("tool_calls", []), call)
        elif key in _TEXTS:
            if value is not None:
                message[key] = (message.get(key) or "") + value
        elif value is not None:
            message[key] = value
    if choice.get("finish_reason") is not None:
        whole["finish_reason"] = choice["finish_reason"]
    for key, value in (choice.get("logprobs") or {}).items():
        if isinstance(value, list):
            whole.setdefault("logprobs", {}).setdefault(key, []).extend(value)


def _add_call(calls: list[_Json], piece: _Json) -> None:
    """Add a piece of a tool call; some servers leave out the index of the only one."""
    index = piece.get("index", 0)
    while len(calls) <= index:
        calls.append({"id": None, "type": "function", "function": {"name": "", "arguments": ""}})
    call = calls[index]
    for key, value in piece.items():
        if key == "function":
            function = call["function"]
            function["name"] += value.get("name") or ""
            function["arguments"] += value.get("arguments") or ""
        elif key != "index" and value is not None:
            call[key] = value


def explode(completion: _Json) -> list[_Json]:
    """Canonical chunks that spell out ``completion``: role, contents, calls, finish, usage."""
    common = {key: value for key, value in completion.items() if key not in ("choices", "usage", "object")}
    common["object"] = "chat.completion.chunk"
    chunks: list[_Json] = []
    for choice in completion.get("choices") or ():
        index = choice.get("index", 0)
        delta = dict(choice.get("message") or {})
        if calls := delta.get("tool_calls"):
            delta["tool_calls"] = [{"index": at, **call} for at, call in enumerate(calls)]
        piece: _Json = {"index": index, "delta": delta, "finish_reason": None}
        if choice.get("logprobs"):
            piece["logprobs"] = choice["logprobs"]
        chunks.append({**common, "choices": [piece]})
        end = {"index": index, "delta": {}, "finish_reason": choice.get("finish_reason")}
        chunks.append({**common, "choices": [end]})
    if completion.get("usage"):
        chunks.append({**common, "choices": [], "usage": completion["usage"]})
    return chunks
