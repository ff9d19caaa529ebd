"""Answers as the Gemini API writes them (ai.google.dev/api/generate-content#GenerateContentResponse).

Laws: each event of a stream is a whole response with what is new, the last one has the reasons of the ends and the
counts; there is no terminator. A stream is server-sent events (``alt=sse``) or one JSON array. Google's clients raise on
comments, ``event:`` lines and ``[DONE]``, and take a blank line for nothing (seen with google-genai 3.6 for Python and 2.32
for JavaScript): that is the keep-alive, in an array too. An error in a stream is an event of its own.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from llm_proxy.errors import GatewayError
from llm_proxy.faces.chunk_reading import count, obj, objects
from llm_proxy.faces.face import Face
from llm_proxy.faces.gemini.candidate import Candidate, logprobs
from llm_proxy.faces.gemini.errors import gemini_error
from llm_proxy.wire.events import ChatResponse, Chunk, Comment
from llm_proxy.wire.large_json import encoded
from llm_proxy.wire.sse import dumps

Json = dict[str, Any]


class GeminiFace(Face):
    """One answer under ``model``, the name that the client asked for. ``array``: a stream is a JSON array; ``thoughts``:
    whether the client wants to see them."""

    pictures = True

    def __init__(self, model: str = "", *, array: bool = False, thoughts: bool = True) -> None:
        self._model = model
        self._array = array
        self.stream_type = "application/json" if array else "text/event-stream"
        self._shows = thoughts
        self._begun = False
        self._id = ""
        self._candidates: dict[int, Candidate] = {}
        self._usage: Json = {}

    def event(self, event: Chunk | Comment) -> bytes:
        if isinstance(event, Comment):
            return b""
        data = event.data
        self._id = self._id or data.get("id") or f"resp_{uuid4().hex}"
        if data.get("usage"):
            self._usage = data["usage"]
        shown: list[Json] = []
        for choice in data.get("choices") or ():
            index = choice.get("index") or 0
            parts = self._candidate(index).add(choice, obj(choice.get("delta")))
            if parts:
                shown.append(_candidate(index, parts, logprobs(choice.get("logprobs"))))
        return self.framed(dumps(self._response(shown))) if shown else b""

    def keep_alive(self) -> bytes:
        return b"\n"

    def end(self) -> bytes:
        last = [
            _candidate(index, candidate.last(), candidate.end())
            for index, candidate in sorted(self._candidates.items() or [(0, self._candidate(0))])
        ]
        body = self.framed(dumps({**self._response(last), **usage(self._usage)}))
        return body + self.closing()

    def framed(self, response: bytes) -> bytes:
        """One response as it is streamed."""
        if not self._array:
            return b"data: " + response + b"\n\n"
        before = b",\n" if self._begun else b"["
        self._begun = True
        return before + response + b"\n"

    def closing(self) -> bytes:
        """What ends a stream whose last response has been written."""
        return (b"]\n" if self._begun else b"[]\n") if self._array else b""

    def failure(self, error: GatewayError, request_id: str) -> bytes:
        return self.framed(dumps(gemini_error(error, request_id)))

    def refusal(self, error: GatewayError, request_id: str) -> Json:
        return gemini_error(error, request_id)

    def whole(self, response: ChatResponse) -> bytes:
        data = response.data
        self._id = data.get("id") or f"resp_{uuid4().hex}"
        found = []
        for choice in data.get("choices") or ():
            candidate = Candidate(thoughts=self._shows)
            message = dict(obj(choice.get("message")))
            # Whole messages number their calls by their places, whatever their numbers are.
            message["tool_calls"] = [
                {**call, "index": at} for at, call in enumerate(objects(message.get("tool_calls")))
            ]
            parts = _whole([*candidate.add(choice, message), *candidate.last()])
            more = {**logprobs(choice.get("logprobs")), **candidate.end()}
            found.append(_candidate(choice.get("index") or 0, parts, more))
        return encoded({**self._response(found), **usage(data.get("usage") or {})})

    def _candidate(self, index: int) -> Candidate:
        if index not in self._candidates:
            self._candidates[index] = Candidate(thoughts=self._shows)
        return self._candidates[index]

    def _response(self, candidates: list[Json]) -> Json:
        return {"candidates": candidates, "modelVersion": self._model, "responseId": self._id}


def _candidate(index: int, parts: list[Json], more: Json) -> Json:
    return {"content": {"role": "model", "parts": parts}, "index": index, **more}


def _whole(parts: list[Json]) -> list[Json]:
    """The parts of an answer that is not streamed: its last, empty text, which only carries a signature, is one with the
    text before it."""
    if (
        len(parts) > 1
        and parts[-1].get("text") == ""
        and not parts[-2].get("thought")
        and "text" in parts[-2]
    ):
        return [*parts[:-2], {**parts[-1], "text": parts[-2]["text"]}]
    return parts


def usage(counts: Json) -> Json:
    """Gemini's counts: thoughts stand beside the answer's own tokens, cached ones are part of the prompt's."""
    if not counts:
        return {}
    prompt, completion = count(counts.get("prompt_tokens")), count(counts.get("completion_tokens"))
    cached = count(obj(counts.get("prompt_tokens_details")).get("cached_tokens"))
    thoughts = count(obj(counts.get("completion_tokens_details")).get("reasoning_tokens"))
    found: Json = {"promptTokenCount": prompt, "candidatesTokenCount": max(0, completion - thoughts)}
    if cached:
        found["cachedContentTokenCount"] = cached
    if thoughts:
        found["thoughtsTokenCount"] = thoughts
    return {"usageMetadata": {**found, "totalTokenCount": prompt + completion}}
