"""The fields of a public name in ``$models``: what holds for it however many upstreams serve it. The JSON Schema comes from
here.

Laws: those of ``fields``. null is the default, whatever ``"*"`` says; for ``queue`` and ``hedge`` it means none.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from llm_proxy.live.config import checks
from llm_proxy.live.config.field_types import Count, Name, Seconds, Strict, checked
from llm_proxy.wire.policies import Condition


class FallbackFields(Strict):
    """Another model that answers, and when."""

    model: Name = Field(description="The public name of the other model.")
    on: Annotated[list[Condition], Field(min_length=1)] | None = Field(
        None,
        description="When it answers. Default: unavailable (nothing could be asked, or it failed before its first token) and "
        "rate_limit.",
    )


def _as_object(value: Any) -> Any:
    """A name alone is short for an object with it."""
    return {"model": value} if isinstance(value, str) else value


FallbackItem = Annotated[
    FallbackFields, BeforeValidator(_as_object, json_schema_input_type=Name | FallbackFields)
]


class QueueFields(Strict):
    """Requests that wait because every upstream is full or sleeps for a moment."""

    size: Count | None = Field(None, description="How many may wait. Default 256.")
    wait: Seconds | None = Field(None, description="How long each may wait, in seconds. Default 30.")


After = Annotated[
    float | Literal["p95"],
    BeforeValidator(checked(checks.hedge_after), json_schema_input_type=Seconds | Literal["p95"]),
]


class HedgeFields(Strict):
    """A second upstream that is asked when the first is slow to begin."""

    after: After = Field(
        description="After so many seconds, or after the time in which 95 % of the first tokens come."
    )
    max_share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = Field(
        None, description="The share of the requests that may be asked twice. Default 0.05."
    )


class NameRow(Strict):
    """What holds for a public name, or for each name that fits a pattern. `*` is what holds for models that do not say it
    themselves."""

    alias: Name | None = Field(
        None, description="Another name for this model; an alias has no other field.", examples=["llama3.2"]
    )
    policy: Literal["balanced", "weighted"] | None = Field(
        None,
        description="balanced (default): of two that are drawn by weight, the one that is likely to begin sooner; weighted: by "
        "weight alone.",
    )
    retries: Annotated[int, Field(ge=0, le=100)] | None = Field(
        None,
        description="Further attempts before the first byte of an answer, at other upstreams first. Default: 2 where a model has "
        "several upstreams, else 0.",
    )
    fallbacks: list[FallbackItem] | None = Field(
        None,
        description="Other models, in order, that answer when this one cannot: names, or objects with model and on.",
        examples=[["qwen3", {"model": "gpt-4o-mini", "on": ["context_length"]}]],
    )
    queue: QueueFields | None = Field(
        None,
        description="Requests that wait because every upstream is full or sleeps for a moment. null: none waits.",
    )
    affinity: Literal["auto", "session", "off"] | None = Field(
        None,
        description="auto (default): a conversation stays where its prefix is cached; session: as the session's id says; off.",
    )
    hedge: HedgeFields | None = Field(
        None,
        description="A second upstream is asked when the first is slow to begin. Default: null, never.",
        examples=[{"after": "p95", "max_share": 0.05}],
    )
    on_break: Literal["cut", "continue"] | None = Field(
        None,
        description="What becomes of a stream that breaks: cut (default), or continue, at another upstream.",
    )
