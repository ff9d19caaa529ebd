"""OpenAI's answer to a request for embeddings, from the vectors that another dialect gave."""

from __future__ import annotations

import struct
from base64 import b64encode
from typing import Any

from providers.common.json_objects import Malformed


def vectors_answer(model: str, vectors: Any, prompt_tokens: int, *, base64: bool) -> dict[str, Any]:
    """``vectors`` (of an upstream: anything) as an answer. Raises ``Malformed`` if they are no list of vectors."""
    if not isinstance(vectors, list) or not all(isinstance(vector, list) for vector in vectors):
        raise Malformed("no list of vectors")
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if base64 else vector}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens}
    return {"object": "list", "model": model, "data": data, "usage": usage}


def _packed(vector: list[Any]) -> str:
    """Little-endian 32-bit floats in base64, which OpenAI's clients ask for by default."""
    try:
        return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    except (struct.error, OverflowError) as error:
        raise Malformed("a vector does not consist of numbers") from error
