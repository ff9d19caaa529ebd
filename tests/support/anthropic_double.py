"""A strict double of Anthropic's Messages API on a real socket: what it answers depends only on the request.

Written from the vendor's documents (see tests/data/anthropic/README.md), not checked against the real service. Models:
those in ``MODELS`` answer, ``error-STATUS`` answers with that error, ``dies`` reports an error in mid-stream, ``mute``
ends without ``message_stop``; any other name is a 404. It refuses what the real API refuses (``anthropic_rules``,
``anthropic_turns``), above all thinking that does not come back as it was signed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from tests.support import scripts
from tests.support.anthropic_rules import Refused, signature
from tests.support.anthropic_turns import check
from tests.support.peer import Exchange, Peer, Script

MODELS = ("claude-double", "claude-double-4-5", "dies", "mute")
#: The answer to anything, as it is streamed: letters of one to four bytes, a line break, a quote.
WORDS = ("Hello", " from", " the", " double:", " zażółć", " 漢字", " 😀", '\n"done".')
JSON_WORDS = ('{"answer"', ": ", "42}")
ARGUMENTS = ("", '{"city"', ': "Par', 'is"}')
THOUGHTS = ("Let me", " think.")
MESSAGE_ID = "msg_double_1"
ERRORS = {
    400: ("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"),
    401: ("authentication_error", "invalid x-api-key"),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "model: unknown"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your rate limit."),
    500: ("api_error", "Internal server error"),
    529: ("overloaded_error", "Overloaded"),
}

Event = dict[str, Any]


class AnthropicDouble(Peer):
    """``async with AnthropicDouble() as double``: ``double.url`` is the base, without a path.

    With ``api_key`` every request needs it. ``gate``, if set, is waited for after the first word of
    a stream.
    """

    def __init__(self, api_key: str | None = None) -> None:
        super().__init__(self._answer)
        self.api_key = api_key
        self.gate: asyncio.Event | None = None

    async def _answer(self, exchange: Exchange) -> None:
        await self._choose(exchange)(exchange)

    def _choose(self, exchange: Exchange) -> Script:
        request = exchange.request
        # The newest clients of the vendor send their key as Bearer.
        key = request.header("x-api-key") or (request.header("Authorization") or "").removeprefix("Bearer ")
        if self.api_key is not None and key != self.api_key:
            return failure(401, f"invalid x-api-key: {key}")
        if not request.header("anthropic-version"):
            return failure(400, "anthropic-version: header is required")
        if request.path.partition("?")[0] != "/v1/messages" or request.method != "POST":
            return failure(404, "Not found")
        try:
            body = request.json()
            if body.get("thread") is not None:
                # What the vendor's client takes as: go on without a thread (anthropic/lib/threads of anthropic 2.14).
                told = error(400, "thread: not supported for this request")
                details = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
                told["error"]["details"] = details
                return scripts.answer_json(told, 400)
            check(body)
        except Refused as refused:
            return failure(400, str(refused))
        except ValueError:
            return failure(400, "The request body is not valid JSON")
        if body["model"].startswith("error-"):
            return failure(int(body["model"].removeprefix("error-")))
        if body["model"] not in MODELS:
            return failure(404, f"model: {body['model']}")
        if not body.get("stream"):
            return scripts.answer_json(whole(body), headers=[("request-id", "req_double")])
        parts = [sse(event) for event in _broken(body["model"], list(events(body)))]
        at = next((n for n, part in enumerate(parts) if b"_delta" in part), len(parts) - 1) + 1
        return scripts.stream(*(parts if self.gate is None else [*parts[:at], self.gate, *parts[at:]]))


def failure(status: int, message: str = "") -> Script:
    """An error in Anthropic's form; 429 and 529 say when to come back."""
    body = json.dumps(error(status, message)).encode()
    later = b"retry-after: 7\r\n" if status in (429, 529) else b""
    # Raw, because 529 is no status that http.HTTPStatus knows.
    head = b"HTTP/1.1 %d Refused\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n"
    return scripts.raw(head % (status, len(body), later) + body, end="clean")


def error(status: int, message: str = "") -> dict[str, Any]:
    """The error object."""
    kind, text = ERRORS.get(status, ("api_error", "Refused."))
    return {"type": "error", "error": {"type": kind, "message": message or text}, "request_id": "req_double"}


