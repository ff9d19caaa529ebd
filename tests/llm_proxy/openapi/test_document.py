"""The OpenAPI document: it tells of every endpoint that is served and of no other, and stands on its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from jsonschema import Draft202012Validator

from handlers.base.handler import BaseHandler, NotFoundHandler
from llm_proxy.openapi import anthropic, console, gemini, ollama, openai_shapes, own, service
from llm_proxy.openapi.document import paths_of
from llm_proxy.openapi.operations import GROUPS, OPERATIONS, SHAPES, documents
from llm_proxy.openapi.values import Operation
from llm_proxy.service.endpoints import routes_of

PREFIXES = pytest.mark.parametrize("prefix", ["/api", "/a/b", ""])


def document(prefix: str = "/api") -> dict[str, Any]:
    """The document as it is served."""
    found: dict[str, Any] = json.loads(documents(prefix)[0].body)
    return found


def concrete(path: str, operation: Operation) -> str:
    """A path that a client might ask for."""
    for parameter in operation.parameters:
        path = path.replace(f"{{{parameter.name}}}", parameter.example)
    return path


def served(prefix: str, path: str) -> tuple[str, type[BaseHandler]] | None:
    """The route that serves ``path``."""
    return next((route for route in routes_of(prefix) if re.fullmatch(route[0], path)), None)


def methods(handler: type[BaseHandler]) -> list[str]:
    """What ``handler`` implements; HEAD goes with GET, and OPTIONS is for what is relayed alone."""
    found = BaseHandler.allowed_methods(object.__new__(handler))
    return [method for method in found if method != "HEAD"]


@PREFIXES
def test_every_endpoint_is_documented(prefix: str) -> None:
    """Each method of each path that is served has an operation; a new endpoint says in ``llm_proxy.openapi`` what it
    takes and gives."""
    told = {
        (served(prefix, concrete(path, operation)), operation.method)
        for operation in OPERATIONS
        for path in paths_of(operation, prefix)
    }
    missing = [
        f"{method} {route[0]}"
        for route in dict.fromkeys(routes_of(prefix))
        if not issubclass(route[1], NotFoundHandler)
        for method in methods(route[1])
        if (route, method) not in told
    ]

    assert missing == []


@PREFIXES
def test_every_operation_is_served(prefix: str) -> None:
    """No operation is told of that no handler implements."""
    lost = []
    for operation in OPERATIONS:
        for path in paths_of(operation, prefix):
            route = served(prefix, concrete(path, operation))
            if (
                route is None
                or issubclass(route[1], NotFoundHandler)
                or operation.method not in methods(route[1])
            ):
                lost.append(f"{operation.method} {path}")

    assert lost == []


@PREFIXES
def test_what_asks_for_no_key_is_told_so(prefix: str) -> None:
    """And nothing else is: where a key may be asked for, the document has its 401."""
    for operation in OPERATIONS:
        for path in paths_of(operation, prefix):
            route = served(prefix, concrete(path, operation))
            assert route is not None
            assert operation.open == (route[1].needs == "nothing"), path


@PREFIXES
def test_the_document_is_sound(prefix: str) -> None:
    """It is OpenAPI 3.1 by the specification's own schema, every reference leads somewhere, and no name is used twice."""
    found = document(prefix)
    schemathesis.openapi.from_dict(found).validate()
    identifiers = [operation["operationId"] for _, operation in each(found)]

    assert found["openapi"].startswith("3.1.")
    assert len(identifiers) == len(set(identifiers))
    assert {tag for _, operation in each(found) for tag in operation["tags"]} == GROUPS.keys()
    for target in references(found):
        place: Any = found
        for step in target.removeprefix("#/").split("/"):
            place = place[step.replace("~1", "/")]


def each(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The operations, with their paths."""
    for path, item in found["paths"].items():
        for operation in item.values():
            yield path, operation


def references(value: Any) -> Iterator[str]:
    """The targets of all references."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_examples_are_valid() -> None:
    """Each example of a request is what its schema asks for, and each schema is one."""
    found = document()
    seen = 0
    for schema in found["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for path, operation in each(found):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            if "example" in media:
                seen += 1
                whole = {**media["schema"], "components": found["components"]}
                assert list(Draft202012Validator(whole).iter_errors(media["example"])) == [], path

    assert seen > 20


def test_requests_are_told_by_the_models_that_judge_them() -> None:
    """What the models want is what the document says: a field that they require, and what they forbid."""
    schemas = document()["components"]["schemas"]

    assert schemas["ChatRequest"]["required"] == ["model", "messages"]
    assert schemas["MessagesRequest"]["required"] == ["model", "max_tokens", "messages"]
    assert schemas["PassthroughRequest"]["additionalProperties"] is False
    assert schemas["ChatRequest"]["properties"]["temperature"]["anyOf"] == [
        {"type": "number"},
        {"type": "null"},
    ]


def test_nothing_of_python_is_told() -> None:
    """Descriptions are for users of the API: no class names of pydantic, no titles that repeat a field's name."""
    text = documents("/api")[0].body.decode()

    assert '"title":"' not in text.replace('"title":"llm-proxy-api"', "")
    assert "llm_proxy" not in text
    assert "pydantic" not in text.lower()


def test_no_shape_hides_another() -> None:
    """Each group's shapes have names of their own: of two of one name only the last would be told."""
    groups = (openai_shapes, own, anthropic, gemini, ollama, service, console)
    names = [name for group in groups for name in group.SHAPES]

    assert len(names) == len(set(names)) == len(SHAPES)
