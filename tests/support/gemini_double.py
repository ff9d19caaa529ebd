"""A strict double of the Gemini API on a real socket: what it answers depends only on the request.

Written from the vendor's documents (see tests/data/gemini/README.md), not checked against the real service. Models:
``gemini-3-double`` signs its calls and wants the signatures back, ``gemini-2.5-double`` neither signs nor names its
calls; ``error-STATUS`` answers with that error, ``dies`` reports an error in mid-stream, ``mute`` ends without a
finish reason, ``blocked`` refuses every prompt, ``gemini-embedding-double`` makes vectors; any other name is a 404. It refuses what the real API refuses
(``gemini_rules``), and a key in the URL above all.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from tests.support import scripts
from tests.support.gemini_rules import (
    Refused,
    check,
    check_count,
    check_embed,
    check_one,
    need,
    signature,
    spelled,
)
from tests.support.peer import Exchange, Peer, Script

EMBEDDING = "gemini-embedding-double"
VECTOR = [0.6, 0.8]
MODELS = ("gemini-3-double", "gemini-2.5-double", "dies", "mute", "blocked")
#: The answer to anything, as it is streamed: letters of one to four bytes, a line break, a quote.
WORDS = ("Hello", " from", " the", " double:", " zażółć", " 漢字", " 😀", '\n"done".')
JSON_WORDS = ('{"answer"', ": ", "42}")
THOUGHTS = ("Let me", " think.")
ARGUMENTS = {"city": "Paris"}
RESPONSE_ID = "resp-double-1"
ERRORS = {
    400: ("INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "Permission denied."),
    404: ("NOT_FOUND", "models/unknown is not found for API version v1beta."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota."),
    500: ("INTERNAL", "An internal error has occurred."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
}

_METHODS = "generateContent|streamGenerateContent|countTokens|embedContent|batchEmbedContents"
_PATH = re.compile(rf"/v1beta/models/([^/:]+):({_METHODS})(\?.*)?")


class GeminiDouble(Peer):
    """``async with GeminiDouble() as double``: ``double.url`` is the base, without a path.

    With ``api_key`` every request needs it in ``x-goog-api-key``. ``gate``, if set, is waited for after the first
    response of a stream.
    """

    def __init__(self, api_key: str | None = None) -> None:
        super().__init__(self._answer)
        self.api_key = api_key
        self.gate: asyncio.Event | None = None

    async def _answer(self, exchange: Exchange) -> None:
        assert "key=" not in exchange.request.path, "a key in the URL ends up in every log"
        await self._choose(exchange)(exchange)

    def _choose(self, exchange: Exchange) -> Script:
        request = exchange.request
        if self.api_key is not None and request.header("x-goog-api-key") != self.api_key:
            reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
            return failure(400, f"API key not valid: {request.header('x-goog-api-key')}", [reason])
        found = _PATH.fullmatch(request.path)
        if found is None or request.method != "POST":
            return scripts.answer(b"<html>404. That's an error.</html>", 404, content_type="text/html")
        model = unquote(found[1])
        try:
            body = spelled(request.json())
            if model.startswith("error-"):
                return failure(int(model.removeprefix("error-")))
            if "mbedContent" in found[2] and model == EMBEDDING:
                return self._embed(found[2], body, model)
            if model not in MODELS or "mbedContent" in found[2]:
                return failure(404, f"models/{model} is not found for API version v1beta.")
            if found[2] == "countTokens":
                check_count(body, model)
                return scripts.answer_json({"totalTokens": 9})
            check(body, model)
            if found[2] == "generateContent":
                return scripts.answer_json(whole(body, model))
            need(found[3] == "?alt=sse", "the double streams only server-sent events")
        except Refused as refused:
            return failure(400, str(refused))
        except ValueError:
            return failure(400, "Invalid JSON payload received.")
        parts = [sse(response) for response in _broken(model, list(responses(body, model)))]
        pieces = parts if self.gate is None else [parts[0], self.gate, *parts[1:]]
        return scripts.stream(*pieces)

    def _embed(self, method: str, body: dict[str, Any], model: str) -> Script:
        if method == "embedContent":
            check_one("body", body, model)
            return scripts.answer_json({"embedding": vector(body)})
        check_embed(body, model)
        return scripts.answer_json({"embeddings": [vector(one) for one in body["requests"]]})


def vector(request: dict[str, Any]) -> dict[str, Any]:
    """The vector of any text, cut to what was asked for."""
    return {"values": VECTOR[: request.get("outputDimensionality", len(VECTOR))]}


def failure(status: int, message: str = "", details: list[dict[str, Any]] | None = None) -> Script:
    """An error in Google's form; a 429 says when to come back, and comes as a list of one."""
    value: Any = error(status, message)
    if status == 429:
        details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "6.2s"}]
    if details:
        value["error"]["details"] = details
    return scripts.answer_json([value] if status == 429 else value, status)


