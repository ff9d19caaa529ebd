"""A request of OpenAI's legacy completions as a canonical chat request (platform.openai.com/docs/api-reference/completions).

Laws: the prompt becomes the one message of a user, because every upstream can answer that; a model that is not tuned for
chat is still asked through its chat template. Texts only: token ids belong to a tokenizer that is not known here. Without
``max_tokens`` the upstream decides, not this API's old default of 16. What chat cannot express is named as dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from llm_proxy.wire.schema import MaybeNumber, Open, Stop, StreamOptions, validated


def _prompt(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str):
        return value
    raise PydanticCustomError(
        "prompt", "must be a string, or a list of one: token ids and several prompts at once are not possible"
    )


#: For the document of the API.
_PROMPT = {"type": ["string", "array"], "items": {"type": "string"}, "minItems": 1, "maxItems": 1}


class CompletionRequest(Open):
    """``POST /v1/completions``."""

    model: str = Field(min_length=1)
    prompt: Annotated[str, BeforeValidator(_prompt), WithJsonSchema(_PROMPT)]
    suffix: str | None = None
    echo: bool | None = None
    best_of: int | None = None
    max_tokens: int | None = None
    temperature: MaybeNumber = None
    n: int | None = Field(default=None, ge=1)
    stop: Stop = None
    logprobs: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether the client asked for token counts in its stream."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def dropped(self) -> tuple[str, ...]:
        """What chat cannot express, unless it says nothing."""
        asked = {
            "suffix": bool(self.suffix),
            "echo": bool(self.echo),
            "best_of": self.best_of not in (None, 1),
        }
        return tuple(name for name, is_asked in asked.items() if is_asked)


_TRANSLATED = ("prompt", "suffix", "echo", "best_of", "logprobs")


def read(body: Mapping[str, Any]) -> CompletionRequest:
    """Validate ``body``. Raises ``InvalidRequest`` with every problem."""
    return validated(CompletionRequest, body)


def canonical(form: CompletionRequest, body: Mapping[str, Any]) -> dict[str, Any]:
    """The canonical body for ``form``, which was read from ``body``."""
    sent = {name: value for name, value in body.items() if name not in _TRANSLATED and value is not None}
    sent["stream"] = bool(form.stream)
    sent["messages"] = [{"role": "user", "content": form.prompt}]
    if form.logprobs is not None:
        sent["logprobs"] = True
        if form.logprobs > 0:
            sent["top_logprobs"] = form.logprobs
    return sent
