"""What OpenAI's Responses API keeps. What an upstream that has it answers is relayed as it is, so that answers are told by
media type only."""

from __future__ import annotations

from llm_proxy.openapi.errors import ASKED
from llm_proxy.openapi.schemas import OBJECT, STRING, record
from llm_proxy.openapi.values import EVENTS, JSON, PREFIX, ROOT, Answer, Method, Operation, Parameter, Schema

GROUP = "OpenAI, kept by the upstream"
GROUPS = {GROUP: "Responses and conversations by their ids, relayed to the upstream that keeps them."}

_HINT = Parameter("model", "A model of the upstream that keeps it.", "gpt-5.4", "query", STRING)
_NAME: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9_.-]*$"}
_ID = Parameter("id", "The id.", "resp_abc", schema=_NAME)
_ITEM = Parameter("item", "The id of an item.", "msg_abc", schema=_NAME)
_MAY = {JSON: record({}, {"model": STRING})}
_MUST = {JSON: record({"model": STRING}, {"input": {}})}


def _asked(
    path: str, summary: str, method: Method = "GET", body: dict[str, Schema] | None = None
) -> Operation:
    named = [found for found in (_ID, _ITEM) if f"{{{found.name}}}" in path]
    return Operation(
        method,
        path,
        GROUP,
        summary,
        (
            Answer("What the upstream answered.", {JSON: OBJECT, EVENTS: OBJECT, "*/*": {}}, headers=ASKED),
            Answer("What the upstream answered.", {"*/*": {}}, "2XX", ASKED),
        ),
        (ROOT, PREFIX),
        body=body,
        parameters=(*named, _HINT),
        asks=True,
        names=True,
    )


OPERATIONS: tuple[Operation, ...] = (
    _asked("/v1/responses/input_tokens", "How long a request would be", "POST", _MUST),
    _asked("/v1/responses/compact", "A conversation in fewer words", "POST", _MUST),
    _asked("/v1/responses/{id}", "A response that was kept, or its events"),
    _asked("/v1/responses/{id}", "Delete a response", "DELETE"),
    _asked("/v1/responses/{id}/input_items", "What a response was made of"),
    _asked("/v1/responses/{id}/cancel", "Stop a response in the background", "POST", _MAY),
    _asked("/v1/conversations", "Begin a conversation", "POST", _MAY),
    _asked("/v1/conversations/{id}", "What is known of a conversation"),
    _asked("/v1/conversations/{id}", "Change what is known of a conversation", "POST", _MAY),
    _asked("/v1/conversations/{id}", "Delete a conversation", "DELETE"),
    _asked("/v1/conversations/{id}/items", "The items of a conversation"),
    _asked("/v1/conversations/{id}/items", "Add items to a conversation", "POST", _MAY),
    _asked("/v1/conversations/{id}/items/{item}", "An item of a conversation"),
    _asked("/v1/conversations/{id}/items/{item}", "Delete an item of a conversation", "DELETE"),
)
