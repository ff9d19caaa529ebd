"""A request of Anthropic's Messages API as a canonical chat request (docs.anthropic.com/en/api/messages).

Laws: nothing that the canonical form can carry is lost: thinking goes along with its signatures in ``thinking_blocks``,
``cache_control`` stays where it stood, blocks that are not known pass as parts. A user's turn with results of tools
becomes one ``tool`` message for each result, then the rest of the turn. This module refuses to know who will answer,
except that an upstream of the same dialect keeps the fields that only it understands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from llm_proxy.schema import MaybeNumber, Open, validated
from llm_proxy.sse import dumps

Block = dict[str, Any]

#: OpenAI's words for budgets of thinking, by the smallest budget that deserves them.
_EFFORTS = ((16_384, "high"), (4_096, "medium"), (0, "low"))


def _blocks(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(b, dict) and isinstance(b.get("type"), str) for b in value):
        return value
    raise PydanticCustomError("blocks", "must be a string or a list of blocks with a 'type'")


class Turn(Open):
    """One message; roles other than these two do not exist in this API."""

    role: Literal["user", "assistant"]
    content: str | list[Block]

    _content = field_validator("content", mode="before")(_blocks)


class MessagesRequest(Open):
    """``POST /v1/messages``."""

    model: str = Field(min_length=1)
    max_tokens: int = Field(ge=1)
    messages: list[Turn] = Field(min_length=1)
    system: str | list[Block] | None = None
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: MaybeNumber = None
    top_p: MaybeNumber = None
    top_k: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None

    _system = field_validator("system", mode="before")(_blocks)


class CountRequest(MessagesRequest):
    """``POST /v1/messages/count_tokens``: the same without a limit."""

    max_tokens: int = 1


def read(body: Mapping[str, Any]) -> MessagesRequest:
    """Validate ``body``. Raises ``InvalidRequest`` with every problem."""
    return validated(MessagesRequest, body)


def canonical(form: MessagesRequest, body: Mapping[str, Any], *, same_dialect: bool) -> dict[str, Any]:
    """The canonical body for ``form``, which was read from ``body``."""
    passed = {key: value for key, value in body.items() if key not in _TRANSLATED and value is not None}
    sent: dict[str, Any] = {
        **passed,
        "model": form.model,
        "stream": bool(form.stream),
        "max_tokens": form.max_tokens,
    }
    sent["messages"] = [*_system(form.system), *(m for turn in form.messages for m in _messages(turn))]
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
    if form.tools:
        sent["tools"] = [_tool(tool) for tool in form.tools]
    sent.update(_choice(form.tool_choice))
    if same_dialect:
        sent.update({k: body[k] for k in ("thinking", "output_config") if body.get(k) is not None})
    else:
        sent.update(_effort(form.thinking, form.output_config or {}))
    return sent


_TRANSLATED = frozenset(MessagesRequest.model_fields)


def _system(system: str | list[Block] | None) -> list[dict[str, Any]]:
    return [{"role": "system", "content": _content(system)}] if system else []


def _content(content: str | list[Block]) -> Any:
    """A string stays one, plain text blocks too if there is just one; anything else is parts."""
    if isinstance(content, str):
        return content
    if len(content) == 1 and set(content[0]) == {"type", "text"}:
        return content[0]["text"]
    return [_part(block) for block in content]


def _part(block: Block) -> Block:
    if block["type"] != "image":
        return block
    source = block.get("source") or {}
    if source.get("type") == "base64":
        url = f"data:{source.get('media_type')};base64,{source.get('data')}"
    elif source.get("type") == "url":
        url = str(source.get("url"))
    else:
        return block
    mark = {"cache_control": block["cache_control"]} if block.get("cache_control") else {}
    return {"type": "image_url", "image_url": {"url": url}, **mark}


def _messages(turn: Turn) -> list[dict[str, Any]]:
    if isinstance(turn.content, str):
        return [{"role": turn.role, "content": turn.content}]
    if turn.role == "assistant":
        return [_assistant(turn.content)]
    results = [_result(block) for block in turn.content if block["type"] == "tool_result"]
    rest = [block for block in turn.content if block["type"] != "tool_result"]
    return [*results, *([{"role": "user", "content": _content(rest)}] if rest or not results else [])]


def _result(block: Block) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "tool", "tool_call_id": block.get("tool_use_id")}
    content = block.get("content")
    message["content"] = _content(_blocks(content)) if content else ""
    if block.get("is_error"):
        message["is_error"] = True
    return message


def _assistant(blocks: list[Block]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    said = [block for block in blocks if block["type"] not in ("tool_use", "thinking", "redacted_thinking")]
    if said:
        message["content"] = _content(said)
    calls = [block for block in blocks if block["type"] == "tool_use"]
    if calls:
        message["tool_calls"] = [
            {
                "id": call.get("id"),
                "type": "function",
                "function": {"name": call.get("name"), "arguments": dumps(call.get("input") or {}).decode()},
            }
            for call in calls
        ]
    thoughts = [block for block in blocks if block["type"] in ("thinking", "redacted_thinking")]
    if thoughts:
        message["thinking_blocks"] = thoughts
        message["reasoning_content"] = "".join(block.get("thinking", "") for block in thoughts)
    return message


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


def _effort(thinking: Block | None, output: Block) -> dict[str, Any]:
    """Thinking and formats in OpenAI's words, for upstreams of other dialects."""
    found: dict[str, Any] = {}
    form = output.get("format")
    if isinstance(form, dict) and form.get("type") == "json_schema":
        schema = {"name": "answer", "schema": form.get("schema") or {}}
        found["response_format"] = {"type": "json_schema", "json_schema": schema}
    if isinstance(output.get("effort"), str):
        found["reasoning_effort"] = output["effort"]
    elif thinking and thinking.get("type") == "enabled":
        budget = thinking.get("budget_tokens")
        budget = budget if isinstance(budget, int) else 0
        found["reasoning_effort"] = next(word for least, word in _EFFORTS if budget >= least)
    elif thinking and thinking.get("type") == "disabled":
        found["reasoning_effort"] = "none"
    return found


def estimated_tokens(body: Mapping[str, Any]) -> int:
    """A count without a tokenizer: four bytes of JSON text are about one token of English. An estimate, no more."""
    counted = {key: body[key] for key in ("system", "messages", "tools") if body.get(key)}
    return max(1, len(dumps(counted)) // 4)
