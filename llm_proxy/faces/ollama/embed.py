"""Embeddings of Ollama's native API, its present call and its old one, as OpenAI's and back (docs/api.md).

Laws: vectors are the upstream's own numbers, in the order of the texts; what only a runner of models understands reaches
no other dialect and is named as dropped. No text, no call: the answer is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from llm_proxy.errors import UpstreamError
from llm_proxy.wire.large_json import loads, written
from llm_proxy.wire.schema import Open


def _texts(value: Any) -> list[str]:
    if value is None or value == "":
        return []
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
        return texts
    raise PydanticCustomError("input", "must be a string or a list of strings")


#: One text or several; for the document of the API, what may be sent rather than what is made of it.
Texts = Annotated[
    list[str],
    BeforeValidator(_texts),
    WithJsonSchema({"type": ["string", "array", "null"], "items": {"type": "string"}}),
]


class OllamaEmbed(Open):
    """``POST /api/embed``."""

    model: str = Field(min_length=1)
    texts: Texts = Field(default=[], alias="input")

    def answer(self, vectors: list[Any], took: int, tokens: int | None) -> dict[str, Any]:
        """The body for ``vectors``, which took so many nanoseconds and tokens."""
        counted = {} if tokens is None else {"prompt_eval_count": tokens}
        times = {"total_duration": took, "load_duration": 0}
        return {"model": self.model, "embeddings": vectors, **times, **counted}


class OllamaEmbeddings(OllamaEmbed):
    """``POST /api/embeddings``: one text, one vector."""

    texts: Texts = Field(default=[], alias="prompt")

    def answer(self, vectors: list[Any], took: int, tokens: int | None) -> dict[str, Any]:
        return {"embedding": vectors[0] if vectors else []}


_READ = ("model", "input", "prompt")
_RUNNER = ("truncate", "keep_alive", "options")


def canonical_embed(form: OllamaEmbed, body: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """OpenAI's request for ``form``, which was read from ``body``, and the names of what it could not carry."""
    passed = {name: value for name, value in body.items() if name not in _READ and value is not None}
    dropped = tuple(name for name in _RUNNER if name in passed)
    kept = {name: value for name, value in passed.items() if name not in dropped}
    return {**kept, "model": form.model, "input": form.texts}, dropped


def embed_answer(form: OllamaEmbed, body: bytes, took: int) -> bytes:
    """Ollama's body for OpenAI's. Raises ``UpstreamError`` if the vectors are none."""
    try:
        value = loads(body)
        rows = sorted(value["data"], key=lambda row: row["index"])
        vectors = [row["embedding"] for row in rows]
        tokens = (value.get("usage") or {}).get("prompt_tokens")
    except (ValueError, TypeError, KeyError) as error:
        raise _no_vectors() from error
    if len(vectors) != len(form.texts) or not all(isinstance(vector, list) for vector in vectors):
        raise _no_vectors()
    return written(form.answer(vectors, took, tokens))


def _no_vectors() -> UpstreamError:
    return UpstreamError(
        "the upstream's answer does not hold a vector for each text", phase="body", kind="content_type"
    )
