"""What a Gemini answer means in the canonical dialect (ai.google.dev/api/generate-content, GenerateContentResponse).

A stream is a sequence of such responses, each with the text that is new, so both kinds of answer are read by ``Answer``.
Laws: a candidate is complete when it has a finish reason, the answer when all its candidates are, or when the prompt
was blocked. Older models put a finish reason on every response of a stream, so nothing ends before the last one.
Thoughts are shown as ``reasoning_content``; a thought signature is kept where Google's own OpenAI endpoint puts it,
``extra_content.google.thought_signature`` of the tool call or the message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from llm_proxy.wire.answers import ends
from providers.common.errors_in_answers import broken_off
from providers.common.json_objects import JsonObject, Malformed, integer, json_text, name, obj, objects, text
from providers.common.sse_decoder import Refused
from providers.gemini.parts import media, shown
from providers.gemini.sources import Sources

#: The model went astray: what came is no answer.
_ASTRAY = frozenset(
    {
        "IMAGE_OTHER",
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
        "NO_IMAGE",
        "OTHER",
        "TOO_MANY_TOOL_CALLS",
        "UNEXPECTED_TOOL_CALL",
    }
)


@dataclass(slots=True)
class Candidate:
    """One choice. ``reason`` is the canonical finish reason, empty as long as the API gave none."""

    reason: str = ""
    calls: int = 0
    images: int = 0
    #: Of the text; a tool call carries its own.
    signature: str = ""
    said: list[str] = field(default_factory=list)
    sources: Sources = field(default_factory=Sources)

    def finish(self) -> str:
        """The finish reason: the API says STOP after tool calls as well."""
        if self.reason in (ends.STOP, ends.CALLS):
            return ends.CALLS if self.calls else ends.STOP
        return self.reason


@dataclass(frozen=True, slots=True)
class Piece:
    """What one part adds to choice ``index``; ``more`` are fields of the choice beside the delta."""

    index: int
    delta: dict[str, Any]
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Answer:
    """Reads responses one after the other. ``id`` is that of the first one, ``model`` is empty until one names it."""

    id: str = ""
    model: str = ""
    candidates: dict[int, Candidate] = field(default_factory=dict)
    counts: JsonObject = field(default_factory=dict)

    def read(self, value: JsonObject) -> Iterator[Piece]:
        """What one response adds. Raises ``Malformed``, and ``Refused`` for an answer that went astray."""
        self.id = self.id or text(value, "responseId") or f"chatcmpl-{uuid4().hex}"
        self.model = self.model or text(value, "modelVersion")
        self.counts.update(obj(value, "usageMetadata"))
        for source in objects(value, "candidates"):
            yield from self._candidate(source)
        if text(obj(value, "promptFeedback"), "blockReason"):
            yield from self._begin(0)
            self.candidates[0].reason = "content_filter"

    def complete(self) -> bool:
        """Whether the upstream has said of everything that it has begun that it is finished."""
        return bool(self.candidates) and all(candidate.reason for candidate in self.candidates.values())

    def last(self) -> Iterator[Piece]:
        """What is only known at the end: the sources, and the signature of a text, which may come in several parts of a stream."""
        for index, candidate in self.candidates.items():
            if annotations := candidate.sources.annotations("".join(candidate.said)):
                yield Piece(index, {"annotations": annotations})
            if candidate.signature:
                yield Piece(index, {"extra_content": _signed(candidate.signature)})

    def _begin(self, index: int) -> Iterator[Piece]:
        if index not in self.candidates:
            self.candidates[index] = Candidate()
            yield Piece(index, {"role": "assistant", "content": ""})

    def _candidate(self, source: JsonObject) -> Iterator[Piece]:
        index = integer(source, "index")
        yield from self._begin(index)
        candidate = self.candidates[index]
        more = _logprobs(obj(source, "logprobsResult"))
        for part in objects(obj(source, "content"), "parts"):
            delta = self._delta(candidate, part, index)
            if delta:
                yield Piece(index, delta, more)
                more = {}
        if more:
            yield Piece(index, {}, more)
        candidate.sources.note(source)
        self._finished(candidate, source)

    def _finished(self, candidate: Candidate, source: JsonObject) -> None:
        reason = text(source, "finishReason")
        if reason in _ASTRAY or ends.meaning(reason) == ends.ERROR:
            raise Refused(broken_off(f"the model's answer failed: {reason} {text(source, 'finishMessage')}"))
        if reason and reason != "FINISH_REASON_UNSPECIFIED":
            # What the vendor adds are mostly further kinds of blocks.
            candidate.reason = ends.meaning(reason, unknown=ends.FILTERED)

    def _delta(self, candidate: Candidate, part: JsonObject, index: int) -> dict[str, Any]:
        """One part as a delta; empty if it has nothing to show."""
        signature = text(part, "thoughtSignature")
        if part.get("functionCall") is not None:
            return {"tool_calls": [self._call(candidate, obj(part, "functionCall"), signature, index)]}
        candidate.signature = signature or candidate.signature
        if (made := media(part, candidate.images)) is not None:
            candidate.images += 1
            return {"images": [made]}
        written = shown(part)
        if not written:
            return {}
        if part.get("thought") is True:
            return {"reasoning_content": written}
        candidate.said.append(written)
        return {"content": written}

    def _call(self, candidate: Candidate, call: JsonObject, signature: str, index: int) -> dict[str, Any]:
        number = candidate.calls
        candidate.calls += 1
        found = {
            "index": number,
            # Older models name no call, but a result must find its call in every later turn.
            "id": name(call, "id") or f"call_{self.id}_{index}_{number}",
            "type": "function",
            "function": {"name": text(call, "name"), "arguments": json_text(call, "args")},
        }
        return {**found, "extra_content": _signed(signature)} if signature else found


def _signed(signature: str) -> dict[str, Any]:
    return {"google": {"thought_signature": signature}}


def _logprobs(result: JsonObject) -> dict[str, Any]:
    """``logprobs`` of a choice; empty if there are none."""
    if not result:
        return {}
    tops = [objects(top, "candidates") for top in objects(result, "topCandidates")]
    content = []
    for number, chosen in enumerate(objects(result, "chosenCandidates")):
        top = tops[number] if number < len(tops) else []
        content.append({**_token(chosen), "top_logprobs": [_token(token) for token in top]})
    return {"logprobs": {"content": content, "refusal": None}}


def _token(token: JsonObject) -> dict[str, Any]:
    value = token.get("logProbability") or 0
    if not isinstance(value, int | float):
        raise Malformed("'logProbability' is not a number")
    written = text(token, "token")
    return {"token": written, "logprob": value, "bytes": list(written.encode())}


def usage(counts: JsonObject) -> dict[str, Any]:
    """Token counts: thoughts are part of the output, what tools put into the prompt is part of it."""
    prompt = integer(counts, "promptTokenCount") + integer(counts, "toolUsePromptTokenCount")
    thoughts = integer(counts, "thoughtsTokenCount")
    completion = integer(counts, "candidatesTokenCount") + thoughts
    found: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": integer(counts, "totalTokenCount") or prompt + completion,
    }
    if "cachedContentTokenCount" in counts:
        found["prompt_tokens_details"] = {"cached_tokens": integer(counts, "cachedContentTokenCount")}
    if "thoughtsTokenCount" in counts:
        found["completion_tokens_details"] = {"reasoning_tokens": thoughts}
    return found
