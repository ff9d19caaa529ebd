"""OpenAI's chat completions: what a request must be, what was seen in it, and the answer on the wire.

The type is that of the official client (``CompletionCreateParams``); what types cannot say is here: results follow
their calls, ids and names have a length, and the present models' manners (``Manners``), in the words that users report.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from tests.apps.scripted.mind import Call, Offer, Said, Seen, fresh
from tests.apps.scripted.typed import check, fields, need

#: ``stream`` stands in the client's two other classes.
_KNOWN = frozenset({*fields(CompletionCreateParamsBase), "stream"})
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Manners:
    """How a server of this dialect differs: what it refuses beyond the types, or takes in spite of them."""

    lenient: bool = False  # unknown fields are not looked at (vLLM)
    reasons: bool = True  # knows reasoning_effort
    thinker: bool = False  # OpenAI's models that reason: no max_tokens, no samplers
    elsewhere: bool = False  # those of today: tools together with reasoning are for Responses only
    thought: str = ""  # the field of a delta that thoughts come in


def judge(body: dict[str, Any], manners: Manners) -> None:
    """Raise ``Refused`` for what the vendor answers with a 400."""
    need(isinstance(body.get("stream", False), bool), "Invalid type for 'stream'.", "stream")
    known = {name: value for name, value in body.items() if not manners.lenient or name in _KNOWN}
    known.pop("stream", None)
    if manners.lenient:
        known["messages"] = [_plain(message) for message in body.get("messages", [])]
        known |= {"tools": [_plain_tool(tool) for tool in body["tools"]]} if body.get("tools") else {}
    check(known, CompletionCreateParamsBase)
    need(
        bool(body["messages"]),
        "Invalid 'messages': empty array. Expected an array with minimum length 1.",
        "messages",
    )
    need(
        len(body.get("user", "")) <= 64,
        "Invalid 'user': string too long. Expected a string with maximum length 64.",
        "user",
    )
    need(
        "tool_choice" not in body or bool(body.get("tools")),
        "'tool_choice' is only allowed when 'tools' are specified.",
    )
    for place, tool in enumerate(body.get("tools", ())):
        name = tool.get("function", tool.get("custom"))["name"]
        need(
            _NAME.fullmatch(name) is not None,
            f"Invalid 'tools[{place}].function.name': string does not match pattern.",
        )
        shape = tool.get("function", {}).get("parameters")
        bad = f"Invalid schema for function '{name}': object schema missing properties."
        need(not shape or "properties" in shape or shape.get("type") != "object" or manners.lenient, bad)
    _turns(body["messages"])
    if not manners.reasons:
        words = "Unsupported parameter: 'reasoning_effort' is not supported with this model."
        need("reasoning_effort" not in body, words, "reasoning_effort")
    if manners.thinker:
        _thinker(body, manners)


def _thinker(body: dict[str, Any], manners: Manners) -> None:
    words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    need("max_tokens" not in body, words, "max_tokens")
    # What o3, o4-mini and gpt-5 up to 5.4 say.
    need(
        "stop" not in body or manners.elsewhere,
        "Unsupported parameter: 'stop' is not supported with this model.",
        "stop",
    )
    effort = body.get(
        "reasoning_effort", "none" if manners.elsewhere else "medium"
    )  # from 5.1 on none is the default
    words = (
        "Function tools with reasoning_effort are not supported for this model in /v1/chat/completions. "
        "Please use /v1/responses or set reasoning_effort to 'none'."
    )
    need(not manners.elsewhere or not body.get("tools") or effort == "none", words, "reasoning_effort")
    for name in ("temperature", "top_p"):
        unsaid = body.get(name, 1) == 1 or effort == "none"
        need(unsaid, f"Unsupported value: '{name}' does not support {body.get(name)} with this model.", name)


#: What a lenient server reads of a message and of a tool; of a part everything but marks for a cache.
_MESSAGE = frozenset(
    {"role", "content", "name", "tool_calls", "tool_call_id", "refusal", "audio", "function_call"}
)
_CALL = frozenset({"id", "type", "function", "custom"})


def _plain(message: Any) -> Any:
    """A message without what a lenient server does not look at."""
    if not isinstance(message, dict):
        return message
    slim = {name: value for name, value in message.items() if name in _MESSAGE}
    if slim.get("role") == "tool":
        slim.pop("name", None)  # vLLM's own type of a message has it for every role
    if isinstance(slim.get("content"), list):
        slim["content"] = [
            {k: v for k, v in part.items() if k != "cache_control"} for part in slim["content"]
        ]
    if isinstance(slim.get("tool_calls"), list):
        slim["tool_calls"] = [{k: v for k, v in call.items() if k in _CALL} for call in slim["tool_calls"]]
    return slim


def _plain_tool(tool: Any) -> Any:
    return (
        {k: v for k, v in tool.items() if k in ("type", "function", "custom")}
        if isinstance(tool, dict)
        else tool
    )


def _turns(messages: list[dict[str, Any]]) -> None:
    waiting: set[str] = set()
    for place, message in enumerate(messages):
        at = f"messages[{place}]"
        if message["role"] == "tool":
            words = "messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
            need(message["tool_call_id"] in waiting, f"Invalid parameter: {words}", f"{at}.role")
            waiting.discard(message["tool_call_id"])
            continue
        words = "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'."
        need(not waiting, words, at)
        if message["role"] == "assistant":
            calls = message.get("tool_calls") or []
            empty = f"Invalid value for 'content': expected a string, got null ({at})."
            need(bool(calls) or message.get("content") is not None or "refusal" in message, empty, at)
            waiting = {call["id"] for call in calls}
            long = (
                f"Invalid '{at}.tool_calls[0].id': string too long. Expected a string with maximum length 64."
            )
            need(all(0 < len(one) <= 64 for one in waiting), long, at)
    need(not waiting, "An assistant message with 'tool_calls' must be followed by tool messages.", "messages")


def read(body: dict[str, Any]) -> Seen:
    """The request as the model sees it."""
    texts: list[str] = []
    calls: list[str] = []
    results = pictures = 0
    for message in body["messages"]:
        content = message.get("content") or ""
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        calls += [call["function"]["name"] for call in message.get("tool_calls") or () if "function" in call]
        results += message["role"] == "tool"
        if message["role"] == "user":
            texts += [part["text"] for part in parts if part["type"] == "text"]
            pictures += sum(part["type"] == "image_url" for part in parts)
    offers = [
        Offer(tool["function"]["name"], tool["function"].get("parameters", {}))
        for tool in body.get("tools", ())
        if tool["type"] == "function"
    ]
    return Seen(tuple(texts), tuple(offers), tuple(calls), results, pictures)


def arguments(call: Call) -> str:
    """A call's arguments as this dialect writes them."""
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)


