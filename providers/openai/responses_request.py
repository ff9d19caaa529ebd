"""A canonical chat request as a request of OpenAI's Responses API (platform.openai.com/docs/api-reference/responses/create).

Laws: what this API has no word for is named, as for any other dialect. Nothing is kept at the vendor, as after a chat, unless
the request says ``store``; so reasoning is asked for in the form in which the client can send it back.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import Any

from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.schema import ChatRequest
from providers.common.defaults import effective
from providers.openai.fit import fit
from providers.openai.responses_turns import items, readable
from providers.openai.vendor import Vendor
from providers.vendors import vendor_of

_Json = dict[str, Any]

#: What both APIs call by one name.
_SAME = (
    *("metadata", "moderation", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_options"),
    *(
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "temperature",
        "top_logprobs",
        "top_p",
    ),
    "user",
)
#: What is no parameter of chat: taken as it is.
_OWN = ("context_management", "include", "max_tool_calls", "truncation")
#: Values that ask for nothing.
_NEUTRAL: _Json = {
    "n": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logit_bias": {},
    "logprobs": False,
    "modalities": ["text"],
    "top_logprobs": 0,
}
#: OpenAI takes no smaller limit.
_LEAST = 16
#: Models that think, and can seal what they thought.
_THINKS = re.compile(r"(o\d|gpt-(?!4|3)\d+(?!.*-chat)|codex|computer-use)")


def body_of(request: ChatRequest, deployment: Deployment) -> tuple[_Json, tuple[str, ...]]:
    """The body, and the names of what could not be expressed. Raises ``InvalidRequest``."""
    chat, dropped = effective(request.sent, deployment.options)
    own = {name: chat.pop(name) for name in _OWN if chat.get(name) is not None}
    reasoning = chat.pop("reasoning", None)
    chat.pop("stream_options", None)
    chat["messages"] = readable(chat["messages"])
    vendor = vendor_of(deployment)
    dropped += fit(chat, _with_items(vendor), deployment.model)
    lost: dict[str, None] = dict.fromkeys(dropped)
    body: _Json = {"model": deployment.model, "input": items(chat.pop("messages"), lost), **own}
    body["stream"] = bool(request.stream)
    body["store"] = False
    _fields(chat, body, lost)
    _thinking(chat, body, reasoning)
    if vendor.name in ("openai", "azure") and _THINKS.match(deployment.model.lower().rpartition("/")[2]):
        body["include"] = list(dict.fromkeys([*(body.get("include") or ()), "reasoning.encrypted_content"]))
    _tools(chat, body)
    _text(chat, body)
    for name in chat.keys() - {"model", "stream"}:
        if chat[name] is not None and (name not in _NEUTRAL or chat[name] != _NEUTRAL[name]):
            lost[name] = None
    return body, tuple(sorted(lost))


@lru_cache(maxsize=100)
def _with_items(vendor: Vendor) -> Vendor:
    """The row for this API: sealed thoughts come back in it, and tools may return pictures."""
    fields = vendor.fields | {"thinking_blocks"}
    return replace(vendor, fields=fields, signed=True, thoughts=(), pictures=True, system="anywhere")


def _fields(chat: _Json, body: _Json, lost: dict[str, None]) -> None:
    limits = [chat.pop(name, None) for name in ("max_completion_tokens", "max_tokens")]
    limit = next((limit for limit in limits if limit is not None), None)
    if limit is not None:
        body["max_output_tokens"] = max(limit, _LEAST)
        if limit < _LEAST:
            lost[f"max_tokens (raised to {_LEAST})"] = None
    if chat.pop("logprobs", None):
        body["include"] = [*(body.get("include") or []), "message.output_text.logprobs"]
    else:
        chat.pop("top_logprobs", None)
    for name in _SAME:
        value = chat.pop(name, None)
        if value is not None:
            body[name] = value


def _thinking(chat: _Json, body: _Json, reasoning: Any) -> None:
    effort = chat.pop("reasoning_effort", None)
    found = {"effort": effort} if effort is not None else {}
    if isinstance(reasoning, dict):  # the client's, or an option: a summary can be asked for only so
        found = {**reasoning, **found}
    if found:
        body["reasoning"] = found


def _tools(chat: _Json, body: _Json) -> None:
    tools = [_tool(tool) for tool in chat.pop("tools", None) or ()]
    choice = chat.pop("tool_choice", None)
    if search := chat.pop("web_search_options", None):
        tools.append({"type": "web_search", **search})
    if tools:
        body["tools"] = tools
        if choice is not None:
            body["tool_choice"] = _choice(choice)
    else:
        body.pop("parallel_tool_calls", None)


def _tool(tool: _Json) -> _Json:
    """A tool with its fields beside its type. What is not declared as strict would be taken for it there."""
    kind = tool.get("type", "function")
    inner = tool.get(kind)
    if not isinstance(inner, dict):
        return tool
    if kind == "function":
        return {
            "type": kind,
            **inner,
            "parameters": inner.get("parameters"),
            "strict": bool(inner.get("strict")),
        }
    form = inner.get("format")
    grammar = form.get("grammar") if isinstance(form, dict) else None
    flat = {"format": {"type": "grammar", **grammar}} if isinstance(grammar, dict) else {}
    return {"type": kind, **inner, **flat}


def _choice(choice: Any) -> Any:
    if not isinstance(choice, dict):
        return choice
    kind = choice.get("type")
    inner = choice.get(str(kind))
    if not isinstance(inner, dict):
        return choice
    if kind == "allowed_tools":
        allowed = [_choice(tool) for tool in inner.get("tools") or ()]
        return {"type": kind, "mode": inner.get("mode", "auto"), "tools": allowed}
    return {"type": kind, **inner}


def _text(chat: _Json, body: _Json) -> None:
    text: _Json = {}
    wanted = chat.pop("response_format", None)
    if isinstance(wanted, dict):
        text["format"] = {"type": wanted.get("type"), **(wanted.get("json_schema") or {})}
    verbosity = chat.pop("verbosity", None)
    if verbosity is not None:
        text["verbosity"] = verbosity
    if text:
        body["text"] = text
