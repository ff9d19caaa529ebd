"""A strict double of OpenAI's API on a real socket: what it answers depends only on the request.

Models: ``gpt-double`` and every other name in ``MODELS`` answer; ``error-STATUS`` answers with that error, ``dies``
reports an error in mid-stream, ``mute`` ends without a reason and without ``[DONE]``; any other name is a 404. It refuses what the real API refuses (``openai_rules``), and is nastier where a gateway could slip: it
sets a cookie, sends fields nobody documented, and repeats a wrong key in full.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support import scripts
from tests.support.openai_rules import check_chat
from tests.support.openai_values import Refused
from tests.support.openai_words import CREATED, chunks, completion
from tests.support.openai_words import ID as ID
from tests.support.openai_words import WORDS as WORDS
from tests.support.peer import Exchange, Peer, Script

MODELS = ("gpt-double", "gpt-double-mini", "text-embedding-double", "dies", "mute")
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
    stream. With ``unknown_fields`` they are accepted, as most other servers of this dialect do. With ``thoughts``, the
    name of a field, it thinks aloud in it when an effort is asked for, as DeepSeek and llama.cpp do.
    """

    def __init__(
        self, api_key: str | None = None, *, unknown_fields: bool = False, thoughts: str = ""
    ) -> None:
        super().__init__(self._answer)
        self.api_key, self.unknown_fields, self.thoughts = api_key, unknown_fields, thoughts
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
            return self.failure(
                401, f"Incorrect API key provided: {key}." if key else "You didn't provide an API key."
            )
        path = request.path.partition("?")[0]
        if path == "/v1/models" and request.method in ("GET", "HEAD"):
            return _json({"object": "list", "data": [_model(name) for name in MODELS]})
        if path.startswith("/v1/models/") and request.method == "GET":
            name = path.removeprefix("/v1/models/")
            return _json(_model(name)) if name in MODELS else self.failure(404)
        if path not in ("/v1/chat/completions", "/v1/embeddings"):
            return self.failure(404, f"Invalid URL ({request.method} {path})")
        if request.method != "POST":
            return self.failure(405, "Not allowed.")
        try:
            body = request.json()
        except ValueError:
            return self.failure(400, "We could not parse the JSON body of your request.")
        return self._embeddings(body) if path == "/v1/embeddings" else self._chat(body)

    def _chat(self, body: Any) -> Script:
        try:
            check_chat(body, unknown_fields=self.unknown_fields, thoughts=self.thoughts)
        except Refused as refused:
            return _json({"error": refused.error}, 400)
        if (script := self._by_name(body["model"])) is not None:
            return script
        if not body.get("stream"):
            if body["model"] == "dies":
                return self.failure(500)
            return _json(self.whole(completion(body, self.thoughts)))
        events = self._events(body)
        pieces = events if self.gate is None else [*events[:2], self.gate, *events[2:]]
        return scripts.stream(*pieces, headers=TRAPS, content_type="text/event-stream; charset=utf-8")

    def _events(self, body: dict[str, Any]) -> list[bytes]:
        said = [self.chunk(chunk) for chunk in chunks(body, self.thoughts)]
        if body["model"] == "dies":
            return scripts.sse(*said[:3], {"error": self.error(self.dies_with)}, done=self.done_after_error)
        if body["model"] == "mute":
            unfinished = [
                piece for piece in said if not any(c.get("finish_reason") for c in piece["choices"])
            ]
            return scripts.sse(*unfinished, done=False)
        return scripts.sse(*said)

    #: The status that an error in a stream stands for, and whether the terminator follows it all the same.
    dies_with = 503
    done_after_error = False

    def whole(self, completion: dict[str, Any]) -> dict[str, Any]:
        """``completion`` with what this server adds or leaves out."""
        return completion

    def chunk(self, chunk: dict[str, Any]) -> dict[str, Any]:
        """The same for a piece of a stream."""
        return chunk

    def error(self, status: int, message: str = "") -> Any[str, Any]:
        """The error object of ``status``."""
        kind, code, text = ERRORS.get(status, ("invalid_request_error", None, "Refused."))
        return {"message": message or text, "type": kind, "param": None, "code": code}

    def failure(self, status: int, message: str = "") -> Script:
        """An error in OpenAI's form; 429 and 503 say when to come back."""
        later = [("Retry-After", "7")] if status in (429, 503) else []
        return scripts.answer_json({"error": self.error(status, message)}, status, [*TRAPS, *later])

    def _by_name(self, model: str) -> Script | None:
        """The error that a model's name asks for, or None for a model that works."""
        if model.startswith("error-"):
            return self.failure(int(model.removeprefix("error-")))
        return None if model in MODELS else self.failure(404, f"The model `{model}` does not exist.")

    def _embeddings(self, body: Any) -> Script:
        if (script := self._by_name(body.get("model", ""))) is not None:
            return script
        inputs = [body["input"]] if isinstance(body.get("input"), str) else body.get("input")
        if not inputs or not all(isinstance(item, str) for item in inputs):
            return self.failure(400, "'input' is invalid.")
        data = [{"object": "embedding", "index": i, "embedding": [0.6, 0.8]} for i in range(len(inputs))]
        usage = {"prompt_tokens": len(inputs), "total_tokens": len(inputs)}
        return _json({"object": "list", "data": data, "model": body["model"], "usage": usage})


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "double"}


def _json(value: Any, status: int = 200) -> Script:
    return scripts.answer_json(value, status, TRAPS)
