"""``generationConfig`` of a Gemini request as canonical parameters (ai.google.dev/api/generate-content#GenerationConfig).

Laws: what has a canonical name keeps its value; what only Google's models can do is named. Thinking under a dynamic
budget is left to the model.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from llm_proxy.faces.gemini.schema import json_schema
from llm_proxy.wire.schema import MaybeNumber, Open

Json = dict[str, Any]


def _whole(value: Any) -> Any:
    """Whole numbers as JSON of protocol buffers writes them: also ``"7"`` and ``7.0``."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and len(value) < 20 and value.removeprefix("-").isdecimal():
        return int(value)
    raise PydanticCustomError("whole", "must be an integer")


Whole = Annotated[
    int | None, BeforeValidator(_whole), WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "null"}]})
]
#: OpenAI's words for budgets of thinking, by the smallest budget that deserves them.
_EFFORTS = ((16_384, "high"), (4_096, "medium"), (1, "low"))
#: Dialects with a word for "do not think" that models without thinking take as well.
_CAN_STOP = ("anthropic", "gemini", "ollama")


class ThinkingConfig(Open):
    """A budget of -1 is the model's own affair, 0 means none."""

    include_thoughts: bool | None = Field(default=None, alias="includeThoughts")
    thinking_budget: Whole = Field(default=None, alias="thinkingBudget")
    thinking_level: str | None = Field(default=None, alias="thinkingLevel")


class GenerationConfig(Open):
    """How to answer."""

    temperature: MaybeNumber = None
    top_p: MaybeNumber = Field(default=None, alias="topP")
    top_k: MaybeNumber = Field(default=None, alias="topK")
    candidate_count: Whole = Field(default=None, alias="candidateCount", ge=1)
    max_output_tokens: Whole = Field(default=None, alias="maxOutputTokens")
    stop_sequences: list[str] | None = Field(default=None, alias="stopSequences")
    seed: Whole = None
    presence_penalty: MaybeNumber = Field(default=None, alias="presencePenalty")
    frequency_penalty: MaybeNumber = Field(default=None, alias="frequencyPenalty")
    response_mime_type: str | None = Field(default=None, alias="responseMimeType")
    response_schema: dict[str, Any] | None = Field(default=None, alias="responseSchema")
    response_json_schema: Any = Field(default=None, alias="responseJsonSchema")
    response_modalities: list[str] | None = Field(default=None, alias="responseModalities")
    response_logprobs: bool | None = Field(default=None, alias="responseLogprobs")
    logprobs: Whole = None
    thinking_config: ThinkingConfig | None = Field(default=None, alias="thinkingConfig")


#: Whose canonical names say the same.
_SAME = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_output_tokens": "max_tokens",
    "stop_sequences": "stop",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}


def parameters(config: GenerationConfig, api_type: str) -> tuple[Json, list[str]]:
    """The canonical parameters for an upstream of ``api_type``, and the names of what it cannot be told."""
    lost = [f"generationConfig.{name}" for name in config.model_extra or ()]
    found: Json = {
        name: value for ours, name in _SAME.items() if (value := getattr(config, ours)) not in (None, [])
    }
    if config.top_k is not None:
        # A whole number that this API writes as a float.
        found["top_k"] = int(config.top_k) if float(config.top_k).is_integer() else config.top_k
    if (config.candidate_count or 1) > 1:
        found["n"] = config.candidate_count
    if config.response_logprobs:
        found["logprobs"] = True
        found.update({"top_logprobs": config.logprobs} if config.logprobs else {})
    kinds = [kind.lower() for kind in config.response_modalities or ()]
    if kinds not in ([], ["text"]):
        found["modalities"] = kinds
    found.update(_format(config, lost))
    if config.thinking_config is not None:
        found.update(_thinking(config.thinking_config, api_type, lost))
    return found, lost


def _format(config: GenerationConfig, lost: list[str]) -> Json:
    kind = (config.response_mime_type or "").lower()
    schema = config.response_json_schema
    if schema is None and config.response_schema is not None:
        schema = json_schema(config.response_schema)
    if kind not in ("", "application/json", "text/plain"):
        lost.append(f"generationConfig.responseMimeType ({kind[:40]})")
        return {}
    if isinstance(schema, dict):
        return {
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        }
    return {"response_format": {"type": "json_object"}} if kind == "application/json" else {}


def _thinking(config: ThinkingConfig, api_type: str, lost: list[str]) -> Json:
    level, budget = (config.thinking_level or "").lower(), config.thinking_budget
    effort = "" if level == "thinking_level_unspecified" else level
    off = not effort and budget == 0
    if not effort and budget is not None and budget > 0:
        effort = next(word for least, word in _EFFORTS if budget >= least)
    found: Json = {}
    if api_type == "vllm" and (off or effort):
        # Templates of models that think know a switch, others ignore it.
        found["chat_template_kwargs"] = {"enable_thinking": not off}
    if effort:
        found["reasoning_effort"] = effort
    elif off and api_type in _CAN_STOP:
        found["reasoning_effort"] = "none"
    elif off:
        lost.append("generationConfig.thinkingConfig")
    return found
