"""Chat completions, read as the official client reads them, and judged."""

from __future__ import annotations

import json
from typing import Any

from llm_proxy.wire.events import Chunk, Done
from tests.matrix.features import Call, Counts, Said
from tests.support.client import Answer
from tests.support.native_kit import seen

Json = dict[str, Any]


def completion(body: Json) -> tuple[Json, Said]:
    """The message of a whole answer, and what it says."""
    assert body["object"] == "chat.completion"
    assert all(type(body[name]) is kind for name, kind in (("id", str), ("created", int), ("model", str)))
    (choice,) = body["choices"]
    assert choice["index"] == 0
    message: Json = choice["message"]
    assert message["role"] == "assistant"
    return message, said_by(message, choice["finish_reason"], body["usage"])


def read_chunks(answer: Answer) -> tuple[Json, str, Json, tuple[str, ...]]:
    """Message, finish reason, usage and the pieces of the text of a stream: role first, then deltas, one finish reason in
    an empty delta, then the usage that was asked for, then ``[DONE]``, and nothing else."""
    *chunks, last = answer.events()
    assert last == "[DONE]"
    found = seen([*map(Chunk, chunks), Done()])
    assert len(found.messages) == 1
    assert [bool(chunk.get("usage")) for chunk in chunks] == [*[False] * (len(chunks) - 1), True]
    assert chunks[-1]["choices"] == []
    assert chunks[-2]["choices"][0]["finish_reason"] is not None
    pieces = (choice["delta"].get("content") for chunk in chunks for choice in chunk["choices"])
    assert found.usage is not None
    return found.message, found.finish[0], found.usage, tuple(filter(None, pieces))


def broken_chunks(answer: Answer) -> tuple[str, Json]:
    """The text of a stream that ends with an error instead of ``[DONE]``, and the error event."""
    *chunks, last = answer.events()
    assert isinstance(last, dict)
    found = seen(map(Chunk, chunks))
    return found.message["content"], last


def said_by(message: Json, finish: Any, counts: Json) -> Said:
    """What a message says; arguments are JSON in a string."""
    calls = message.get("tool_calls") or []
    assert all(call["type"] == "function" for call in calls)
    prompt, answer = counts["prompt_tokens"], counts["completion_tokens"]
    assert counts["total_tokens"] == prompt + answer
    given = counts.get("prompt_tokens_details") or {}
    thought = counts.get("completion_tokens_details") or {}
    return Said(
        message.get("content") or "",
        tuple(Call(call["id"], call["function"]["name"], _arguments(call)) for call in calls),
        message.get("reasoning_content") or message.get("reasoning") or "",
        _signature(message),
        finish,
        Counts(
            prompt,
            given.get("cached_tokens") or 0,
            counts.get("cache_creation_input_tokens") or 0,
            answer,
            thought.get("reasoning_tokens") or 0,
        ),
    )


def _arguments(call: Json) -> tuple[tuple[str, str], ...]:
    assert type(call["function"]["arguments"]) is str
    return tuple(json.loads(call["function"]["arguments"]).items())


def _signature(message: Json) -> str:
    """Where Anthropic's signatures go, and where Google's own endpoint of this dialect puts its own."""
    blocks = message.get("thinking_blocks") or []
    places = [message, *(message.get("tool_calls") or [])]
    signed = [
        place["extra_content"]["google"]["thought_signature"] for place in places if "extra_content" in place
    ]
    found = [*(block["signature"] for block in blocks), *signed]
    assert len(found) <= 1
    return found[0] if found else ""