def whole(said: Said, body: dict[str, Any], manners: Manners) -> dict[str, Any]:
    """The answer at once."""
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None, "refusal": None}
    if said.calls:
        message["tool_calls"] = [_call(call) for call in said.calls]
    if manners.thought and said.thought:
        message[manners.thought] = said.thought
    choice = {"index": 0, "message": message, "finish_reason": _end(said), "logprobs": None}
    return {**_head(body, "chat.completion"), "choices": [choice], "usage": USAGE}


def stream(said: Said, body: dict[str, Any], manners: Manners) -> list[dict[str, Any]]:
    """The same as chunks."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if manners.thought and said.thought:
        deltas.append({manners.thought: said.thought})
    deltas += [{"content": piece} for piece in halves(said.text)]
    for number, call in enumerate(said.calls):
        first = _call(call)
        pieces = halves(first["function"]["arguments"])
        first["function"]["arguments"] = ""
        deltas.append({"tool_calls": [{"index": number, **first}]})
        deltas += [{"tool_calls": [{"index": number, "function": {"arguments": piece}}]} for piece in pieces]
    head = _head(body, "chat.completion.chunk")
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": _end(said)}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({**head, "choices": [], "usage": USAGE})
    return chunks


def halves(text: str) -> list[str]:
    """A text in two pieces, or none."""
    middle = (len(text) + 1) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def _head(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{fresh()}", "object": kind, "created": 1790000000, "model": body["model"]}


def _end(said: Said) -> str:
    return "tool_calls" if said.calls else "stop"


def _call(call: Call) -> dict[str, Any]:
    function = {"name": call.offer.name, "arguments": arguments(call)}
    return {"id": f"call_{fresh()}", "type": "function", "function": function}
