"""Canonical parameters as fields of a Gemini request (ai.google.dev/api/generate-content).

Laws: what the API does not know is reported and not sent, because it refuses unknown fields; what it knows by its own
name passes as it is, in ``generationConfig`` or beside it, in camelCase or in snake_case, also the way in which Google's
own OpenAI endpoint takes it (``extra_body.google``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.schema import ChatRequest
from providers.common.conversation import refuse
from providers.common.native_calls import of_defaults
from providers.common.params import Params
from providers.common.stops import stops
from providers.gemini.schema import plain
from providers.gemini.tools import tool_config, tools

Body = dict[str, Any]

#: Canonical names (and their like) of numbers, and where they go in ``generationConfig``.
_NUMBERS = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "n": "candidateCount",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_LENGTH = ("max_completion_tokens", "max_tokens", "max_new_tokens", "maxOutputTokens")
_SAME = (
    _LENGTH,
    ("stop", "stopSequences"),
    ("reasoning_effort", "thinkingConfig"),
    ("response_format", "responseMimeType"),
    ("response_format", "responseJsonSchema", "responseSchema"),
    ("modalities", "responseModalities"),
    ("logprobs", "responseLogprobs"),
    ("service_tier", "serviceTier"),
    *((name, own) for name, own in _NUMBERS.items() if name != own),
)
#: "The set of character sequences (up to 5) that will stop output generation."
_MOST_STOPS = 5
#: A seed is an int32 here; OpenAI's is of any length.
_SEEDS = 1 << 31
#: Further fields of ``generationConfig`` and of the request itself.
_CONFIG = (
    "enableEnhancedCivicAnswers",
    "imageConfig",
    "maxOutputTokens",
    "mediaResolution",
    "responseJsonSchema",
    "responseLogprobs",
    "responseMimeType",
    "responseModalities",
    "responseSchema",
    "speechConfig",
    "stopSequences",
    "thinkingConfig",
    *(own for name, own in _NUMBERS.items() if name != own),
)
_OWN = ("cachedContent", "safetySettings")
_KNOWN = frozenset((*_CONFIG, *_OWN, "toolConfig"))

#: ai.google.dev/gemini-api/docs/openai#thinking: the budgets of each effort, and the levels where they differ from it.
_LEVELS = {"none": "low", "xhigh": "high", "max": "high"}
_BUDGETS = {
    "none": 0,
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 24576,
    "max": 24576,
}
#: Models that take a budget. The list is closed: later ones take a level.
_BUDGET_MODELS = re.compile(r"gemini-2\b")


def body_fields(request: ChatRequest, deployment: Deployment) -> tuple[Body, tuple[str, ...]]:
    """The fields besides contents and systemInstruction, and the names of what could not be expressed."""
    return _fields(_flat(request.sent), deployment)


def _fields(sent: Body, deployment: Deployment) -> tuple[Body, tuple[str, ...]]:
    params = Params(sent, _flat(deployment.options), _SAME)
    declared = tools(params)
    config_of_tools = tool_config(params, declared)
    config: Body = {}
    for name, own in _NUMBERS.items():
        value = params.take_number(name, own)
        if value is not None and not (name == "top_k" and value <= 0):  # other dialects switch it off so
            config[own] = value
    if isinstance(config.get("seed"), int) and not -_SEEDS <= config["seed"] < _SEEDS:
        config["seed"] %= _SEEDS  # still the same answer for the same seed
    _length_and_stop(params, config)
    _logprobs(params, config)
    _format(params, config)
    _thinking(params, config, _flat(deployment.options).get("thinkingConfig"), deployment.model)
    tier = _tier(params)
    config = {**params.take_all(_CONFIG), **config}
    body = {
        **params.take_all(_OWN),
        **tier,
        "generationConfig": config,
        "tools": declared,
        "toolConfig": config_of_tools,
    }
    params.drop_rest()
    return {name: value for name, value in body.items() if value not in ({}, [])}, params.dropped


def default_fields(sent: Mapping[str, Any], deployment: Deployment) -> tuple[Body, Body, tuple[str, ...]]:
    """What the options of ``deployment`` add to ``sent``, the ``generationConfig`` of a request of this very API; what they
    add beside it; and the names of those that could not be expressed."""
    own = _flat({name: value for name, value in sent.items() if value is not None})
    fields, dropped = _fields(own, deployment)
    config = fields.pop("generationConfig", {})
    return (
        {name: value for name, value in config.items() if name not in own},
        fields,
        of_defaults(dropped, own),
    )


def _flat(layer: Mapping[str, Any]) -> Body:
    """One layer with one name for each thing: fields of the API in camelCase, those of ``generationConfig`` and of
    ``extra_body.google`` beside the others."""
    found: Body = {}
    nested: Body = {}
    for name, value in layer.items():
        if name == "extra_body" and isinstance(value, dict) and "google" in value:
            nested["extra_body.google"] = value["google"]
        elif name == "google" or _camel(name) == "generationConfig":
            nested[name] = value
        elif name not in _NUMBERS and _camel(name) in _KNOWN:
            found[_camel(name)] = value
        else:
            found[name] = value
    for name, value in nested.items():
        if not isinstance(value, dict):
            refuse(name, "must be an object")
        inner = _flat(value)
        if "logprobs" in inner and not isinstance(inner["logprobs"], bool):
            inner["top_logprobs"] = inner.pop("logprobs")  # here it is their number
        found = {**inner, **found}
    return found


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


def _length_and_stop(params: Params, config: Body) -> None:
    length = params.take(*_LENGTH)
    if length is not None:
        config["maxOutputTokens"] = length
    stop = stops(params, "stop", "stopSequences", most=_MOST_STOPS)
    if stop is not None:
        config["stopSequences"] = stop


def _logprobs(params: Params, config: Body) -> None:
    wanted, number = params.take("logprobs", "responseLogprobs"), params.take("top_logprobs")
    if wanted:
        config["responseLogprobs"] = True
        if number:
            config["logprobs"] = number


def _format(params: Params, config: Body) -> None:
    wanted = params.take("response_format") or {}
    kind = wanted.get("type", "text")
    if kind in ("json_object", "json_schema"):
        config["responseMimeType"] = "application/json"
    elif kind != "text":
        params.drop("response_format", kind)
    schema = (wanted.get("json_schema") or {}).get("schema") if kind == "json_schema" else None
    if schema is not None:
        config["responseJsonSchema"], lost = plain(schema)
        if lost:
            params.drop("response_format.json_schema", "what a $ref cannot tell")
    modalities = params.take("modalities")
    if isinstance(modalities, list) and modalities != ["text"]:
        config["responseModalities"] = [str(name).upper() for name in modalities]


def _thinking(params: Params, config: Body, preset: Any, model: str) -> None:
    """Thoughts are asked for along with an effort, so that there is something to show as reasoning; ``preset``, the
    deployment's own ``thinkingConfig``, may forbid that."""
    effort = params.take("reasoning_effort")
    if effort is None:
        return
    own = {"includeThoughts": effort != "none", **(preset if isinstance(preset, dict) else {})}
    config["thinkingConfig"] = found = {
        "includeThoughts": own.get("include_thoughts", own["includeThoughts"])
    }
    params.take("thinkingConfig")
    if _BUDGET_MODELS.search(model):
        found["thinkingBudget"] = _BUDGETS.get(effort, -1)  # -1: as the model sees fit
        return
    found["thinkingLevel"] = _LEVELS.get(effort, effort)
    if found["thinkingLevel"] != effort:
        params.drop("reasoning_effort", f"sent as {found['thinkingLevel']}")


def _tier(params: Params) -> Body:
    tier = params.take("service_tier", "serviceTier")
    if tier in (None, "auto"):
        return {}
    return {"serviceTier": "standard" if tier == "default" else tier}
