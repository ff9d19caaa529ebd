"""Embeddings of the Gemini API as OpenAI's and back (ai.google.dev/api/embeddings).

Laws: vectors are the upstream's own numbers, in the order of the texts; the parts of one content are one text. What only
tells Google's models the purpose of a vector is named as dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, model_validator

from llm_proxy.errors import InvalidRequest, Problem, UpstreamError
from llm_proxy.faces.gemini.config import Whole
from llm_proxy.faces.gemini.names import respelled
from llm_proxy.wire.large_json import loads, written
from llm_proxy.wire.schema import Open, validated

Json = dict[str, Any]


class EmbedContentRequest(Open):
    """``POST models/{model}:embedContent``: one content, one vector. Newer clients put how into ``embedContentConfig``."""

    content: dict[str, Any] | str
    model: str | None = None
    task_type: str | None = Field(default=None, alias="taskType")
    title: str | None = None
    output_dimensionality: Whole = Field(default=None, alias="outputDimensionality")

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        config = value.get("embedContentConfig") if isinstance(value, dict) else None
        if not isinstance(config, dict):
            return value
        return {**{name: given for name, given in value.items() if name != "embedContentConfig"}, **config}


class BatchEmbedContentsRequest(Open):
    """``POST models/{model}:batchEmbedContents``."""

    requests: list[EmbedContentRequest] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """The canonical request, what it could not carry, and whether one vector is wanted or a list."""

    sent: Json
    dropped: tuple[str, ...]
    single: bool

    def answer(self, body: bytes) -> bytes:
        """The body for OpenAI's answer. Raises ``UpstreamError`` if the vectors are none."""
        try:
            value = loads(body)
            vectors = [row["embedding"] for row in sorted(value["data"], key=lambda row: row["index"])]
            tokens = (value.get("usage") or {}).get("prompt_tokens")
        except (ValueError, TypeError, KeyError) as error:
            raise _no_vectors() from error
        if len(vectors) != len(self.sent["input"]) or not all(isinstance(one, list) for one in vectors):
            raise _no_vectors()
        made = [{"values": vector} for vector in vectors]
        counted = {"usageMetadata": {"promptTokenCount": tokens}} if tokens else {}
        return written({"embedding": made[0], **counted} if self.single else {"embeddings": made, **counted})


def embeddings(body: Mapping[str, Any], model: str, *, single: bool) -> Asked:
    """OpenAI's request for ``body``. Raises ``InvalidRequest``."""
    given = respelled(body)
    if single:
        asked = [validated(EmbedContentRequest, given)]
    else:
        asked = validated(BatchEmbedContentsRequest, given).requests
    problems: list[Problem] = []
    texts = [
        _text(one.content, "content" if single else f"requests.{at}.content", problems)
        for at, one in enumerate(asked)
    ]
    sizes = {one.output_dimensionality for one in asked}
    if len(sizes) > 1:
        problems.append(Problem("requests", "must all have the same outputDimensionality"))
    if len({one.model for one in asked}) > 1:
        problems.append(Problem("requests", "must all be for the model of the batch"))
    if problems:
        raise InvalidRequest.of(problems)
    (size,) = sizes
    sent: Json = {"model": model, "input": texts, **({"dimensions": size} if size else {})}
    lost = [
        name for one in asked for name, value in (("taskType", one.task_type), ("title", one.title)) if value
    ]
    lost += [name for one in asked for name in one.model_extra or ()]
    return Asked(sent, tuple(dict.fromkeys(lost)), single)


def _text(content: Any, path: str, problems: list[Problem]) -> str:
    if isinstance(content, str):
        return content
    parts = content.get("parts") if isinstance(content, dict) else None
    parts = parts if isinstance(parts, list) else [parts]  # the vendor takes one part as well as a list
    texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    if not texts or not all(isinstance(text, str) for text in texts):
        problems.append(Problem(f"{path}.parts", "must be texts: this model's API takes nothing else"))
        return ""
    return "\n".join(map(str, texts))


def _no_vectors() -> UpstreamError:
    text = "the upstream's answer does not hold a vector for each text"
    return UpstreamError(text, phase="body", kind="content_type")