def error(status: int, message: str = "") -> dict[str, Any]:
    """The error object."""
    word, text = ERRORS.get(status, ("UNKNOWN", "Refused."))
    return {"error": {"code": status, "message": message or text, "status": word}}


def sse(response: dict[str, Any]) -> bytes:
    """One response as it goes over the wire."""
    return b"data: " + json.dumps(response, ensure_ascii=False).encode() + b"\r\n\r\n"


def _broken(model: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if model == "dies":
        return [*found[:2], error(503)]
    return found[:-1] if model == "mute" else found


def whole(body: dict[str, Any], model: str) -> dict[str, Any]:
    """The answer to a valid request, not streamed: all parts of each candidate joined."""
    *_, last = found = list(responses(body, model))
    if "candidates" not in last:
        return last
    joined: dict[int, list[dict[str, Any]]] = {}
    for response in found:
        for candidate in response["candidates"]:
            for part in candidate["content"]["parts"]:
                _join(joined.setdefault(candidate["index"], []), part)
    done = [
        {**one, "content": {"role": "model", "parts": joined[one["index"]]}} for one in last["candidates"]
    ]
    return {**last, "candidates": done}


def _join(parts: list[dict[str, Any]], part: dict[str, Any]) -> None:
    """Put one more part to the others; the texts of one kind are one."""
    if parts and "text" in part and "text" in parts[-1] and part.get("thought") == parts[-1].get("thought"):
        parts[-1] = {**parts[-1], **part, "text": parts[-1]["text"] + part["text"]}
    else:
        parts.append(part)


def responses(body: dict[str, Any], model: str) -> Iterator[dict[str, Any]]:
    """The stream of the same answer: every response has its piece of every candidate."""
    frame = {"modelVersion": model, "responseId": RESPONSE_ID}
    config = body.get("generationConfig", {})
    if model == "blocked":
        yield {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 9}, **frame}
        return
    steps, reason = _steps(body, model, config)
    thoughts = sum(part.get("thought", False) for step in steps for part in step)
    counted = {"promptTokenCount": 9, "cachedContentTokenCount": 4, "thoughtsTokenCount": thoughts}
    for number, parts in enumerate(steps, 1):
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}}
        if number == len(steps):
            candidate["finishReason"] = reason
        answered = number - min(thoughts, number)
        usage = {**counted, "candidatesTokenCount": answered, "totalTokenCount": 9 + thoughts + answered}
        count = config.get("candidateCount", 1)
        yield {
            "candidates": [{**candidate, "index": i} for i in range(count)],
            "usageMetadata": usage,
            **frame,
        }


def _steps(
    body: dict[str, Any], model: str, config: dict[str, Any]
) -> tuple[list[list[dict[str, Any]]], str]:
    """The parts of each response, and the finish reason."""
    steps: list[list[dict[str, Any]]] = []
    if config.get("thinkingConfig", {}).get("includeThoughts"):
        steps = [[{"text": word, "thought": True}] for word in THOUGHTS]
    signs = model.startswith("gemini-3")
    if names := _called(body):
        calls = [_call(number, name, signs=signs) for number, name in enumerate(names)]
        return [*steps, calls], "STOP"
    words = JSON_WORDS if config.get("responseMimeType") == "application/json" else WORDS
    kept = words[: config.get("maxOutputTokens", len(words))]
    for stop in config.get("stopSequences", []):
        kept = kept[: next((n for n, word in enumerate(kept) if stop in word), len(kept))]
    steps += [[{"text": word}] for word in kept]
    if signs:
        steps.append([{"text": "", "thoughtSignature": signature("")}])
    full = len(kept) == len(words) or config.get("stopSequences")
    return steps, "STOP" if full else "MAX_TOKENS"


def _called(body: dict[str, Any]) -> list[str]:
    """The functions that are called: all, or the allowed ones; none after a result."""
    declared = [f["name"] for tool in body.get("tools", []) for f in tool.get("functionDeclarations", [])]
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    answered = any("functionResponse" in part for part in body["contents"][-1]["parts"])
    if calling.get("mode") == "NONE" or answered:
        return []
    return list(calling.get("allowedFunctionNames", declared))


def _call(number: int, name: str, *, signs: bool) -> dict[str, Any]:
    call: dict[str, Any] = {"name": name, "args": ARGUMENTS}
    if not signs:
        return {"functionCall": call}
    part: dict[str, Any] = {"functionCall": {"id": f"fc-{number}", **call}}
    # Of parallel calls only the first is signed.
    return {**part, "thoughtSignature": signature(name)} if number == 0 else part
