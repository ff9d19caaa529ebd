"""OpenAI's own paths. Pure, but for the forms that it names."""

from __future__ import annotations

from dataclasses import replace

from llm_proxy.faces.completions.request import CompletionRequest
from llm_proxy.faces.responses.request import ResponsesRequest
from llm_proxy.openapi.anthropic import PAGING
from llm_proxy.openapi.errors import ASKED
from llm_proxy.openapi.openai_shapes import CHUNKS, PIECES
from llm_proxy.openapi.schemas import STRING, ref
from llm_proxy.openapi.values import EVENTS, JSON, PREFIX, ROOT, Answer, Operation, Parameter
from llm_proxy.wire.schema import ChatRequest, EmbeddingsRequest

GROUP = "OpenAI"
GROUPS = {
    GROUP: "OpenAI's API over any upstream: base URL `/v1`, or `/v1` below the prefix. `stream` defaults to false."
}

_VERSION = Parameter("anthropic-version", "Asks for Anthropic's form.", "2023-06-01", "header", STRING)
_MESSAGES = [{"role": "user", "content": "Hello"}]

_CHAT = Operation(
    "POST",
    "/v1/chat/completions",
    GROUP,
    "A chat completion",
    (
        Answer(
            "The answer, or its stream.",
            {JSON: ref("ChatCompletion"), EVENTS: CHUNKS},
            headers=ASKED,
        ),
    ),
    (ROOT, PREFIX),
    body=ChatRequest,
    example={"model": "demo", "messages": _MESSAGES},
    asks=True,
    names=True,
)

OPERATIONS: tuple[Operation, ...] = (
    _CHAT,
    replace(_CHAT, path="/chat/completions", summary="The same below the prefix alone", places=(PREFIX,)),
    Operation(
        "POST",
        "/v1/completions",
        GROUP,
        "A completion (the legacy API)",
        (
            Answer(
                "The answer, or its stream.",
                {JSON: ref("Completion"), EVENTS: PIECES},
                headers=ASKED,
            ),
        ),
        (ROOT, PREFIX),
        body=CompletionRequest,
        example={"model": "demo", "prompt": "Once upon a time"},
        asks=True,
        names=True,
    ),
    Operation(
        "POST",
        "/v1/responses",
        GROUP,
        "A response",
        (
            Answer(
                "The answer, or its stream.",
                {JSON: ref("Response"), EVENTS: ref("ResponseEvent")},
                headers=ASKED,
            ),
        ),
        (ROOT, PREFIX),
        "Relayed to an upstream that has this API. Over any other, what refers to something kept (`previous_response_id`, "
        "`conversation`, `prompt`, `background`) is a 400.",
        ResponsesRequest,
        example={"model": "demo", "input": "Hello"},
        asks=True,
        names=True,
    ),
    Operation(
        "POST",
        "/v1/embeddings",
        GROUP,
        "Embeddings",
        (Answer("The vectors.", {JSON: ref("Embeddings")}, headers=ASKED),),
        (ROOT, PREFIX),
        body=EmbeddingsRequest,
        example={"model": "demo", "input": ["Hello"]},
        asks=True,
        names=True,
    ),
    Operation(
        "GET",
        "/v1/models",
        GROUP,
        "The configured models",
        (
            Answer(
                "All of them; in Anthropic's form for a request with `anthropic-version`, in Google's for one with "
                "`x-goog-api-key`.",
                {JSON: {"anyOf": [ref("Models"), ref("AnthropicModels"), ref("GeminiModels")]}},
            ),
        ),
        (ROOT, PREFIX),
        parameters=(_VERSION, *PAGING),
        dialect="either",
    ),
    Operation(
        "GET",
        "/v1/models/{id}",
        GROUP,
        "One configured model",
        (
            Answer(
                "The model; in Anthropic's form for a request with `anthropic-version`, in Google's for one with "
                "`x-goog-api-key`.",
                {JSON: {"anyOf": [ref("Model"), ref("AnthropicModel"), ref("GeminiModel")]}},
            ),
        ),
        (ROOT, PREFIX),
        parameters=(Parameter("id", "The model's public name; it may contain slashes.", "demo"), _VERSION),
        names=True,
        dialect="either",
    ),
)
