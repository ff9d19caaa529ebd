"""What the OpenAI double says: the words of an answer, whole and as its API cuts them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: The answer to anything, as it is streamed: letters of one to four bytes, a line break, a quote.
WORDS = ("Hello", " from", " the", " double:", " zażółć", " 漢字", " 😀", '\n"done".')
JSON_WORDS = ('{"answer"', ": ", "42}")
ARGUMENTS = ('{"city"', ': "Par', 'is"}')
THOUGHTS = ("Let me", " think.")
FINGERPRINT, ID, CREATED = "fp_double", "chatcmpl-double-1", 1_700_000_000


def completion(body: dict[str, Any], thoughts: str = "") -> dict[str, Any]:
    """The whole answer to a valid request, with what it thought in the field ``thoughts``."""
    finish, deltas = _deltas(body, thoughts)
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    if thought := "".join(delta.get(thoughts) or "" for delta in deltas):
        message[thoughts] = thought
    if finish == "tool_calls":
        message["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": "".join(ARGUMENTS)}}
            for call_id, name in called(body)
        ]
    else:
        message["content"] = "".join(delta.get("content") or "" for delta in deltas)
    choice = {"message": message, "logprobs": _logprobs(body, message["content"]), "finish_reason": finish}
    return {
        **_frame(body, "chat.completion"),
        "choices": [{"index": index, **choice} for index in range(body.get("n") or 1)],
        "usage": _usage(deltas, thoughts),
        "service_tier": "default",
    }


def chunks(body: dict[str, Any], thoughts: str = "") -> Iterator[dict[str, Any]]:
    """The stream of the same answer, as the API cuts it."""
    finish, deltas = _deltas(body, thoughts)
    wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    extra: dict[str, Any] = {"obfuscation": "x8f2"}
    if wants_usage:
        extra["usage"] = None
    frame = _frame(body, "chat.completion.chunk")
    text = None if finish == "tool_calls" else ""
    first: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    numbers = range(body.get("n") or 1)
    for delta in (first, *deltas):
        logprobs = _logprobs(body, delta.get("content"))
        for index in numbers:
            choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None}
            yield {**frame, "choices": [choice], **extra}
    for index in numbers:
        yield {
            **frame,
            "choices": [{"index": index, "delta": {}, "logprobs": None, "finish_reason": finish}],
            **extra,
        }
    if wants_usage:
        yield {**frame, "choices": [], **extra, "usage": _usage(deltas, thoughts)}


def _deltas(body: dict[str, Any], thoughts: str = "") -> tuple[str, list[dict[str, Any]]]:
    """Finish reason and the deltas after the first."""
    thinks = thoughts and body.get("reasoning_effort") not in (None, "none")
    thought: list[dict[str, Any]] = [{thoughts: word} for word in THOUGHTS] if thinks else []
    if calls := called(body):
        pieces: list[dict[str, Any]] = []
        for index, (call_id, name) in enumerate(calls):
            begun = {"id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
            parts: list[dict[str, Any]] = [begun, *({"function": {"arguments": text}} for text in ARGUMENTS)]
            pieces += [{"tool_calls": [{"index": index, **part}]} for part in parts]
        return "tool_calls", [*thought, *pieces]
    wanted = (body.get("response_format") or {}).get("type", "text")
    words = WORDS if wanted == "text" else JSON_WORDS
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or len(words)
    said = [{"content": word} for word in words[:limit]]
    return "stop" if limit >= len(words) else "length", [*thought, *said]


def called(body: dict[str, Any]) -> list[tuple[str, str]]:
    """Ids and names of the calls: of all tools, unless one is chosen or only one may be; none after a result."""
    choice = body.get("tool_choice") or "auto"
    if not body.get("tools") or choice == "none" or body["messages"][-1]["role"] == "tool":
        return []
    names = [tool["function"]["name"] for tool in body["tools"]]
    if isinstance(choice, dict):
        names = [choice["function"]["name"]]
    elif body.get("parallel_tool_calls") is False:
        names = names[:1]
    return [(f"call_double_{number}", name) for number, name in enumerate(names, 1)]


def _frame(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "id": ID,
        "object": kind,
        "created": CREATED,
        "model": body["model"],
        "system_fingerprint": FINGERPRINT,
    }


def _logprobs(body: dict[str, Any], text: str | None) -> dict[str, Any] | None:
    if not body.get("logprobs") or not text:
        return None
    entry = {"token": text, "logprob": -0.25, "bytes": list(text.encode()), "top_logprobs": []}
    return {"content": [entry], "refusal": None}


def _usage(deltas: list[dict[str, Any]], thoughts: str) -> dict[str, Any]:
    thought = sum(thoughts in delta for delta in deltas)
    return {
        "prompt_tokens": 9,
        "completion_tokens": len(deltas),
        "total_tokens": 9 + len(deltas),
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": thought, "audio_tokens": 0},
    }
