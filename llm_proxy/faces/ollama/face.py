"""Answers as Ollama's native API writes them (github.com/ollama/ollama, docs/api.md): one JSON object a line.

Laws: every line says model, time and ``done``; ``done: true`` comes from ``end`` only, after every piece of a tool call
was put together, because calls are whole there. Durations are measured here, in nanoseconds: the time to the first
line counts as the prompt's, the rest as the answer's, and no model is loaded. Counts that no upstream gave are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from llm_proxy.errors import GatewayError, ollama_face
from llm_proxy.faces.chunk_reading import in_order, obj, string
from llm_proxy.faces.face import Face
from llm_proxy.faces.ollama.calls import Calls
from llm_proxy.wire.events import ChatResponse, Chunk, Comment
from llm_proxy.wire.large_json import encoded
from llm_proxy.wire.sse import dumps

_Json = dict[str, Any]
_SECOND = 1_000_000_000


class OllamaFace(Face):
    """One answer; ``model`` is the name that the client asked for. ``began`` is the time of day when the request was
    there and ``clock`` a clock that never goes back, both in nanoseconds."""

    stream_type = "application/x-ndjson"

    def __init__(
        self, model: str, kind: Literal["chat", "generate"], began: int, clock: Callable[[], int]
    ) -> None:
        self._model = model
        self._kind = kind
        self._clock = clock
        self._start = clock()
        self._offset = began - self._start
        self._first: int | None = None
        self._calls = Calls()
        self._finish: str | None = None
        self._usage: _Json = {}
        #: A second and its text, which the lines of one second have in common.
        self._second = (-1, "")

    def event(self, event: Chunk | Comment) -> bytes:
        if isinstance(event, Comment):
            return b""
        data = event.data
        if data.get("usage"):
            self._usage = data["usage"]
        return b"".join(
            self._choice(choice)
            for choice in data.get("choices") or ()
            if choice.get("index", 0) == 0  # this API has one answer
        )

    def keep_alive(self) -> bytes:
        """Empty content: NDJSON has no comments, and clients append nothing."""
        return self._line(False, self._said("", ""))

    def end(self) -> bytes:
        last = b""
        if calls := self._calls.whole(self._finish):
            last = self._line(False, self._said("", "", calls))
        return last + self._line(True, self._said("", ""), self._closing())

    def failure(self, error: GatewayError, request_id: str) -> bytes:
        return dumps(ollama_face(error, request_id)) + b"\n"

    def refusal(self, error: GatewayError, request_id: str) -> _Json:
        return ollama_face(error, request_id)

    def whole(self, response: ChatResponse) -> bytes:
        data = response.data
        self._usage = data.get("usage") or {}
        choice = (data.get("choices") or [{}])[0]
        self._finish = choice.get("finish_reason")
        message = choice.get("message") or {}
        self._calls.add(in_order(message.get("tool_calls")))
        self._first = self._start  # nobody saw the first token
        said = self._said(_text(message), _thought(message), self._calls.whole(self._finish))
        line = {"model": self._model, "created_at": self._now(), **said, "done": True}
        return encoded({**line, **_logprobs(choice), **self._closing()}) + b"\n"

    def idle(self, reason: Literal["load", "unload"]) -> bytes:
        """The answer to a request without a prompt: nothing was generated."""
        return self._line(True, self._said("", ""), {"done_reason": reason})

    def _choice(self, choice: _Json) -> bytes:
        delta = choice.get("delta") or {}
        self._finish = choice.get("finish_reason") or self._finish
        pieces = delta.get("tool_calls")
        if pieces:
            self._calls.add(pieces)
        text, thought = _text(delta), _thought(delta)
        logprobs = _logprobs(choice)
        if self._first is None and (text or thought or pieces):
            self._first = self._clock()
        if not (text or thought or logprobs):
            return b""
        return self._line(False, self._said(text, thought), logprobs)

    def _said(self, text: str, thought: str, calls: list[_Json] | None = None) -> _Json:
        """What the model said, where each of the two calls has it."""
        said: _Json = (
            {"response": text} if self._kind == "generate" else {"role": "assistant", "content": text}
        )
        if thought:
            said["thinking"] = thought
        if calls:
            said["tool_calls"] = calls
        return said if self._kind == "generate" else {"message": said}

    def _line(self, done: bool, said: _Json, more: _Json | None = None) -> bytes:
        line = {"model": self._model, "created_at": self._now(), **said, "done": done, **(more or {})}
        return dumps(line) + b"\n"

    def _closing(self) -> _Json:
        """Why and when it ended. A call ends with ``stop`` there, like a text."""
        end = self._clock()
        first = end if self._first is None else self._first
        found: _Json = {
            # There is no word there for an answer that was filtered; "stop" would be a good end.
            "done_reason": self._finish if self._finish in ("length", "content_filter") else "stop",
            "total_duration": end - self._start,
            "load_duration": 0,
            "prompt_eval_duration": first - self._start,
            "eval_duration": end - first,
        }
        for theirs, ours in (("prompt_eval_count", "prompt_tokens"), ("eval_count", "completion_tokens")):
            if self._usage.get(ours) is not None:
                found[theirs] = self._usage[ours]
        return found

    def _now(self) -> str:
        """The time of day (RFC 3339) as Go writes it: with nanoseconds."""
        second, rest = divmod(self._offset + self._clock(), _SECOND)
        if second != self._second[0]:
            self._second = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._second[1]}.{rest:09}Z"


def _text(said: _Json) -> str:
    return string(said.get("content") or said.get("refusal"))


def _thought(said: _Json) -> str:
    return string(said.get("reasoning_content") or said.get("reasoning"))


def _logprobs(choice: _Json) -> _Json:
    """Log probabilities, which have the same form in both APIs."""
    found = obj(choice.get("logprobs")).get("content")
    return {"logprobs": found} if found else {}
