"""A request of Anthropic's Messages API as a canonical chat request (docs.anthropic.com/en/api/messages).

Laws: nothing that the canonical form can carry is lost: ``cache_control`` stays where it stood, fields that are not known
pass; what only Anthropic's own servers do is named. Those get requests as they are (``anthropic_native``). The turns are
in ``anthropic_turns``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, field_validator

from llm_proxy.errors import ThreadsUnsupported
from llm_proxy.faces.anthropic.turns import Turns, blocks
from llm_proxy.wire.schema import MaybeNumber, Open, validated
from llm_proxy.wire.sse import dumps

Block = dict[str, Any]

#: OpenAI's words for budgets of thinking, by the smallest budget that deserves them.
_EFFORTS = ((16_384, "high"), (4_096, "medium"))


class Turn(Open):
    """One message; roles other than these two do not exist in this API."""

    role: Literal["user", "assistant"]
    content: str | list[Block]

    _content = field_validator("content", mode="before")(blocks)


class Asked(Open):
    """What is checked of any request, also of one that goes to Anthropic as it is: the fields that decide about the
    answer's form, or about the configuration's defaults."""

    model: str = Field(min_length=1)
    stream: bool | None = None
    max_tokens: int | None = None
    stop_sequences: list[str] | None = None
    temperature: MaybeNumber = None
    top_p: MaybeNumber = None
    top_k: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None


class MessagesRequest(Asked):
    """``POST /v1/messages``, to be translated."""

    max_tokens: int = Field(ge=1)
    messages: list[Turn] = Field(min_length=1)
    system: str | list[Block] | None = None
    metadata: dict[str, Any] | None = None

    _system = field_validator("system", mode="before")(blocks)


class CountRequest(MessagesRequest):
    """``POST /v1/messages/count_tokens``: the same without a limit."""

    max_tokens: int = 1


def read(body: Mapping[str, Any]) -> MessagesRequest:
    """Validate ``body``. Raises ``InvalidRequest`` with every problem, ``ThreadsUnsupported`` for a message thread."""
    if body.get("thread") is not None:
        raise ThreadsUnsupported("thread: not kept here; send the whole conversation", param="thread")
    return validated(MessagesRequest, body)


@dataclass(frozen=True, slots=True)
class Translated:
    """The canonical body, and the names of what it could not carry."""

    sent: dict[str, Any]
    dropped: tuple[str, ...]


def canonical(form: MessagesRequest, body: Mapping[str, Any], api_type: str) -> Translated:
    """The chat request for ``form``, which was read from ``body``, to an upstream of ``api_type``."""
    turns = Turns(api_type)
    passed = {key: value for key, value in body.items() if key not in _TRANSLATED and value is not None}
    lost = _take_own(passed)
    sent: dict[str, Any] = {
        **passed,
        "model": form.model,
        "stream": bool(form.stream),
        "max_tokens": form.max_tokens,
    }
    sent["messages"] = [
        *turns.system(form.system),
        *(message for turn in form.messages for message in turns.messages(turn.role, turn.content)),
    ]
    for ours, theirs in (
        ("stop", "stop_sequences"),
        ("temperature", "temperature"),
        ("top_p", "top_p"),
        ("top_k", "top_k"),
    ):
        if body.get(theirs) is not None:
            sent[ours] = body[theirs]
    if form.metadata and isinstance(form.metadata.get("user_id"), str):
        sent["user"] = form.metadata["user_id"]
    tools = [(f"tools.{at}", _tool(tool)) for at, tool in enumerate(form.tools or ())]
    lost += [name for name, tool in tools if tool["type"] != "function"]
    functions = [tool for _, tool in tools if tool["type"] == "function"]
    if functions:
        sent["tools"] = functions
        sent.update(_choice(form.tool_choice))
    thinking, output = form.thinking or {}, form.output_config or {}
    effort = _effort(thinking, output, api_type)
    if thinking.get("type") == "disabled" and not effort:
        lost.append("thinking")
    sent.update({**_format(output), **effort})
    return Translated(sent, (*lost, *turns.dropped))


_TRANSLATED = frozenset(MessagesRequest.model_fields)
#: What only Anthropic's own servers do.
OWN = (
    "container",
    "context_management",
    "diagnostics",
    "inference_geo",
    "mcp_servers",
    "speed",
    "user_profile_id",
)


def _take_own(passed: dict[str, Any]) -> list[str]:
    """Put ``passed`` into words that other vendors know; the names of what no other has. A mark for a cache is no loss."""
    passed.pop("cache_control", None)
    if passed.get("service_tier") == "standard_only":
        passed["service_tier"] = "default"
    return [name for name in OWN if passed.pop(name, None) is not None]


def _tool(tool: Block) -> Block:
    """A function; tools that run on Anthropic's side have a type of their own and pass."""
    if tool.get("type") not in (None, "custom"):
        return tool
    function = {"name": tool.get("name"), "parameters": tool.get("input_schema") or {"type": "object"}}
    function.update({key: tool[key] for key in ("description", "strict") if tool.get(key) is not None})
    mark = {"cache_control": tool["cache_control"]} if tool.get("cache_control") else {}
    return {"type": "function", "function": function, **mark}


def _choice(choice: Block | None) -> dict[str, Any]:
    if not choice:
        return {}
    kind = choice.get("type")
    named = {"type": "function", "function": {"name": choice.get("name")}}
    found: dict[str, Any] = {"tool_choice": {"any": "required", "tool": named}.get(str(kind), kind)}
    if choice.get("disable_parallel_tool_use"):
        found["parallel_tool_calls"] = False
    return found


def _format(output: Block) -> dict[str, Any]:
    form = output.get("format")
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        return {}
    schema = {"name": "answer", "schema": form.get("schema") or {}}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _effort(thinking: Block, output: Block, api_type: str) -> dict[str, Any]:
    """Thinking in OpenAI's words. That API has none for "do not" that its models without thinking accept; the templates of
    vLLM's models have a switch, or ignore what they do not know."""
    kind = thinking.get("type")
    found: dict[str, Any] = {}
    if api_type == "vllm" and kind in ("enabled", "adaptive", "disabled"):
        found["chat_template_kwargs"] = {"enable_thinking": kind != "disabled"}
    if kind == "disabled":
        return found if api_type not in ("ollama", "gemini") else {"reasoning_effort": "none"}
    if isinstance(output.get("effort"), str):
        found["reasoning_effort"] = output["effort"]
    elif kind == "adaptive":
        found["reasoning_effort"] = "medium"  # as much as the model sees fit, but shown
    elif kind == "enabled":
        budget = thinking.get("budget_tokens")
        budget = budget if isinstance(budget, int) else 0
        found["reasoning_effort"] = next((word for least, word in _EFFORTS if budget >= least), "low")
    return found


def estimated_tokens(body: Mapping[str, Any]) -> int:
    """A count without a tokenizer: four bytes of JSON text are about one token of English. An estimate, no more."""
    counted = {key: body[key] for key in ("system", "messages", "tools") if body.get(key)}
    return max(1, len(dumps(counted)) // 4)
