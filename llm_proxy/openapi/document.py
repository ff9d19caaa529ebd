"""Operations as one OpenAPI 3.1 document (spec.openapis.org/oas/v3.1.1).

Laws: the same operations and prefix give the same bytes. What several operations share (models, errors, headers) stands
once, among the components. OpenAPI 3.1 has no words for the items of a stream, so the schema of a stream is that of one
event or line, as 3.2 writes it below ``itemSchema`` and as tools read it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from llm_proxy.openapi import errors
from llm_proxy.openapi.schemas import STRING, components_of, record, ref
from llm_proxy.openapi.values import EVENTS, JSON, PREFIX, Answer, Operation, Parameter, Schema

_Json = dict[str, Any]

#: Where the paths begin; whoever serves the document knows better.
SERVER = "/"


#: Where a client may send its key, if the configuration has keys (``llm_proxy.live.access.identity``).
_KEYS: _Json = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "As OpenAI's and Ollama's clients do."},
    **{
        name: {"type": "apiKey", "in": "header", "name": name, "description": f"As {whose} clients do."}
        for name, whose in (
            ("x-api-key", "Anthropic's"),
            ("api-key", "Azure's"),
            ("x-goog-api-key", "Google's"),
        )
    },
}


def document(
    operations: Sequence[Operation],
    groups: Mapping[str, str],
    shapes: Mapping[str, Schema],
    prefix: str,
    version: str,
) -> _Json:
    """The document. ``groups``: what is said about each group; ``shapes``: schemas that operations refer to."""
    schemas: dict[str, Schema] = {**errors.SCHEMAS, **shapes}
    for operation in operations:
        if isinstance(operation.body, type):
            schemas.update(components_of(operation.body))
    paths: dict[str, _Json] = {}
    for operation in operations:
        for path in paths_of(operation, prefix):
            paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, path, prefix)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "llm-proxy-api",
            "version": version,
            "description": "A gateway for language models. HEAD works where GET does; another method is a 405 that "
            "lists `Allow`, another path a 404, both as JSON. The schema of a stream (`text/event-stream`, "
            "`application/x-ndjson`) is that of one event or line.",
        },
        "servers": [{"url": SERVER}],
        "security": [{}, *({name: []} for name in _KEYS)],
        "tags": [{"name": name, "description": text} for name, text in groups.items()],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "headers": {
                name: {"description": what, "schema": schema}
                for name, (what, schema) in errors.HEADERS.items()
            },
            "responses": dict(_shared(operations)),
            "securitySchemes": _KEYS,
        },
    }


def paths_of(operation: Operation, prefix: str) -> Iterator[str]:
    """Where it stands. Without a prefix, two of its places may be one."""
    yield from dict.fromkeys(place.replace(PREFIX, prefix) + operation.path for place in operation.places)


def _operation(operation: Operation, path: str, prefix: str) -> _Json:
    first = next(paths_of(operation, prefix))
    found: _Json = {
        "operationId": _identifier(operation.method, path),
        "tags": [operation.group],
        "summary": operation.summary,
    }
    if operation.description:
        found["description"] = operation.description
    if path != first:
        found["x-same-as"] = first
    if operation.open:
        found["security"] = []
    if operation.parameters:
        found["parameters"] = [_parameter(parameter) for parameter in operation.parameters]
    if operation.body is not None:
        found["requestBody"] = _body(operation)
    found["responses"] = {
        **{answer.status: _answer(answer) for answer in operation.answers},
        **{
            status: {"$ref": "#/components/responses/" + _shared_name(operation, status)}
            for status in errors.errors_of(operation)
        },
    }
    return found


def _identifier(method: str, path: str) -> str:
    words = [word.strip("{}") for word in path.split("/") if word]
    return re.sub(r"\W", "_", "_".join([method.lower(), *words]).replace("}", ""))


def _parameter(parameter: Parameter) -> _Json:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.where == "path",
        "description": parameter.what,
        "schema": parameter.schema,
        "example": parameter.example,
    }


def _body(operation: Operation) -> _Json:
    body = operation.body
    content: Mapping[str, Schema]
    if isinstance(body, type) and issubclass(body, BaseModel):
        content = {"application/json": ref(body.__name__)}
    else:
        assert isinstance(body, Mapping)
        content = body
    example = {} if operation.example is None else {"example": operation.example}
    return {
        "required": operation.body_is_required,
        "content": {kind: {"schema": schema, **example} for kind, schema in content.items()},
    }


def _answer(answer: Answer) -> _Json:
    found: _Json = {
        "description": answer.what,
        "headers": {
            name: {"$ref": f"#/components/headers/{name}"} for name in (*errors.ALWAYS, *answer.headers)
        },
    }
    if answer.content:
        found["content"] = {kind: _media(kind, schema) for kind, schema in answer.content.items()}
    return found


def _media(kind: str, schema: Schema) -> _Json:
    if kind == EVENTS:
        return {"schema": record({"data": _data(schema)}, {"event": STRING}, "One event.")}
    return {"schema": schema}


def _data(schema: Schema) -> Schema:
    """An event's text: JSON, or the word that ends a stream."""
    if "anyOf" in schema:
        return {**STRING, "anyOf": [_data(way) for way in schema["anyOf"]]}
    return schema if "const" in schema else {**STRING, "contentMediaType": JSON, "contentSchema": schema}


def _shared(operations: Iterable[Operation]) -> Iterator[tuple[str, _Json]]:
    """The error answers that are referred to."""
    names = {
        (_shared_name(operation, status), operation.dialect, status, operation.relays)
        for operation in operations
        for status in errors.errors_of(operation)
    }
    for name, dialect, status, relays in sorted(names):
        yield name, _answer(errors.error_answer(status, dialect, relays))


def _shared_name(operation: Operation, status: str) -> str:
    return f"{operation.dialect}-{status}" + ("-relayed" if operation.relays else "")
