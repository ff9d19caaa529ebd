"""Google's Gemini API (ai.google.dev/api): its paths and its answers."""

from __future__ import annotations

from llm_proxy.faces.gemini.embed import BatchEmbedContentsRequest, EmbedContentRequest
from llm_proxy.faces.gemini.request import CountTokensRequest, GenerateContentRequest
from llm_proxy.openapi.errors import ASKED
from llm_proxy.openapi.schemas import INTEGER, NUMBER, STRING, many, record, ref
from llm_proxy.openapi.values import EVENTS, JSON, PREFIX, ROOT, Answer, Operation, Parameter, Schema

GROUP = "Gemini"
GROUPS = {
    GROUP: "Google's Gemini API over any upstream: base URL `/` or `/gemini`, version `v1beta` or `v1`. Names of fields "
    "also in snake_case."
}

#: Both versions of the API are one here; at ``/v1/models`` alone stands what every dialect has there.
_PLACES = tuple(f"{place}/{version}" for version in ("v1beta", "v1") for place in (ROOT, PREFIX, "/gemini"))
_CATALOGUE = (*(f"{place}/v1beta" for place in (ROOT, PREFIX, "/gemini")), "/gemini/v1")
_MODEL = Parameter("model", "The model's public name; it may contain slashes and colons.", "demo")
#: What asks for one page of models.
PAGING = (
    Parameter("pageSize", "How many of Google's list, up to 1000.", "50", "query", {"type": "integer"}),
    Parameter("pageToken", "The page, as the one before it said.", "ZGVtbw==", "query", STRING),
)

SHAPES: dict[str, Schema] = {
    "GeminiResponse": record(
        {"candidates": many(ref("GeminiCandidate")), "modelVersion": STRING, "responseId": STRING},
        {"usageMetadata": ref("GeminiUsage"), "promptFeedback": record({}, {"blockReason": STRING})},
        "The whole answer, or one piece of a stream: what is new. The last one has the reasons of the ends and the counts.",
    ),
    "GeminiCandidate": record(
        {"content": record({"role": STRING, "parts": many(record({}))}), "index": INTEGER},
        {"finishReason": STRING, "finishMessage": STRING, "logprobsResult": record({})},
        "`parts`: `text` (with `thought` for thoughts), `functionCall`, `inlineData`; any of them with `thoughtSignature`, "
        "which goes back as it came.",
    ),
    "GeminiUsage": record(
        {"promptTokenCount": INTEGER, "candidatesTokenCount": INTEGER, "totalTokenCount": INTEGER},
        {"thoughtsTokenCount": INTEGER, "cachedContentTokenCount": INTEGER},
    ),
    "GeminiVector": record({"values": many(NUMBER)}),
    "GeminiModel": record(
        {"name": STRING, "displayName": STRING, "supportedGenerationMethods": many(STRING)},
        {"baseModelId": STRING, "inputTokenLimit": INTEGER},
    ),
    "GeminiModels": record({"models": many(ref("GeminiModel"))}, {"nextPageToken": STRING}),
}

_ASK = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
_TEXT = {"content": {"parts": [{"text": "Hello"}]}}


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST",
        "/models/{model}:generateContent",
        GROUP,
        "An answer",
        (Answer("The answer.", {JSON: ref("GeminiResponse")}, headers=ASKED),),
        _PLACES,
        parameters=(_MODEL,),
        body=GenerateContentRequest,
        example=_ASK,
        dialect="gemini",
        asks=True,
        names=True,
    ),
    Operation(
        "POST",
        "/models/{model}:streamGenerateContent",
        GROUP,
        "An answer in pieces",
        (
            Answer(
                "Events with `alt=sse`, else one array of responses.",
                {EVENTS: ref("GeminiResponse"), JSON: many(ref("GeminiResponse"))},
                headers=ASKED,
            ),
        ),
        _PLACES,
        parameters=(_MODEL, Parameter("alt", "`sse` for events.", "sse", "query", STRING)),
        body=GenerateContentRequest,
        example=_ASK,
        dialect="gemini",
        asks=True,
        names=True,
    ),
    Operation(
        "POST",
        "/models/{model}:countTokens",
        GROUP,
        "How many tokens a request would take",
        (
            Answer(
                "The count, or an estimate where nobody can count.",
                {JSON: record({"totalTokens": INTEGER})},
                headers=("X-Token-Count",),
            ),
        ),
        _PLACES,
        parameters=(_MODEL,),
        body=CountTokensRequest,
        example=_ASK,
        dialect="gemini",
        asks=True,
        names=True,
    ),
    Operation(
        "POST",
        "/models/{model}:embedContent",
        GROUP,
        "One vector",
        (Answer("The vector.", {JSON: record({"embedding": ref("GeminiVector")})}, headers=ASKED),),
        _PLACES,
        parameters=(_MODEL,),
        body=EmbedContentRequest,
        example=_TEXT,
        dialect="gemini",
        asks=True,
        names=True,
    ),
    Operation(
        "POST",
        "/models/{model}:batchEmbedContents",
        GROUP,
        "A vector for each text",
        (Answer("The vectors.", {JSON: record({"embeddings": many(ref("GeminiVector"))})}, headers=ASKED),),
        _PLACES,
        parameters=(_MODEL,),
        body=BatchEmbedContentsRequest,
        example={"requests": [_TEXT]},
        dialect="gemini",
        asks=True,
        names=True,
    ),
    Operation(
        "GET",
        "/models",
        GROUP,
        "The configured models",
        (Answer("One page of them.", {JSON: ref("GeminiModels")}),),
        _CATALOGUE,
        "At `/v1/models` a request with `x-goog-api-key` gets the same.",
        parameters=PAGING,
        dialect="gemini",
    ),
    Operation(
        "GET",
        "/models/{model}",
        GROUP,
        "One configured model",
        (Answer("The model.", {JSON: ref("GeminiModel")}),),
        _CATALOGUE,
        parameters=(_MODEL,),
        dialect="gemini",
        names=True,
    ),
)
