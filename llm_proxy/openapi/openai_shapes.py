"""Answers in OpenAI's form (platform.openai.com/docs/api-reference). What an upstream of that dialect sends passes as it
is, so only what every one of them sends is required here. Pure."""

from __future__ import annotations

from llm_proxy.openapi.schemas import (
    ANY,
    INTEGER,
    NUMBER,
    OBJECT,
    STRING,
    const,
    many,
    maybe,
    record,
    ref,
)
from llm_proxy.openapi.values import Schema

_USAGE = {"prompt_tokens": INTEGER, "completion_tokens": INTEGER, "total_tokens": INTEGER}
_CALL = record({}, {"index": INTEGER, "id": maybe(STRING), "type": maybe(STRING), "function": OBJECT})
_SAID: dict[str, Schema] = {
    "role": maybe(STRING),
    "content": maybe(STRING),
    "refusal": maybe(STRING),
    "reasoning_content": maybe(STRING),
    "tool_calls": maybe(many(_CALL)),
}
_FINISH = maybe(STRING)
_LOGPROBS = maybe(OBJECT)

#: What the events of a stream are: of chat, and of the legacy API.
CHUNKS: Schema = {"anyOf": [ref("ChatCompletionChunk"), ref("Error"), const("[DONE]")]}
PIECES: Schema = {"anyOf": [ref("Completion"), ref("Error"), const("[DONE]")]}

SHAPES: dict[str, Schema] = {
    "Usage": record({}, _USAGE, "Token counts, as far as the upstream gives them."),
    "ChatCompletion": record(
        {
            "object": const("chat.completion"),
            "choices": many(
                record(
                    {"index": INTEGER, "message": record({"role": STRING}, _SAID), "finish_reason": _FINISH},
                    {"logprobs": _LOGPROBS},
                )
            ),
        },
        {"id": STRING, "created": INTEGER, "model": STRING, "usage": maybe(ref("Usage"))},
        "The whole answer.",
    ),
    "ChatCompletionChunk": record(
        {"choices": many(record({"delta": record({}, _SAID)}, {"index": INTEGER, "finish_reason": _FINISH}))},
        {
            "id": STRING,
            "object": const("chat.completion.chunk"),
            "created": INTEGER,
            "model": STRING,
            "usage": maybe(ref("Usage")),
        },
        "One event of a stream. After the last comes the text `[DONE]`; a failure is an event with `error` instead, "
        "and no `[DONE]`.",
    ),
    "Completion": record(
        {
            "id": STRING,
            "object": const("text_completion"),
            "created": INTEGER,
            "model": STRING,
            "choices": many(
                record({"text": STRING, "index": INTEGER, "logprobs": _LOGPROBS, "finish_reason": _FINISH})
            ),
        },
        {"usage": maybe(ref("Usage"))},
        "The answer, or one event of its stream.",
    ),
    "Embeddings": record(
        {
            "data": many(
                record(
                    {"index": INTEGER, "embedding": {"anyOf": [many(NUMBER), STRING]}},
                    {"object": const("embedding")},
                )
            )
        },
        {"object": const("list"), "model": STRING, "usage": maybe(ref("Usage"))},
        "Vectors, as numbers or in base64.",
    ),
    "Model": record(
        {"id": STRING, "object": const("model"), "created": INTEGER, "owned_by": STRING},
        what="A configured model; `created` is when the configuration was loaded, `owned_by` its provider.",
    ),
    "Models": record({"object": const("list"), "data": many(ref("Model"))}),
    "Response": record(
        {
            "id": STRING,
            "object": const("response"),
            "created_at": NUMBER,
            "model": STRING,
            "status": {"type": "string", "enum": ["completed", "incomplete", "failed", "in_progress"]},
            "output": many(record({"type": STRING})),
        },
        {
            "error": maybe(record({"code": STRING, "message": STRING})),
            "incomplete_details": maybe(record({"reason": STRING})),
            "usage": maybe(OBJECT),
            "instructions": ANY,
            "tools": many(OBJECT),
        },
        "The whole answer. It is kept nowhere.",
    ),
    "ResponseEvent": record(
        {"type": STRING},
        {"sequence_number": INTEGER, "response": ref("Response")},
        "One event of a stream; the last is `response.completed`, `response.incomplete` or `response.failed`.",
    ),
}
