"""The gateway's own endpoints, below the prefix: chat, conversations, prompts, models and passthrough."""

from __future__ import annotations

from handlers.conversation import ConversationRequest, ExtendedConversationRequest
from handlers.explain import ExplainRequest
from handlers.passthrough import PassthroughRequest
from handlers.prompts import RenderRequest
from llm_proxy.openapi.errors import ASKED
from llm_proxy.openapi.openai_shapes import CHUNKS
from llm_proxy.openapi.schemas import (
    ANY,
    BOOLEAN,
    INTEGER,
    NUMBER,
    STRING,
    many,
    mapping,
    maybe,
    one_of,
    record,
    ref,
)
from llm_proxy.openapi.values import EVENTS, JSON, Answer, Method, Operation, Parameter, Schema
from llm_proxy.wire.schema import ChatRequest

CHAT, PROMPTS, PASSTHROUGH = "Chat", "Prompts", "Passthrough"
GROUPS = {
    CHAT: "One form for every provider. `stream` defaults to true.",
    PROMPTS: "The library of prompts.",
    PASSTHROUGH: "A request sent to a configured provider as it is, and its answer relayed untouched.",
}

SHAPES: dict[str, Schema] = {
    "Tag": record(
        {
            "name": STRING,
            "model": STRING,
            "provider": STRING,
            "providers": many(STRING),
            "api_type": STRING,
            "languages": many(STRING),
            "input_size": maybe(INTEGER),
            "prompt": maybe(STRING),
            "modified_at": STRING,
            "size": INTEGER,
            "digest": STRING,
            "details": record({"family": STRING, "families": many(STRING)}),
        },
        what="A configured model, with the fields of Ollama's list beside ours.",
    ),
    "Prompt": record(
        {
            "id": STRING,
            "languages": mapping(record({"hash": STRING, "ref": STRING, "slots": many(STRING)})),
        },
        {"versions": mapping(many(STRING))},
        "A prompt in each of its languages; `slots` are what `prompt_vars` must give, `ref` pins a version.",
    ),
    "Explained": record(
        {
            "model": STRING,
            "resolved": STRING,
            "candidates": many(
                record(
                    {
                        "provider": STRING,
                        "model": STRING,
                        "state": one_of("ok", "ejected", "asleep", "full", "out"),
                        "chosen": BOOLEAN,
                        "why": STRING,
                        "cost": maybe(NUMBER),
                    }
                )
            ),
            "waits": BOOLEAN,
            "call": maybe(record({"method": STRING, "url": STRING, "headers": mapping(STRING), "body": ANY})),
            "dropped": many(STRING),
            "prompt": maybe(record({"ref": STRING, "language": STRING})),
            "relay": maybe(one_of("bytes", "events")),
            "estimate": record({"input_tokens": maybe(INTEGER), "usd": maybe(NUMBER)}),
        },
        what="What would become of a request now; `call` is null if it would wait, or if nobody could take it.",
    ),
    "Rendered": record({"id": STRING, "language": STRING, "ref": STRING, "hash": STRING, "text": STRING}),
}

_CHAT_CONTENT = {JSON: ref("ChatCompletion"), EVENTS: CHUNKS}
_CONVERSED = Answer("The stream, or the whole answer.", _CHAT_CONTENT, headers=(*ASKED, "X-Prompt"))
_ID = Parameter("id", "The id of a prompt; it may contain slashes.", "conversation")
_PROVIDER = Parameter("provider", "The name of a configured provider.", "demo")
_PATH = Parameter(
    "path", "What is appended to the provider's base, with slashes and query as they are.", "models"
)
_RELAYED = (
    Answer("What the upstream answered, of whatever type.", {"*/*": {}}, headers=("X-LLM-Provider",)),
    Answer("What the upstream answered.", {"*/*": {}}, "2XX", ("X-LLM-Provider",)),
    Answer(
        "What the upstream answered; redirects are not followed.", {"*/*": {}}, "3XX", ("X-LLM-Provider",)
    ),
)


