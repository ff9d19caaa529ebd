"""A request of Anthropic's Messages API as a canonical chat request (docs.anthropic.com/en/api/messages).

Laws: nothing that the canonical form can carry is lost: ``cache_control`` stays where it stood, fields that are not known
pass; what only Anthropic's own servers do is named. Those get requests as they are (``native``). The turns are
in ``turns``, the tools in ``tools``, thinking in ``effort``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from llm_proxy.errors import InvalidRequest, Problem, ThreadsUnsupported
from llm_proxy.faces.anthropic.effort import effort_fields, latest_effort
from llm_proxy.faces.anthropic.tools import Offered, offered
from llm_proxy.faces.anthropic.turns import Turns, blocks
from llm_proxy.faces.pairs import paired
from llm_proxy.wire.schema import MaybeNumber, Open, validated

Block = dict[str, Any]


class Turn(Open):
    """One message. The API knows the roles user, assistant and, since 2026, system in mid-conversation; other clients'
    names for them are understood."""

    role: str = Field(min_length=1)
    content: str | list[Block] | None = None

    _content = field_validator("content", mode="before")(blocks)

    @model_validator(mode="after")
    def _complete(self) -> Turn:
        """Only a message of the system may say nothing: it may hold an ``output_config`` instead."""
        if self.content is None and self.role != "system":
            raise PydanticCustomError(
                "content", "is required for role '{role}'", {"role": self.role, "at": "content"}
            )
        return self


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
    output_format: dict[str, Any] | None = None


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
    """Validate ``body``. Raises ``InvalidRequest`` with the first problems and how many more there are,
    ``ThreadsUnsupported`` for a message thread."""
    if body.get("thread") is not None:
        raise ThreadsUnsupported("thread: not kept here; send the whole conversation", param="thread")
    if body.get("compaction") is not None:
        words = "is made by Anthropic's own servers only; ask the model for a summary instead"
        raise InvalidRequest.of([Problem("compaction", words)])
    return validated(MessagesRequest, body)


@dataclass(frozen=True, slots=True)
class Translated:
    """The canonical body, and the names of what it could not carry."""

    sent: dict[str, Any]
    dropped: tuple[str, ...]
    #: The toolset and the member that a function stands for.
    members: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def canonical(
    form: MessagesRequest, body: Mapping[str, Any], api_type: str, model: str = "", addresses: bool = True
) -> Translated:
    """The chat request for ``form``, which was read from ``body``, to ``model`` at an upstream of ``api_type``, which takes
    files by ``addresses`` or not. Raises ``InvalidRequest``."""
    answered = max((at for at, turn in enumerate(form.messages) if turn.role == "assistant"), default=0)
    turns = Turns(api_type, addresses, answered)
    passed = {key: value for key, value in body.items() if key not in _TRANSLATED and value is not None}
    lost = _take_own(passed)
    sent: dict[str, Any] = {
        **passed,
        "model": form.model,
        "stream": bool(form.stream),
        "max_tokens": form.max_tokens,
    }
    tools = offered(form.tools or ())
    spoken = list(_in_force(form.messages))
    messages = turns.system(form.system)
    for at, turn in spoken:
        _changed(tools, turn, at)
        messages += turns.messages(turn.role, turn.content, at)
    if all(message["role"] == "system" for message in messages):
        words = "must hold at least one message of a user or an assistant that is not empty"
        raise InvalidRequest.of([Problem("messages", words)])
    sent["messages"], told = paired(messages)
    for ours, theirs in _SAMPLING:
        if body.get(theirs) is not None:
            sent[ours] = body[theirs]
    if form.metadata and isinstance(form.metadata.get("user_id"), str):
        sent["user"] = form.metadata["user_id"]
    lost += tools.left_out.values()
    if tools.functions:
        sent["tools"] = tools.functions
    choice, lost_choice = tools.choice(form.tool_choice)
    sent.update(choice)
    output = dict(form.output_config or {})
    if effort := latest_effort(turn.model_extra for _, turn in spoken):
        output["effort"] = effort
    thinking, lost_effort = effort_fields(form.thinking or {}, output, api_type, model)
    lost += [
        *lost_choice,
        *lost_effort,
        *(["output_config.task_budget"] if output.get("task_budget") else []),
    ]
    sent.update({**_format(output, form.output_format), **thinking})
    return Translated(sent, (*lost, *turns.dropped, *told), tools.members)


def _in_force(messages: list[Turn]) -> Iterator[tuple[int, Turn]]:
    """The messages that the model still sees, with their places: one of the system may be for a single turn only."""
    last_user = max((at for at, turn in enumerate(messages) if turn.role == "user"), default=-1)
    for at, turn in enumerate(messages):
        passing = turn.role == "system" and (turn.model_extra or {}).get("clear_at") == "next_user_message"
        if not (passing and at < last_user):
            yield at, turn


def _changed(tools: Offered, turn: Turn, at: int) -> None:
    """Tools that a message makes available, or withdraws, from there on: what holds in the end is what is offered."""
    for block in turn.content if isinstance(turn.content, list) else ():
        changes = block.get("tool_changes") if block["type"] == "compaction" else [block]
        for change in changes if isinstance(changes, list) else []:
            tool = change.get("tool") if isinstance(change, dict) else None
            if not isinstance(tool, dict):
                continue
            if change.get("type") == "tool_addition" and isinstance(tool.get("definition"), dict):
                tools.add(tool["definition"], f"messages.{at}.content")
            elif change.get("type") == "tool_removal":
                tools.remove(str(tool.get("name")))


_TRANSLATED = frozenset(MessagesRequest.model_fields)
_SAMPLING = (
    ("stop", "stop_sequences"),
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("top_k", "top_k"),
)
#: What only Anthropic's own servers do.
OWN = (
    "billing_policy",
    "container",
    "context_management",
    "diagnostics",
    "fallback_credit_token",
    "fallbacks",
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


def _format(output: Block, older: Block | None) -> dict[str, Any]:
    form = output.get("format") or older  # output_format is its name in the beta
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        return {}
    schema = {"name": "answer", "schema": form.get("schema") or {}}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}
