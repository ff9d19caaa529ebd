"""A request of OpenAI's legacy completions as a canonical chat request (platform.openai.com/docs/api-reference/completions).

Laws: an upstream that has this API gets requests as they are; this is for all others. The prompt becomes the one message of
a user, because every upstream can answer that. What chat cannot express is a 400 where the answer would be to another
question: token ids belong to a tokenizer that is not known here, a ``suffix`` is half of what is asked, and with ``echo`` the
log probabilities of the prompt are wanted. Without ``max_tokens`` the upstream decides, not this API's old default of 16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.wire.schema import MaybeNumber, Open, Stop, StreamOptions, validated

_ELSEWHERE = "the model's upstream is not known to have completions, only chat"


def _prompt(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value:
        raise PydanticCustomError("prompt", "must be a string, or a list that is not empty")
    if len(value) == 1 and isinstance(value[0], str):
        return value[0]
    if all(isinstance(item, str) for item in value):
        raise PydanticCustomError("prompt", f"only one at once is possible: {_ELSEWHERE}")
    if all(_is_id(item) or (isinstance(item, list) and all(map(_is_id, item))) for item in value):
        raise PydanticCustomError("prompt", f"token ids are not possible: {_ELSEWHERE}")
    raise PydanticCustomError("prompt", "must be a string, or a list of strings or of token ids")


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


#: For the document of the API.
_PROMPT = {"type": ["string", "array"], "items": {"type": ["string", "integer", "array"]}, "minItems": 1}


class Asked(Open):
    """What is checked of any request, also of one that goes to an upstream of this API as it is."""

    model: str = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether the client asked for token counts in its stream."""
        return bool(self.stream_options and self.stream_options.include_usage)


class CompletionRequest(Asked):
    """``POST /v1/completions``."""

    prompt: Annotated[str, BeforeValidator(_prompt), WithJsonSchema(_PROMPT)]
    suffix: str | None = None
    echo: bool | None = None
    best_of: int | None = None
    max_tokens: int | None = None
    temperature: MaybeNumber = None
    n: int | None = Field(default=None, ge=1)
    stop: Stop = None
    logprobs: int | None = None

    @property
    def dropped(self) -> tuple[str, ...]:
        """What chat cannot express, although an answer makes sense without it: several tries, of which one is kept."""
        return ("best_of",) if self.best_of is not None and self.best_of > (self.n or 1) else ()

    @property
    def echoed(self) -> str:
        """What each answer begins with."""
        return self.prompt if self.echo else ""


_TRANSLATED = ("prompt", "suffix", "echo", "best_of", "logprobs")


def read(body: Mapping[str, Any]) -> CompletionRequest:
    """Validate ``body``. Raises ``InvalidRequest`` with its problems."""
    form = validated(CompletionRequest, body)
    problems = []
    if form.suffix:
        problems.append(Problem("suffix", f"is not possible: {_ELSEWHERE}"))
    if form.echo and form.logprobs is not None:
        problems.append(
            Problem(
                "echo", f"is not possible with logprobs, which would be those of the prompt: {_ELSEWHERE}"
            )
        )
    if problems:
        raise InvalidRequest.of(problems)
    return form


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
