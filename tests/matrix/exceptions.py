"""What cannot be expressed, cell by cell: the only exceptions that the tests make, and what the table says.

``dropped``: the upstream's dialect has no such field; the client is told by X-Dropped-Params, in exactly these words.
``refused``: the request cannot be put into the upstream's dialect at all and is a 400 that says why. ``unsaid``: the
upstream says it, and the client's dialect has no field for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_OTHERS = ("openai", "vllm", "anthropic", "gemini")


@dataclass(frozen=True, slots=True)
class Loss:
    """``words``: of the header, or of the error's message; ``shown``: how the page names it, if not by its field."""

    faces: tuple[str, ...]
    upstreams: tuple[str, ...]
    ask: str
    how: Literal["dropped", "refused", "unsaid"]
    field: str
    words: str = ""
    shown: str = ""

    def within(self, face: str, upstream: str, ask: str) -> bool:
        """Whether it belongs to this cell."""
        return face in self.faces and upstream in self.upstreams and ask == self.ask


def _dropped(faces: str, upstreams: str, ask: str, field: str, words: str = "", shown: str = "") -> Loss:
    return Loss(tuple(faces.split()), tuple(upstreams.split()), ask, "dropped", field, words or field, shown)


def _unsaid(upstreams: str, ask: str, field: str, shown: str, faces: str = "ollama") -> Loss:
    return Loss(tuple(faces.split()), tuple(upstreams.split()), ask, "unsaid", field, shown=shown)


LOSSES = (
    _dropped("openai ollama gemini", "anthropic", "plain", "seed"),
    _dropped("openai ollama gemini", "anthropic", "plain", "presence_penalty"),
    _dropped("ollama", "openai vllm anthropic gemini", "plain", "num_ctx"),
    _dropped("ollama", "openai vllm anthropic gemini", "plain", "keep_alive"),
    _dropped("openai anthropic gemini", "ollama", "tools", "tool_choice"),
    _dropped("openai anthropic", "ollama gemini", "tools", "parallel_tool_calls"),
    _dropped("anthropic", "openai vllm ollama", "results again", "is_error"),
    _dropped(
        "openai ollama gemini",
        "anthropic",
        "JSON without a schema",
        "response_format",
        "response_format (json_object)",
        "JSON without a schema (`response_format`)",
    ),
    Loss(
        ("openai", "anthropic", "gemini"),
        ("ollama",),
        "image by URL",
        "refused",
        "image by URL",
        "must be a data: URL",
    ),
    _unsaid("anthropic gemini", "reasoning", "signature", "signatures of thinking"),
    _unsaid("anthropic gemini", "reasoning again", "signature", "signatures of thinking"),
    _unsaid("gemini", "reasoning again", "signature", "the signature of a text", "anthropic"),
    _unsaid("openai vllm anthropic gemini", "usage", "cached", "tokens from a cache"),
    _unsaid("anthropic", "usage", "written", "tokens written to a cache", "ollama gemini"),
    _unsaid("openai anthropic gemini", "usage", "thoughts", "tokens of thinking"),
)


def losses(face: str, upstream: str, ask: str) -> tuple[Loss, ...]:
    """What is lost of ``ask`` between the two."""
    return tuple(loss for loss in LOSSES if loss.within(face, upstream, ask))
