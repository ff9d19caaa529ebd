"""Every operation of the running program, by face. A new endpoint says here what it takes and gives: a test compares this
with the paths that are served, both ways."""

from __future__ import annotations

from functools import cache

from handlers.base.gateway import Document
from llm_proxy import __version__
from llm_proxy.openapi import anthropic, media, ollama, openai, openai_kept, openai_shapes, own, service
from llm_proxy.openapi.document import document
from llm_proxy.openapi.page import page
from llm_proxy.openapi.values import Operation, Schema
from llm_proxy.wire.sse import dumps

OPERATIONS: tuple[Operation, ...] = (
    *own.OPERATIONS,
    *openai.OPERATIONS,
    *openai_kept.OPERATIONS,
    *media.OPERATIONS,
    *anthropic.OPERATIONS,
    *ollama.OPERATIONS,
    *service.OPERATIONS,
)
GROUPS: dict[str, str] = {
    **own.GROUPS,
    **openai.GROUPS,
    **openai_kept.GROUPS,
    **media.GROUPS,
    **anthropic.GROUPS,
    **ollama.GROUPS,
    **service.GROUPS,
}
SHAPES: dict[str, Schema] = {
    **openai_shapes.SHAPES,
    **own.SHAPES,
    **anthropic.SHAPES,
    **ollama.SHAPES,
    **service.SHAPES,
}


@cache
def documents(prefix: str) -> tuple[Document, Document]:
    """The OpenAPI document of a program with that prefix, and the page that shows it; made once."""
    found = document(OPERATIONS, GROUPS, SHAPES, prefix, __version__)
    shown = page(found)
    return (
        Document.of(dumps(found), "application/json"),
        Document.of(shown.body, "text/html; charset=utf-8", shown.policy),
    )
