"""Anthropic's Messages API (docs.anthropic.com/en/api): its paths and its answers."""

from __future__ import annotations

from llm_proxy.faces.anthropic.request import CountRequest, MessagesRequest
from llm_proxy.openapi.errors import ASKED
from llm_proxy.openapi.schemas import BOOLEAN, INTEGER, STRING, const, many, maybe, record, ref
from llm_proxy.openapi.values import EVENTS, JSON, PREFIX, ROOT, Answer, Operation, Parameter, Schema

GROUP = "Anthropic"
GROUPS = {
    GROUP: "Anthropic's Messages API over any upstream: base URL `/` or `/anthropic`. `stream` defaults to false."
}

#: What asks for one page of models.
PAGING = (
    Parameter("limit", "How many of Anthropic's list, 1 to 1000.", "20", "query", {"type": "integer"}),
    Parameter("after_id", "The model before the page.", "demo", "query", STRING),
    Parameter("before_id", "The model after the page.", "demo", "query", STRING),
)

_PLACES = (ROOT, PREFIX, "/anthropic")

SHAPES: dict[str, Schema] = {
    "AnthropicMessage": record(
        {
            "id": STRING,
            "type": const("message"),
            "role": const("assistant"),
            "model": STRING,
            "content": many(record({"type": STRING})),
            "stop_reason": maybe(STRING),
            "usage": record({"input_tokens": INTEGER, "output_tokens": INTEGER}),
        },
        {"stop_sequence": maybe(STRING)},
        "The whole answer.",
    ),
    "AnthropicEvent": record(
        {"type": STRING},
        {"index": INTEGER, "message": ref("AnthropicMessage")},
        "One event of a stream: `message_start`, for each block `content_block_start`, `content_block_delta` and "
        "`content_block_stop`, then `message_delta` and `message_stop`; `ping` anywhere; `error` instead of an end.",
    ),
    "AnthropicModel": record(
        {"type": const("model"), "id": STRING, "display_name": STRING, "created_at": STRING}
    ),
    "AnthropicModels": record(
        {"data": many(ref("AnthropicModel")), "has_more": BOOLEAN},
        {"first_id": maybe(STRING), "last_id": maybe(STRING)},
    ),
}

_ASK = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST",
        "/v1/messages",
        GROUP,
        "A message",
        (
            Answer(
                "The answer, or its stream.",
                {JSON: ref("AnthropicMessage"), EVENTS: ref("AnthropicEvent")},
                headers=(*ASKED, "request-id"),
            ),
        ),
        _PLACES,
        body=MessagesRequest,
        example={**_ASK, "max_tokens": 64},
        dialect="anthropic",
        asks=True,
        names=True,
    ),
    Operation(
        "POST",
        "/v1/messages/count_tokens",
        GROUP,
        "How many tokens a message would take",
        (
            Answer(
                "The count, or an estimate where nobody can count.",
                {JSON: record({"input_tokens": INTEGER})},
                headers=("X-Token-Count", "request-id"),
            ),
        ),
        _PLACES,
        body=CountRequest,
        example=_ASK,
        dialect="anthropic",
        asks=True,
        names=True,
    ),
    Operation(
        "GET",
        "/anthropic/v1/models",
        GROUP,
        "The configured models",
        (Answer("One page of them.", {JSON: ref("AnthropicModels")}, headers=("request-id",)),),
        (ROOT,),
        "At `/v1/models` a request with `anthropic-version` gets the same.",
        parameters=PAGING,
        dialect="anthropic",
    ),
    Operation(
        "GET",
        "/anthropic/v1/models/{id}",
        GROUP,
        "One configured model",
        (Answer("The model.", {JSON: ref("AnthropicModel")}, headers=("request-id",)),),
        (ROOT,),
        parameters=(Parameter("id", "The model's public name; it may contain slashes.", "demo"),),
        dialect="anthropic",
        names=True,
    ),
)
