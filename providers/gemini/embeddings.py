"""Embeddings of the Gemini API (ai.google.dev/api/embeddings): ``batchEmbedContents``, whatever the number of texts.

One form for one text and for many: ``embedContent`` would make one vector of several. Vectors come back as they are; those
of fewer dimensions than the model has are not of length one there (ai.google.dev/gemini-api/docs/embeddings), which the
upstream's own clients see as well. Most models say nothing of tokens: then the usage is 0.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.wire.schema import EmbeddingsRequest
from providers.common.conversation import refuse
from providers.common.defaults import effective
from providers.common.embeddings import vectors_answer
from providers.common.json_objects import Malformed, integer, loads_object, obj, objects
from providers.common.params import HINTS
from providers.gemini import errors

#: The API's own fields of one request, by the names under which clients send them.
_OWN = {
    "dimensions": "outputDimensionality",
    "output_dimensionality": "outputDimensionality",
    "outputDimensionality": "outputDimensionality",
    "task_type": "taskType",
    "taskType": "taskType",
    "title": "title",
}
_ELSEWHERE = HINTS | {"model", "input", "encoding_format"}


def embed_body(request: EmbeddingsRequest, resource: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body, and what could not be expressed. ``resource`` is the model's full name. Raises ``InvalidRequest``:
    Gemini takes texts, not tokens."""
    texts = request.input if isinstance(request.input, list) else [request.input]
    if not all(isinstance(text, str) for text in texts):
        refuse("input", "must be a string or a list of strings: Gemini takes no tokens")
    sent, dropped = effective(request.sent, {})
    fields: dict[str, Any] = {}
    for name, value in sent.items():
        if value is None or name in _ELSEWHERE:
            continue
        if name in _OWN:
            fields.setdefault(_OWN[name], value)
        else:
            dropped.append(name)
    requests = [{"model": resource, "content": {"parts": [{"text": text}]}, **fields} for text in texts]
    return {"requests": requests}, tuple(sorted(dropped))


def embed_answer(body: bytes, request: EmbeddingsRequest) -> dict[str, Any]:
    """OpenAI's answer. Raises ``Malformed``, or the mapped error if the body holds one."""
    value = loads_object(body)
    error = errors.error_of(value)
    if error is not None:
        raise errors.from_error(error)
    vectors = [item.get("values") for item in objects(value, "embeddings")]
    if len(vectors) != (len(request.input) if isinstance(request.input, list) else 1):
        raise Malformed("another number of vectors than of texts")
    tokens = integer(obj(value, "usageMetadata"), "promptTokenCount")
    return vectors_answer(request.model, vectors, tokens, base64=request.encoding_format == "base64")
