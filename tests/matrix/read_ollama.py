"""Ollama's lines, read as strictly as its own client reads them, and more."""

from __future__ import annotations

import json
from typing import Any

from tests.matrix.features import Call, Counts, Said
from tests.support.client import Answer

Json = dict[str, Any]


def lines(answer: Answer) -> list[Json]:
    """The objects of a stream: one a line, no line without one."""
    *found, rest = answer.body.split(b"\n")
    assert rest == b""
    return [json.loads(line) for line in found]


def message_of(found: list[Json]) -> Json:
    """The message that all lines make up, as a client keeps it."""
    said = [line["message"] for line in found]
    assert all(part["role"] == "assistant" for part in said)
    message: Json = {"role": "assistant", "content": "".join(part["content"] for part in said)}
    if thinking := "".join(part.get("thinking", "") for part in said):
        message["thinking"] = thinking
    if calls := [call for part in said for call in part.get("tool_calls", [])]:
        message["tool_calls"] = calls
    return message


def read_lines(found: list[Json]) -> tuple[Said, tuple[str, ...]]:
    """What the lines say, and the pieces of the text: each names model, time and ``done``; the last one, and no other,
    is done and says why, how long it took and the counts; calls come whole; a zero may be left out."""
    for line in found:
        assert {"model", "created_at", "message", "done"} <= line.keys()
        assert line["done"] is (line is found[-1])
    last, message = found[-1], message_of(found)
    assert type(last["total_duration"]) is int
    assert all(type(last[name]) is int for name in last if name.endswith(("_duration", "_count")))
    calls = tuple(_call(call, at) for at, call in enumerate(message.get("tool_calls", [])))
    assert last["done_reason"] in ("stop", "length")
    finish: Any = "tool_calls" if calls and last["done_reason"] == "stop" else last["done_reason"]
    counts = Counts(last.get("prompt_eval_count", 0), answer=last.get("eval_count", 0))
    said = Said(message["content"], calls, message.get("thinking", ""), "", finish, counts)
    return said, tuple(filter(None, (line["message"]["content"] for line in found)))


def _call(call: Json, at: int) -> Call:
    function = call["function"]
    assert function.get("index", 0) == at
    assert type(function["arguments"]) is dict
    return Call(call["id"], function["name"], tuple(function["arguments"].items()))
