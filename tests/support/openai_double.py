"""A strict double of OpenAI's API on a real socket: what it answers depends only on the request.

Models: ``gpt-double`` and every other name in ``MODELS`` answer; ``error-STATUS`` answers with that error; any other
name is a 404. It refuses what the real API refuses (``openai_rules``), and is nastier where a gateway could slip: it
sets a cookie, sends fields nobody documented, and repeats a wrong key in full.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from tests.support import scripts
from tests.support.openai_rules import Refused, check_chat
from tests.support.peer import Exchange, Peer, Script

MODELS = ("gpt-double", "gpt-double-mini", "text-embedding-double")
#: The answer to anything, as it is streamed: letters of one to four bytes, a line break, a quote.
WORDS = ("Hello", " from", " the", " double:", " zażółć", " 漢字", " 😀", '\n"done".')
JSON_WORDS = ('{"answer"', ": ", "42}")
ARGUMENTS = ('{"city"', ': "Par', 'is"}')
FINGERPRINT, ID, CREATED = "fp_double", "chatcmpl-double-1", 1_700_000_000
TRAPS = [
    ("Set-Cookie", "__cf_bm=double; path=/; HttpOnly"),
    ("Server", "double"),
    ("Alt-Svc", 'h3=":443"'),
    ("x-request-id", "req_double"),
    ("openai-organization", "org-double"),
]
ERRORS: dict[int, tuple[str, str | None, str]] = {
    400: (
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is 8 tokens.",
    ),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("permission_error", "unsupported_country_region_territory", "Country not supported."),
    404: (
        "invalid_request_error",
        "model_not_found",
        "The model does not exist or you do not have access to it.",
    ),
    422: ("invalid_request_error", None, "Unprocessable."),
    429: ("rate_limit_error", "rate_limit_exceeded", "Rate limit reached for requests."),
    500: ("server_error", None, "The server had an error while processing your request."),
    503: ("server_error", "overloaded", "The engine is currently overloaded, please try again later."),
}


class OpenAIDouble(Peer):
    """``async with OpenAIDouble() as double``: ``double.base`` is the base URL with ``/v1``.

    With ``api_key`` every request needs it as Bearer. ``gate``, if set, is waited for after the first word of a
    stream. With ``unknown_fields`` they are accepted, as most other servers of this dialect do.
    """

    def __init__(self, api_key: str | None = None, *, unknown_fields: bool = False) -> None:
        super().__init__(self._answer)
        self.api_key, self.unknown_fields = api_key, unknown_fields
        self.gate: asyncio.Event | None = None

    @property
    def base(self) -> str:
        """The base URL as OpenAI's clients take it."""
        return self.url + "/v1"

    async def _answer(self, exchange: Exchange) -> None:
        await self._choose(exchange)(exchange)

    def _choose(self, exchange: Exchange) -> Script:
        request = exchange.request
        key = (request.header("Authorization") or "").removeprefix("Bearer ")
        if self.api_key is not None and key != self.api_key:
            return failure(
                401, f"Incorrect API key provided: {key}." if key else "You didn't provide an API key."
            )
        path = request.path.partition("?")[0]
        if path == "/v1/models" and request.method in ("GET", "HEAD"):
            return _json({"object": "list", "data": [_model(name) for name in MODELS]})
        if path.startswith("/v1/models/") and request.method == "GET":
            name = path.removeprefix("/v1/models/")
            return _json(_model(name)) if name in MODELS else failure(404)
        if path not in ("/v1/chat/completions", "/v1/embeddings"):
            return failure(404, f"Invalid URL ({request.method} {path})")
        if request.method != "POST":
            return failure(405, "Not allowed.")
        try:
            body = request.json()
        except ValueError:
            return failure(400, "We could not parse the JSON body of your request.")
        return self._embeddings(body) if path == "/v1/embeddings" else self._chat(body)

    def _chat(self, body: Any) -> Script:
        try:
            check_chat(body, unknown_fields=self.unknown_fields)
        except Refused as refused:
            return _json({"error": refused.error}, 400)
        if (script := _by_name(body["model"])) is not None:
            return script
        if not body.get("stream"):
            return _json(completion(body))
        events = scripts.sse(*chunks(body))
        pieces = events if self.gate is None else [*events[:2], self.gate, *events[2:]]
        return scripts.stream(*pieces, headers=TRAPS, content_type="text/event-stream; charset=utf-8")

    def _embeddings(self, body: Any) -> Script:
        if (script := _by_name(body.get("model", ""))) is not None:
            return script
        inputs = [body["input"]] if isinstance(body.get("input"), str) else body.get("input")
        if not inputs or not all(isinstance(item, str) for item in inputs):
            return failure(400, "'input' is invalid.")
        data = [{"object": "embedding", "index": i, "embedding": [0.6, 0.8]} for i in range(len(inputs))]
        usage = {"prompt_tokens": len(inputs), "total_tokens": len(inputs)}
        return _json({"object": "list", "data": data, "model": body["model"], "usage": usage})


