"""Every operation of the running program, by face. A new endpoint says here what it takes and gives: a test compares this
with the paths that are served, both ways."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from handlers.base.gateway import PAGE_ROOT, Document
from llm_proxy import __version__
from llm_proxy.openapi import (
    anthropic,
    console,
    gemini,
    media,
    ollama,
    openai,
    openai_kept,
    openai_shapes,
    own,
    service,
)
from llm_proxy.openapi.document import document
from llm_proxy.openapi.page import page
from llm_proxy.openapi.values import OLLAMA, OPENAI, ROOT, Operation, Schema
from llm_proxy.wire.large_json import written


def _also(operation: Operation, *places: str) -> Operation:
    """The same operation at ``places`` too, if it is one of ``/v1`` at the root."""
    if ROOT in operation.places and operation.path.startswith("/v1/"):
        return replace(operation, places=(*operation.places, *places))
    return operation


_OF_OPENAI = (*openai.OPERATIONS, *openai_kept.OPERATIONS, *media.OPERATIONS)


OPERATIONS: tuple[Operation, ...] = (
    *own.OPERATIONS,
    *(_also(operation, OLLAMA, OPENAI) for operation in _OF_OPENAI),
    *(_also(operation, OLLAMA) for operation in anthropic.OPERATIONS),
    *gemini.OPERATIONS,
    *ollama.OPERATIONS,
    *service.OPERATIONS,
    *console.OPERATIONS,
)
GROUPS: dict[str, str] = {
    **own.GROUPS,
    **openai.GROUPS,
    **openai_kept.GROUPS,
    **media.GROUPS,
    **anthropic.GROUPS,
    **gemini.GROUPS,
    **ollama.GROUPS,
    **service.GROUPS,
    **console.GROUPS,
}
SHAPES: dict[str, Schema] = {
    **openai_shapes.SHAPES,
    **own.SHAPES,
    **anthropic.SHAPES,
    **gemini.SHAPES,
    **ollama.SHAPES,
    **service.SHAPES,
    **console.SHAPES,
}


@cache
def documents(prefix: str, *, with_console: bool = True) -> tuple[Document, Document]:
    """The OpenAPI document of a program with that prefix, and the page that shows it; made once."""
    operations, groups, shapes = OPERATIONS, GROUPS, SHAPES
    if not with_console:
        operations = tuple(one for one in operations if one.group not in console.GROUPS)
        groups = {name: text for name, text in groups.items() if name not in console.GROUPS}
        shapes = {name: shape for name, shape in shapes.items() if name not in console.SHAPES}
    found = document(operations, groups, shapes, prefix, __version__)
    shown = page(found, PAGE_ROOT if with_console else None)
    return (
        Document.of(written(found), "application/json"),
        Document.of(shown.body, "text/html; charset=utf-8", shown.policy),
    )
