"""What a call of a model is called in traces: by the GenAI conventions, by OpenInference, or by both. Two tables of one record.

Sources: github.com/open-telemetry/semantic-conventions-genai (gen-ai-spans.md), github.com/Arize-ai/openinference
(spec/semantic_conventions.md). Laws: pure; texts of prompts and answers are told only where ``content`` says so, and then in
a bounded length.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from llm_proxy.telemetry.traces.span import Value

Table = Literal["genai", "openinference"]
#: The longest text of a prompt or an answer, in characters.
MAX_TEXT = 16_384
#: How many messages are told.
_MESSAGES = 50
_Pairs = Iterator[tuple[str, Value]]


@dataclass(slots=True)
class ModelCall:
    """One call of a model. ``operation``: ``chat``, ``embeddings`` and so on; ``system``: whose API it is; ``model``: the public
    name; ``upstream_model``: the upstream's. ``sent`` is the request in the canonical form, ``usage`` what the upstream has
    counted, ``answer`` the whole answer where content is told. ``first``: seconds to the first token of a stream."""

    operation: str
    system: str
    model: str
    upstream_model: str
    host: str
    port: int
    sent: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False
    usage: Mapping[str, Any] = field(default_factory=dict)
    finish: str | None = None
    first: float | None = None
    session: str | None = None
    content: bool = False
    answer: Mapping[str, Any] | None = None


def attributes_of(call: ModelCall, tables: tuple[Table, ...]) -> dict[str, Value]:
    """All that is told of ``call``."""
    found: dict[str, Value] = {}
    for table in tables:
        found.update(_genai(call) if table == "genai" else _openinference(call))
    return found


_PARAMETERS = {
    "temperature": float,
    "top_p": float,
    "top_k": float,
    "max_tokens": int,
    "seed": int,
    "frequency_penalty": float,
    "presence_penalty": float,
}


def told_of(sent: Mapping[str, Any], content: bool) -> dict[str, Any]:
    """What of a request may be told: little, so that it may wait for a collector."""
    found = {
        name: sent[name]
        for name in (*_PARAMETERS, "max_completion_tokens", "n")
        if type(sent.get(name)) in (int, float)
    }
    stop = sent.get("stop")
    stops = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    if stops:
        found["stop"] = [text[:200] for text in stops[:16] if isinstance(text, str)]
    form = sent.get("response_format")
    if isinstance(form, dict) and isinstance(form.get("type"), str):
        found["response_format"] = {"type": form["type"][:50]}
    if content:
        found["messages"] = [{"role": role, "content": text} for role, text in _messages(sent)]
    return found


def _genai(call: ModelCall) -> _Pairs:
    yield "gen_ai.operation.name", call.operation
    yield "gen_ai.provider.name", call.system
    yield "gen_ai.request.model", call.model
    yield "gen_ai.response.model", call.upstream_model
    yield "server.address", call.host
    yield "server.port", call.port
    if call.stream:
        yield "gen_ai.request.stream", True
    yield from _asked(call.sent)
    for name, number in _tokens(call.usage):
        yield f"gen_ai.usage.{name}", number
    if call.finish:
        yield "gen_ai.response.finish_reasons", (call.finish[:100],)
    if call.first is not None:
        yield "gen_ai.response.time_to_first_chunk", call.first
    if call.session:
        yield "gen_ai.conversation.id", call.session
    if call.content:
        yield from _said(call)


def _asked(sent: Mapping[str, Any]) -> _Pairs:
    for name, kind in _PARAMETERS.items():
        value = sent.get(name)
        if name == "max_tokens" and value is None:
            value = sent.get("max_completion_tokens")
        if (number := _number(value)) is not None:
            yield f"gen_ai.request.{name}", kind(number)
    stop = sent.get("stop")
    stops = (
        (stop,)
        if isinstance(stop, str)
        else tuple(s for s in stop if isinstance(s, str))
        if isinstance(stop, list)
        else ()
    )
    if stops:
        yield "gen_ai.request.stop_sequences", stops[:16]
    if type(count := sent.get("n")) is int and count != 1:
        yield "gen_ai.request.choice.count", count
    form = sent.get("response_format")
    if isinstance(form, dict) and form.get("type") in ("json_object", "json_schema"):
        yield "gen_ai.output.type", "json"


def _number(value: Any) -> int | float | None:
    """``value``, if it is a number that a span can hold; a client may have sent any."""
    if type(value) is int:
        return value if abs(value) < 1 << 63 else None
    return value if type(value) is float and math.isfinite(value) else None


def _said(call: ModelCall) -> _Pairs:
    system = [m for m in _messages(call.sent) if m[0] in ("system", "developer")]
    others = [m for m in _messages(call.sent) if m not in system]
    if system:
        yield (
            "gen_ai.system_instructions",
            json.dumps([{"type": "text", "content": text} for _, text in system]),
        )
    if others:
        yield "gen_ai.input.messages", json.dumps([_message(*message) for message in others])
    if said := _answered(call.answer):
        yield (
            "gen_ai.output.messages",
            json.dumps([{**_message(*message), "finish_reason": call.finish or ""} for message in said]),
        )


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def _openinference(call: ModelCall) -> _Pairs:
    yield "openinference.span.kind", "EMBEDDING" if call.operation == "embeddings" else "LLM"
    name = "embedding.model_name" if call.operation == "embeddings" else "llm.model_name"
    yield name, call.upstream_model
    yield "llm.provider", call.system
    given = {name: call.sent[name] for name in _PARAMETERS if _number(call.sent.get(name)) is not None}
    if given:
        yield "llm.invocation_parameters", json.dumps(given)
    numbers = dict(_tokens(call.usage))
    for ours, theirs in _COUNTS.items():
        if ours in numbers:
            yield f"llm.token_count.{theirs}", numbers[ours]
    if {"input_tokens", "output_tokens"} <= numbers.keys():
        yield "llm.token_count.total", numbers["input_tokens"] + numbers["output_tokens"]
    if call.session:
        yield "session.id", call.session
    if call.content:
        for side, messages in (("input", _messages(call.sent)), ("output", _answered(call.answer))):
            for number, (role, text) in enumerate(messages):
                yield f"llm.{side}_messages.{number}.message.role", role
                yield f"llm.{side}_messages.{number}.message.content", text


_COUNTS = {
    "input_tokens": "prompt",
    "output_tokens": "completion",
    "cache_read.input_tokens": "prompt_details.cache_read",
    "reasoning.output_tokens": "completion_details.reasoning",
}


def _tokens(usage: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    details = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    inside = [value if isinstance(value, dict) else {} for value in details]
    for name, value in (
        ("input_tokens", usage.get("prompt_tokens")),
        ("output_tokens", usage.get("completion_tokens")),
        ("cache_read.input_tokens", inside[0].get("cached_tokens")),
        ("reasoning.output_tokens", inside[1].get("reasoning_tokens")),
    ):
        if type(value) is int and 0 <= value < 1 << 62:
            yield name, value


def _messages(sent: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Roles and texts of the request."""
    given = sent.get("messages")
    found = [message for message in given if isinstance(message, dict)] if isinstance(given, list) else []
    return [(str(message.get("role"))[:20], _text(message.get("content"))) for message in found[-_MESSAGES:]]


def _answered(answer: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    choices = (answer or {}).get("choices")
    found = (
        [choice.get("message") for choice in choices if isinstance(choice, dict)]
        if isinstance(choices, list)
        else []
    )
    return [("assistant", _text(message.get("content"))) for message in found if isinstance(message, dict)]


def _text(content: Any) -> str:
    if isinstance(content, list):
        content = "\n".join(
            part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    return content[:MAX_TEXT] if isinstance(content, str) else ""
