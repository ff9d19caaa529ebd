"""Canonical parameters as fields of an Anthropic request (docs.anthropic.com/en/api/messages).

Laws: what the API does not know is reported and not sent, because it refuses unknown fields; what it knows by its own
name passes as it is. A value that is changed on the way (a temperature above 1) is reported like one that is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_proxy.faces.anthropic.request import OWN
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.dropped_names import label
from providers.anthropic.messages import thinking_lost
from providers.anthropic.models import samples
from providers.anthropic.schema import transformed
from providers.anthropic.thinking import Circumstances, thinking
from providers.common.params import Layer, Params
from providers.common.stops import stops

Body = dict[str, Any]

_SAME = (
    ("max_completion_tokens", "max_tokens", "max_new_tokens"),
    ("stop", "stop_sequences"),
    ("user", "safety_identifier"),
    ("reasoning_effort", "thinking"),
    (
        "temperature",
        "top_p",
    ),  # the client's way of sampling replaces the default one: newer models refuse both at once
)
#: Fields of the API that have no canonical name. Those of betas need an anthropic-beta header (``headers``).
_OWN = ("cache_control", *OWN)
_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}


def body_fields(
    sent: Layer, deployment: Deployment, thinking_lost: bool = False, called: tuple[str, ...] = ()
) -> tuple[Body, tuple[str, ...]]:
    """The fields besides model, messages, system and stream, and the names of what could not be expressed.
    ``thinking_lost``, ``called``: see ``Conversation``."""
    params = Params(sent, _defaults(sent, deployment), _SAME)
    body: Body = params.take_all(_OWN)
    _tools(params, body, called)
    _output(params, body)
    _thinking(params, body, deployment, thinking_lost)
    _sampling(params, body, deployment.model)
    # "each stop sequence must contain non-whitespace"
    stop = stops(params, "stop", "stop_sequences", blank=False)
    if stop is not None:
        body["stop_sequences"] = stop
    _who(params, body)
    params.drop_rest()
    return {name: value for name, value in body.items() if value not in ({}, [])}, params.dropped


def default_fields(sent: Layer, deployment: Deployment) -> tuple[Body, tuple[str, ...]]:
    """What the options of ``deployment`` add to ``sent``, a request of this very API (some of the fields may be in it
    already), and the names of what could not be expressed."""
    told = {name: sent[name] for name in _DECIDING if sent.get(name) is not None}
    if sent.get("tools"):
        told["tools"] = [_ANY_TOOL]  # that there are some is all that matters
    fields, dropped = body_fields(told, deployment, thinking_lost(sent.get("messages")))
    if not any(deployment.options.get(name) is not None for name in _SAME[0]):
        fields.pop("max_tokens", None)  # ours for clients whose dialect needs none
    return fields, dropped


_ANY_TOOL: Body = {"type": "custom", "name": "any"}
#: The fields of the API that decide which defaults apply, and how.
_DECIDING = ("max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "thinking", "tool_choice")


def _defaults(sent: Layer, deployment: Deployment) -> Mapping[str, Any]:
    """Newer models refuse temperature and top_p at once: the client's way of sampling replaces the default one."""
    sampling = {"temperature", "top_p"}
    if any(sent.get(name) is not None for name in sampling):
        return {name: value for name, value in deployment.options.items() if name not in sampling}
    return deployment.options


def _tools(params: Params, body: Body, called: tuple[str, ...]) -> None:
    tools = []
    for number, tool in enumerate(params.take("tools") or []):
        if tool.get("type", "function") == "function":
            tools.append(_tool(tool, params, f"tools.{number}"))
        elif isinstance(tool.get("name"), str):
            tools.append(tool)  # one of Anthropic's own, which run on its side
        else:
            params.drop(f"tools.{number}", label(tool.get("type")))
    choice, parallel = params.take("tool_choice"), params.take("parallel_tool_calls")
    if not tools:
        if choice not in (None, "none", "auto"):
            params.drop("tool_choice", "no tools")
        if called:
            # "Requests which include `tool_use` or `tool_result` blocks must define tools": none of these may be used.
            body["tools"] = [{"name": name, "input_schema": {"type": "object"}} for name in called]
            body["tool_choice"] = {"type": "none"}
        return
    body["tools"] = tools
    chosen = _choice(choice)
    if chosen is None:
        params.drop("tool_choice")
    if parallel is False and chosen != {"type": "none"}:
        chosen = {**(chosen or {"type": "auto"}), "disable_parallel_tool_use": True}
    body["tool_choice"] = chosen or {}