def sse(event: Event) -> bytes:
    """One event as it goes over the wire."""
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def _broken(model: str, found: list[Event]) -> list[Event]:
    if model == "dies":
        return [*found[:5], error(529)]
    return found[:-1] if model == "mute" else found


def whole(body: dict[str, Any]) -> dict[str, Any]:
    """The answer to a valid request, not streamed."""
    found, reason, stop = _outcome(body)
    content = []
    for block, deltas in found:
        block = dict(block)
        for delta in deltas:
            for name in ("text", "thinking", "signature"):
                if name in delta:
                    block[name] += delta[name]
        if block["type"] == "tool_use":
            block["input"] = json.loads("".join(delta["partial_json"] for delta in deltas))
        content.append(block)
    return {
        **_frame(body),
        "content": content,
        "stop_reason": reason,
        "stop_sequence": stop,
        "usage": _usage(found),
    }


def events(body: dict[str, Any]) -> Iterator[Event]:
    """The stream of the same answer, as the API cuts it."""
    found, reason, stop = _outcome(body)
    first: dict[str, Any] = {
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**_usage(found), "output_tokens": 1},
    }
    yield {"type": "message_start", "message": {**_frame(body), **first}}
    for index, (block, deltas) in enumerate(found):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        if index == 0:
            yield {"type": "ping"}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": reason, "stop_sequence": stop}
    yield {
        "type": "message_delta",
        "delta": delta,
        "usage": {name: count for name, count in _usage(found).items() if name.startswith("output")},
    }
    yield {"type": "message_stop"}


Block = tuple[dict[str, Any], list[dict[str, Any]]]


def _outcome(body: dict[str, Any]) -> tuple[list[Block], str, str | None]:
    """The blocks with their deltas, the stop reason, and the stop sequence that was met."""
    found: list[Block] = []
    if body.get("thinking", {}).get("type") in ("enabled", "adaptive"):
        deltas = [{"type": "thinking_delta", "thinking": word} for word in THOUGHTS]
        signed = {"type": "signature_delta", "signature": signature("".join(THOUGHTS))}
        found.append(({"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signed]))
    if names := _called(body):
        return [*found, *(_use(number, name) for number, name in enumerate(names))], "tool_use", None
    words = JSON_WORDS if body.get("output_config", {}).get("format") else WORDS
    kept, reason, stop = words[: body["max_tokens"]], "end_turn", None
    if len(kept) < len(words):
        reason = "max_tokens"
    for sequence in body.get("stop_sequences", []):
        if any(sequence in word for word in kept):
            kept = kept[: next(n for n, word in enumerate(kept) if sequence in word)]
            reason, stop = "stop_sequence", sequence
    return (
        [*found, ({"type": "text", "text": ""}, [{"type": "text_delta", "text": word} for word in kept])],
        reason,
        stop,
    )


def _called(body: dict[str, Any]) -> list[str]:
    """The tools that are called: all of them unless one is chosen or only one may be; none after a result."""
    choice = body.get("tool_choice", {"type": "auto"})
    content = body["messages"][-1]["content"]
    answered = isinstance(content, list) and any(block["type"] == "tool_result" for block in content)
    if not body.get("tools") or choice["type"] == "none" or answered:
        return []
    names = [tool["name"] for tool in body["tools"]]
    if choice["type"] == "tool":
        return [choice["name"]]
    return names[:1] if choice.get("disable_parallel_tool_use") else names


def _use(number: int, name: str) -> Block:
    block = {"type": "tool_use", "id": f"toolu_double_{number}", "name": name, "input": {}}
    return block, [{"type": "input_json_delta", "partial_json": piece} for piece in ARGUMENTS]


def _frame(body: dict[str, Any]) -> dict[str, Any]:
    return {"id": MESSAGE_ID, "type": "message", "role": "assistant", "model": body["model"]}


def _usage(found: list[Block]) -> dict[str, Any]:
    counted = {"input_tokens": 9, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 4}
    thoughts = sum(delta["type"] == "thinking_delta" for _, deltas in found for delta in deltas)
    details = {"output_tokens_details": {"thinking_tokens": thoughts}} if thoughts else {}
    return {**counted, "output_tokens": sum(len(deltas) for _, deltas in found), **details}