def failure(status: int, message: str = "") -> Script:
    """An error in OpenAI's form; 429 and 503 say when to come back."""
    kind, code, text = ERRORS.get(status, ("invalid_request_error", None, "Refused."))
    error = {"message": message or text, "type": kind, "param": None, "code": code}
    later = [("Retry-After", "7")] if status in (429, 503) else []
    return scripts.answer_json({"error": error}, status, [*TRAPS, *later])


def completion(body: dict[str, Any]) -> dict[str, Any]:
    """The whole answer to a valid request."""
    finish, deltas = _deltas(body)
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    if finish == "tool_calls":
        call = {"name": body["tools"][0]["function"]["name"], "arguments": "".join(ARGUMENTS)}
        message["tool_calls"] = [{"id": "call_double_1", "type": "function", "function": call}]
    else:
        message["content"] = "".join(delta["content"] for delta in deltas)
    choice = {"message": message, "logprobs": _logprobs(body, message["content"]), "finish_reason": finish}
    return {
        **_frame(body, "chat.completion"),
        "choices": [{"index": index, **choice} for index in range(body.get("n") or 1)],
        "usage": _usage(len(deltas)),
        "service_tier": "default",
    }


def chunks(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The stream of the same answer, as the API cuts it."""
    finish, deltas = _deltas(body)
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
        yield {**frame, "choices": [], **extra, "usage": _usage(len(deltas))}


def _deltas(body: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """Finish reason and the deltas after the first."""
    choice = body.get("tool_choice") or "auto"
    if body.get("tools") and choice != "none" and body["messages"][-1]["role"] != "tool":
        name = body["tools"][0]["function"]["name"]
        begun = {"id": "call_double_1", "type": "function", "function": {"name": name, "arguments": ""}}
        pieces: list[dict[str, Any]] = [begun, *({"function": {"arguments": text}} for text in ARGUMENTS)]
        return "tool_calls", [{"tool_calls": [{"index": 0, **piece}]} for piece in pieces]
    wanted = (body.get("response_format") or {}).get("type", "text")
    words = WORDS if wanted == "text" else JSON_WORDS
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or len(words)
    return "stop" if limit >= len(words) else "length", [{"content": word} for word in words[:limit]]


def _by_name(model: str) -> Script | None:
    """The error that a model's name asks for, or None for a model that works."""
    if model.startswith("error-"):
        return failure(int(model.removeprefix("error-")))
    return None if model in MODELS else failure(404, f"The model `{model}` does not exist.")


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


def _usage(answered: int) -> dict[str, Any]:
    return {
        "prompt_tokens": 9,
        "completion_tokens": answered,
        "total_tokens": 9 + answered,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "double"}


def _json(value: Any, status: int = 200) -> Script:
    return scripts.answer_json(value, status, TRAPS)
