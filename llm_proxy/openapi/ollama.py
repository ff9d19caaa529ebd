"""Ollama's native API (github.com/ollama/ollama, docs/api.md): its paths and its answers."""

from __future__ import annotations

from llm_proxy.faces.ollama.embed import OllamaEmbed, OllamaEmbeddings
from llm_proxy.faces.ollama.request import OllamaChat, OllamaGenerate
from llm_proxy.openapi.errors import ASKED, error_answer
from llm_proxy.openapi.schemas import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    OBJECT,
    STRING,
    const,
    many,
    one_of,
    record,
    ref,
)
from llm_proxy.openapi.values import JSON, LINES, TEXT, Answer, Method, Operation, Parameter, Schema

GROUP = "Ollama"
GROUPS = {
    GROUP: "Ollama's API over any upstream, with `/ollama` as base URL (`OLLAMA_HOST=http://host:port/ollama`); with "
    "LLM_PROXY_API_OLLAMA_PORT also at the root of that port. `stream` defaults to true."
}

_PLACES = ("/ollama",)
_DURATIONS = dict.fromkeys(
    ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration"), INTEGER
)
_COUNTS = {"prompt_eval_count": INTEGER, "eval_count": INTEGER}
_LINE = {"model": STRING, "created_at": STRING, "done": BOOLEAN}
_CLOSING = {"done_reason": one_of("stop", "length", "load", "unload"), **_DURATIONS, **_COUNTS}
_DETAILS = record(
    {"parent_model": STRING, "format": STRING, "family": STRING, "families": many(STRING)},
    {"parameter_size": STRING, "quantization_level": STRING},
)

SHAPES: dict[str, Schema] = {
    "OllamaMessage": record(
        {"role": const("assistant"), "content": STRING}, {"thinking": STRING, "tool_calls": many(OBJECT)}
    ),
    "OllamaChatLine": record(
        {**_LINE, "message": ref("OllamaMessage")},
        _CLOSING,
        "The answer, or one line of its stream; durations in nanoseconds. The last line has `done: true`; a failure "
        "is a line with `error` instead.",
    ),
    "OllamaGenerateLine": record({**_LINE, "response": STRING}, {"thinking": STRING, **_CLOSING}),
    "OllamaEmbedAnswer": record(
        {"model": STRING, "embeddings": many(many(NUMBER))},
        {"total_duration": INTEGER, "load_duration": INTEGER, "prompt_eval_count": INTEGER},
    ),
    "OllamaEmbeddingsAnswer": record({"embedding": many(NUMBER)}),
    "OllamaModel": record(
        {
            "name": STRING,
            "model": STRING,
            "modified_at": STRING,
            "size": INTEGER,
            "digest": STRING,
            "details": _DETAILS,
        },
        {"capabilities": many(STRING)},
        "A configured model. What a file on disk would have is empty or zero.",
    ),
    "OllamaModels": record({"models": many(ref("OllamaModel"))}),
    "OllamaShown": record(
        {"details": _DETAILS, "model_info": OBJECT, "capabilities": many(STRING), "modified_at": STRING},
        {"license": STRING, "modelfile": STRING, "parameters": STRING, "template": STRING},
        "`model_info` has the context length where the configuration knows it.",
    ),
    "OllamaShow": {
        **record({}, {"model": STRING, "name": STRING, "verbose": BOOLEAN}),
        "description": "One of the two names of the model is required.",
        "anyOf": [{"required": ["model"]}, {"required": ["name"]}],
    },
}


def _or_error(name: str) -> Schema:
    """What a line of a stream is."""
    return {"anyOf": [ref(name), ref("OllamaError")]}


def _get(path: str, summary: str, what: str, content: dict[str, Schema]) -> Operation:
    return Operation("GET", path, GROUP, summary, (Answer(what, content),), _PLACES, dialect="ollama")


_MANAGED = ("pull", "push", "create", "copy", "delete")
_ACTION = Parameter("action", "Pull, push, create, copy or delete a model.", "pull", schema=one_of(*_MANAGED))
_DIGEST = Parameter("digest", "The digest of a file.", "sha256:00")


def _managing(method: Method) -> tuple[Operation, ...]:
    found = (("/api/{action}", _ACTION), ("/api/blobs/{digest}", _DIGEST))
    return tuple(
        Operation(
            method,
            path,
            GROUP,
            "Manage models: not available here",
            (error_answer("501", "ollama"),),
            _PLACES,
            "This gateway answers for models of other servers and manages none.",
            parameters=(parameter,),
            dialect="ollama",
            names=True,
        )
        for path, parameter in found
    )


OPERATIONS: tuple[Operation, ...] = (
    _get("", "Is anybody there", "`Ollama is running`", {TEXT: const("Ollama is running")}),
    _get("/api/version", "The release whose API this is", "It.", {JSON: record({"version": STRING})}),
    _get("/api/tags", "The configured models", "All of them.", {JSON: ref("OllamaModels")}),
    _get(
        "/api/ps",
        "Models in memory",
        "None: a gateway holds no models.",
        {JSON: record({"models": many(OBJECT)})},
    ),
    Operation(
        "POST",
        "/api/show",
        GROUP,
        "One configured model",
        (Answer("The model.", {JSON: ref("OllamaShown")}),),
        _PLACES,
        body={JSON: ref("OllamaShow")},
        example={"model": "demo"},
        dialect="ollama",
        names=True,
    ),
    Operation(
        "POST",
        "/api/chat",
        GROUP,
        "A chat completion",
        (
            Answer(
                "The answer, or its stream. Without messages nothing is generated.",
                {JSON: ref("OllamaChatLine"), LINES: _or_error("OllamaChatLine")},
                headers=ASKED,
            ),
        ),
        _PLACES,
        body=OllamaChat,
        example={"model": "demo", "messages": [{"role": "user", "content": "Hello"}]},
        dialect="ollama",
        asks=True,
        names=True,
    ),
    Operation(
        "POST",
        "/api/generate",
        GROUP,
        "A completion",
        (
            Answer(
                "The answer, or its stream. Without a prompt nothing is generated.",
                {JSON: ref("OllamaGenerateLine"), LINES: _or_error("OllamaGenerateLine")},
                headers=ASKED,
            ),
        ),
        _PLACES,
        body=OllamaGenerate,
        example={"model": "demo", "prompt": "Once upon a time"},
        dialect="ollama",
        asks=True,
        names=True,
    ),
    Operation(
        "POST",
        "/api/embed",
        GROUP,
        "Embeddings",
        (Answer("A vector for each text.", {JSON: ref("OllamaEmbedAnswer")}, headers=ASKED),),
        _PLACES,
        body=OllamaEmbed,
        example={"model": "demo", "input": ["Hello"]},
        dialect="ollama",
        asks=True,
        names=True,
    ),
    Operation(
        "POST",
        "/api/embeddings",
        GROUP,
        "One embedding (the older call)",
        (Answer("The vector.", {JSON: ref("OllamaEmbeddingsAnswer")}, headers=ASKED),),
        _PLACES,
        body=OllamaEmbeddings,
        example={"model": "demo", "prompt": "Hello"},
        dialect="ollama",
        asks=True,
        names=True,
    ),
    *_managing("POST"),
    *_managing("PUT"),
    *_managing("DELETE"),
)
