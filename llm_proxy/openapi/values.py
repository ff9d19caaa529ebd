"""What is said about one endpoint: values from which the document is built.

Laws: an operation is written down once, wherever it stands; its request is the very model that validates it, so that the
document cannot say less than the program wants. Schemas are JSON Schema 2020-12, as OpenAPI 3.1 has them. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

Schema = dict[str, Any]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
#: In whose form errors are told; ``either``: OpenAI's, Anthropic's for a request with ``anthropic-version``, Google's for one
#: with ``x-goog-api-key``.
Dialect = Literal["openai", "ollama", "anthropic", "gemini", "either"]

#: Where an operation stands: below the prefix of the settings, or at the path itself.
PREFIX, ROOT = "{prefix}", ""
#: Where ``/v1`` stands once more: an Ollama has those of the others, and Groq has OpenAI's so.
OLLAMA, OPENAI = "/ollama", "/openai"

JSON = "application/json"
EVENTS = "text/event-stream"
LINES = "application/x-ndjson"
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Parameter:
    """``example`` is also what tests ask for; a path parameter is always required."""

    name: str
    what: str
    example: str
    where: Literal["path", "query", "header"] = "path"
    schema: Schema = field(default_factory=lambda: {"type": "string", "minLength": 1})


@dataclass(frozen=True, slots=True)
class Answer:
    """``content``: a schema for each media type; for a stream that of one event or line. ``status`` may be a range
    such as ``4XX``. ``headers`` are names out of ``llm_proxy.openapi.errors.HEADERS``."""

    what: str
    content: Mapping[str, Schema]
    status: str = "200"
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. ``places``: what is put in front of ``path``, each of them a path of its own.

    ``asks``: whether an upstream is asked, which can fail in its own ways. ``names``: whether it names something that
    may not be there (404). ``relays``: whether the upstream's own errors pass as they are. ``open``: whether it never asks for a key. ``body``: the model that validates it, or a schema for each media type.
    """

    method: Method
    path: str
    group: str
    summary: str
    answers: tuple[Answer, ...]
    places: tuple[str, ...] = (PREFIX,)
    description: str = ""
    body: type[BaseModel] | Mapping[str, Schema] | None = None
    body_is_required: bool = True
    example: Mapping[str, Any] | None = None
    parameters: tuple[Parameter, ...] = ()
    dialect: Dialect = "openai"
    asks: bool = False
    names: bool = False
    relays: bool = False
    open: bool = False