def _raw(method: Method) -> Operation:
    has_body = method != "GET"
    return Operation(
        method,
        "/passthrough/{provider}/{path}",
        PASSTHROUGH,
        "Send a request to a provider as it is",
        _RELAYED,
        description="Method, query and body bytes as they came; also for HEAD and OPTIONS. Hop-by-hop headers and the "
        "caller's own credentials are left out, the provider's are added.",
        body={"*/*": {}} if has_body else None,
        body_is_required=False,
        parameters=(_PROVIDER, _PATH),
        asks=True,
        names=True,
        relays=True,
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET",
        "/tags",
        CHAT,
        "The configured models",
        (Answer("All of them.", {JSON: record({"models": many(ref("Tag"))})}),),
    ),
    Operation(
        "POST",
        "/chat",
        CHAT,
        "A chat completion, streamed by default",
        (Answer("The stream, or the whole answer.", _CHAT_CONTENT, headers=ASKED),),
        description="The body is OpenAI's, every field of it; `model_name` is accepted for `model`.",
        body=ChatRequest,
        example={"model": "demo", "messages": [{"role": "user", "content": "Hello"}]},
        asks=True,
        names=True,
    ),
    Operation(
        "POST",
        "/explain",
        CHAT,
        "What would become of a request; nothing is sent",
        (Answer("Whom it would go to, and what would be sent.", {JSON: ref("Explained")}),),
        description="`path` is that of any endpoint that asks a model for an answer, `body` what would be sent to it. Keys are "
        "`***`, addresses are not shown.",
        body=ExplainRequest,
        example={
            "path": "/v1/chat/completions",
            "body": {"model": "demo", "messages": [{"role": "user", "content": "Hello"}]},
        },
        names=True,
    ),
    Operation(
        "POST",
        "/conversation_with_model",
        CHAT,
        "A statement, a history, and a prompt of the library",
        (_CONVERSED,),
        description="Fields that are not named here (`tools`, `response_format`, ...) pass on as they are; `model` is "
        "accepted for `model_name`.",
        body=ConversationRequest,
        example={"model_name": "demo", "user_last_statement": "Hello"},
        asks=True,
        names=True,
    ),
    Operation(
        "POST",
        "/extended_conversation_with_model",
        CHAT,
        "The same with a system prompt and sampling parameters of one's own",
        (_CONVERSED,),
        body=ExtendedConversationRequest,
        example={"model_name": "demo", "user_last_statement": "Hello", "temperature": 0.2},
        asks=True,
        names=True,
    ),
    Operation(
        "GET",
        "/prompts",
        PROMPTS,
        "The library",
        (
            Answer(
                "Every prompt, and files that could not be read.",
                {
                    JSON: record(
                        {
                            "prompts": many(ref("Prompt")),
                            "problems": many(record({"path": STRING, "message": STRING})),
                        }
                    )
                },
            ),
        ),
    ),
    Operation(
        "GET",
        "/prompts/{id}",
        PROMPTS,
        "One prompt and its versions",
        (Answer("The prompt.", {JSON: ref("Prompt")}),),
        parameters=(_ID,),
        names=True,
    ),
    Operation(
        "POST",
        "/prompts/{id}/render",
        PROMPTS,
        "What a prompt says, without asking a model",
        (Answer("The text with its slots filled.", {JSON: ref("Rendered")}),),
        body=RenderRequest,
        body_is_required=False,
        example={"language": "en", "prompt_vars": {}},
        parameters=(_ID,),
        names=True,
    ),
    Operation(
        "POST",
        "/passthrough",
        PASSTHROUGH,
        "Send a request to a provider, described in JSON",
        _RELAYED,
        description="Give either `model` or `provider`. `method` defaults to POST with a body, else GET.",
        body=PassthroughRequest,
        example={"provider": "demo", "path": "/models"},
        asks=True,
        names=True,
        relays=True,
    ),
    _raw("GET"),
    _raw("POST"),
    _raw("PUT"),
    _raw("PATCH"),
    _raw("DELETE"),
)