def _tool(tool: dict[str, Any], params: Params, path: str) -> Body:
    function = tool["function"]
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    if function.get("strict") is True:
        schema, moved = transformed(schema)
        if moved:
            params.drop(f"{path}.function.parameters", " ".join(moved))
    found: Body = {"name": function["name"], "input_schema": schema}
    for name in ("description", "strict"):
        if function.get(name) is not None:
            found[name] = function[name]
    mark = tool.get("cache_control") or function.get("cache_control")
    return {**found, "cache_control": mark} if mark else found


def _choice(choice: Any) -> Body | None:
    """Anthropic's form of ``tool_choice``; empty for none given, None if there is no such form."""
    if choice is None:
        return {}
    if isinstance(choice, str):
        kind = {"none": "none", "auto": "auto", "required": "any"}.get(choice)
        return {"type": kind} if kind else None
    kind = choice.get("type")
    if kind == "function" and isinstance(choice.get("function"), dict):
        return {"type": "tool", "name": choice["function"].get("name")}
    return choice if kind in ("auto", "any", "tool", "none") else None


def _output(params: Params, body: Body) -> None:
    """``output_config``: a schema for the answer. JSON without a schema does not exist here."""
    body["output_config"] = dict(params.take_object("output_config"))
    wanted = params.take("response_format") or {}
    kind = wanted.get("type", "text")
    if kind == "json_schema":
        schema = (wanted.get("json_schema") or {}).get("schema") or {"type": "object"}
        schema, moved = transformed(schema)
        if moved:
            params.drop("response_format", " ".join(moved))
        body["output_config"]["format"] = {"type": "json_schema", "schema": schema}
    elif kind != "text":
        params.drop("response_format", kind)


def _thinking(params: Params, body: Body, deployment: Deployment, lost: bool) -> None:
    preset = deployment.options.get("thinking")
    effort, own = params.take("reasoning_effort"), params.take_object("thinking")
    around = Circumstances(
        model=deployment.model,
        preset=preset if isinstance(preset, dict) else {},
        max_tokens=params.take("max_completion_tokens", "max_tokens", "max_new_tokens"),
        forced_tool=body.get("tool_choice", {}).get("type") in ("any", "tool"),
        thinking_lost=lost,
    )
    found = thinking(effort, own, around)
    if found.lost:
        params.drop("reasoning_effort" if effort is not None else "thinking", found.lost)
    body["max_tokens"] = found.max_tokens
    body["thinking"] = found.config
    if found.effort is not None:
        body["output_config"]["effort"] = found.effort
        if found.effort != effort:
            params.drop("reasoning_effort", f"sent as {found.effort}")


def _sampling(params: Params, body: Body, model: str) -> None:
    temperature, top_p, top_k = map(params.take_number, ("temperature", "top_p", "top_k"))
    if not samples(model):
        for name, value, neutral in (
            ("temperature", temperature, 1),
            ("top_p", top_p, 1),
            ("top_k", top_k, 0),
        ):
            if value is not None and value != neutral:
                params.drop(name, "not with this model")
        return
    if body["thinking"].get("type") in ("enabled", "adaptive"):
        # "Thinking isn't compatible with temperature or top_k modifications", top_p may be 0.95 to 1.
        for name, value, neutral in (("temperature", temperature, 1), ("top_k", top_k, 0)):
            if value is not None and value != neutral:
                params.drop(name, "not with thinking")
        temperature = top_k = None
        if top_p is not None and top_p < 0.95:
            params.drop("top_p", "not with thinking")
            top_p = None
    if temperature is not None:
        body["temperature"] = min(max(temperature, 0), 1)
        if body["temperature"] != temperature:
            params.drop("temperature", f"clamped to {body['temperature']}")
    if top_p is not None and temperature is None:
        body["top_p"] = top_p
    elif top_p is not None and top_p != 1:
        params.drop("top_p", "not with temperature")
    if top_k is not None and top_k > 0:  # 0 and -1 switch it off in other dialects
        body["top_k"] = top_k


def _who(params: Params, body: Body) -> None:
    """Who asks, and how fast the answer must come. OpenAI's metadata holds any names, this API only one."""
    metadata = params.take_object("metadata")
    user = params.take("user", "safety_identifier") or metadata.get("user_id")
    if user is not None:
        body["metadata"] = {"user_id": user}
    for name in metadata:
        if name != "user_id":
            params.drop(f"metadata.{name}")
    tier = params.take("service_tier")
    if isinstance(tier, str) and tier in _TIERS:
        body["service_tier"] = _TIERS[tier]
    elif tier is not None:
        params.drop("service_tier")
