"""Ollama's own chat: what a request must be, what was seen in it, and the answer on the wire.

The types are those of the official client, whose fields the server's Go types have too; an unknown field is ignored, as
Go's decoder does. What types cannot say is here: roles, pictures as bare base64, arguments as an object, and that a model without thinking refuses ``think``.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from ollama._types import ChatRequest, Options

from tests.apps.scripted.mind import Call, Offer, Said, Seen, fresh
from tests.apps.scripted.openai_chat import halves
from tests.apps.scripted.typed import Refused, check, fields, need

_ROLES = ("system", "user", "assistant", "tool")


def judge(body: dict[str, Any], thinks: bool) -> None:
    """Raise ``Refused`` for what the server answers with an error."""
    known = {
        name: value for name, value in body.items() if name in fields(ChatRequest)
    }  # Go ignores the others
    check({**known, "messages": [], "tools": [], "options": {}}, ChatRequest)
    options = {name: value for name, value in (body.get("options") or {}).items() if name in fields(Options)}
    check(options, Options, "options")
    for message in body.get("messages", []):
        _message(message)
    for tool in body.get("tools") or []:
        sound = tool.get("type") == "function" and isinstance(tool.get("function", {}).get("name"), str)
        need(sound, "json: cannot unmarshal tool into Go struct field ChatRequest.tools of type api.Tool")
    levels = (None, True, False, "low", "medium", "high", "max")
    words = (
        f'invalid think value: {body.get("think")!r} (must be "high", "medium", "low", "max", true, or false)'
    )
    need(body.get("think") in levels, words, "think")
    need(thinks or not body.get("think"), f'"{body["model"]}" does not support thinking', "think")


def _message(message: dict[str, Any]) -> None:
    need(message.get("role") in _ROLES, f"invalid role: {message.get('role')!r}")
    for name, value in message.items():
        text = name in ("content", "thinking", "tool_name", "tool_call_id")
        go = f"json: cannot unmarshal {type(value).__name__} into Go struct field ChatRequest.messages.{name} of type string"
        need(not text or isinstance(value, str), go)
    for picture in message.get("images") or ():
        try:
            base64.b64decode(picture, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Refused("illegal base64 data at input byte 4") from error
    for call in message.get("tool_calls") or ():
        sound = isinstance(call["function"].get("arguments"), dict)
        need(sound, "json: cannot unmarshal string into Go struct field ToolCallFunction.arguments")


def read(body: dict[str, Any]) -> Seen:
    """The request as the model sees it."""
    messages = body.get("messages", [])
    texts = tuple(message.get("content", "") for message in messages if message["role"] == "user")
    calls = [call["function"]["name"] for message in messages for call in message.get("tool_calls") or ()]
    results = sum(message["role"] == "tool" for message in messages)
    pictures = sum(len(message.get("images") or ()) for message in messages)
    functions = [tool["function"] for tool in body.get("tools") or ()]
    offers = tuple(Offer(one["name"], one.get("parameters") or {}) for one in functions)
    return Seen(texts, offers, tuple(calls), results, pictures)


def lines(said: Said, body: dict[str, Any], thinks: bool) -> list[dict[str, Any]]:
    """The answer as the lines of a stream."""
    head = {"model": body["model"], "created_at": "2026-11-26T12:00:00.123456Z"}
    messages: list[dict[str, Any]] = []
    if thinks and said.thought and body.get("think") is not False:
        messages.append({"content": "", "thinking": said.thought})
    messages += [{"content": piece} for piece in halves(said.text)]
    if said.calls:
        messages.append(
            {"content": "", "tool_calls": [_call(number, call) for number, call in enumerate(said.calls)]}
        )
    found = [{**head, "message": {"role": "assistant", **one}, "done": False} for one in messages]
    return [*found, {**head, "message": {"role": "assistant", "content": ""}, "done": True, **METRICS}]


def whole(said: Said, body: dict[str, Any], thinks: bool) -> dict[str, Any]:
    """The answer at once."""
    joined: dict[str, Any] = {"role": "assistant", "content": ""}
    *some, last = lines(said, body, thinks)
    for line in some:
        for name, value in line["message"].items():
            joined[name] = value if name == "role" else joined.get(name, type(value)()) + value
    return {**last, "message": joined}


METRICS = {
    "done_reason": "stop",
    "total_duration": 5_000_000,
    "load_duration": 1_000_000,
    "prompt_eval_count": 100,
    "prompt_eval_duration": 1_000_000,
    "eval_count": 20,
    "eval_duration": 2_000_000,
}


def _call(number: int, call: Call) -> dict[str, Any]:
    return {
        "id": f"call_{fresh()}",
        "function": {"index": number, "name": call.offer.name, "arguments": call.arguments},
    }
