"""A request of OpenAI's Responses API as a canonical chat request (platform.openai.com/docs/api-reference/responses).

Laws: nothing that the canonical form can carry is lost, and what it cannot carry is named: as dropped where the answer
makes sense without it, as a 400 where it does not. A gateway keeps no answers, so whatever refers to a kept one is such a
400. Fields that are not known pass as they are: vendors have more of them than we know. The turns of ``input`` are read in
``responses_input``, the tools in ``responses_toolbox``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.faces.addresses import without_addresses
from llm_proxy.faces.responses.choice import offer
from llm_proxy.faces.responses.compaction import is_trigger
from llm_proxy.faces.responses.input import Turns
from llm_proxy.faces.responses.toolbox import Toolbox
from llm_proxy.wire.schema import MaybeNumber, Open, validated

_Json = dict[str, Any]


def _input(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if not value or not isinstance(value, list):
        raise PydanticCustomError("input", "must be a string or a list of items that is not empty")
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise PydanticCustomError("input", "must be an object", {"at": index})
    return value


def _choice(value: Any) -> Any:
    if value is None or isinstance(value, str | dict):
        return value
    raise PydanticCustomError("tool_choice", "must be 'none', 'auto', 'required' or an object")


#: For the document of the API.
_INPUT = {"type": ["string", "array"], "items": {"type": "object"}, "minItems": 1}


class ResponsesRequest(Open):
    """``POST /v1/responses``."""

    model: str = Field(min_length=1)
    input: Annotated[Any, BeforeValidator(_input), WithJsonSchema(_INPUT)]
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: int | None = None
    temperature: MaybeNumber = None
    top_p: MaybeNumber = None
    top_logprobs: int | None = None
    tools: list[_Json] | None = None
    tool_choice: Annotated[str | _Json | None, BeforeValidator(_choice)] = None
    parallel_tool_calls: bool | None = None
    reasoning: _Json | None = None
    text: _Json | None = None
    metadata: _Json | None = None
    include: list[str] | None = None
    user: str | None = None
    background: bool | None = None
    store: bool | None = None
    truncation: str | None = None

    @property
    def wants_summary(self) -> bool:
        """Whether thoughts should come as summaries, which is where such a client looks for them."""
        wanted = self.reasoning or {}
        return bool(wanted.get("summary") or wanted.get("generate_summary"))

    @property
    def compacts(self) -> bool:
        """Whether the conversation in fewer words is asked for, and not an answer."""
        return not isinstance(self.input, str) and is_trigger(self.input[-1])

    @property
    def wants_sealed(self) -> bool:
        """Whether the client keeps what must come back in ``encrypted_content``; Codex keeps no other field for it."""
        return _SEALED in (self.include or ())


@dataclass(slots=True)
class Canonical:
    """``sent`` is the body of a chat request with the functions of ``tools``; ``dropped`` names what is not in it."""

    sent: _Json
    tools: Toolbox
    dropped: list[str] = field(default_factory=list)


#: What a chat request calls by the same name.
_SAME = ("model", "temperature", "top_p", "user")
#: Fields that have no meaning there. ``store`` and ``metadata`` are answered, but kept nowhere.
_ANSWERED = frozenset({"store", "metadata", "stream_options", "background"})
#: What a client says of itself to OpenAI's servers: no chat API knows it, and no answer differs without it.
_HINTS = frozenset({"client_metadata"})
_NOT_IN_CHAT = (
    *("max_tool_calls", "context_management", "background_options", "moderation", "image", "access_programs"),
)
#: What refers to something that is kept between requests.
_KEPT = ("previous_response_id", "conversation", "prompt")
_LOGPROBS = "message.output_text.logprobs"
_SEALED = "reasoning.encrypted_content"


def read(body: Mapping[str, Any]) -> ResponsesRequest:
    """Validate ``body``. Raises ``InvalidRequest`` with its problems."""
    form = validated(ResponsesRequest, body)
    problems = [
        Problem(name, "is not possible: no answers or prompts are kept here")
        for name in _KEPT
        if body.get(name)
    ]
    if form.background:
        problems.append(Problem("background", "must be false: answers are not kept for later"))
    if problems:
        raise InvalidRequest.of(problems)
    return form


def canonical(form: ResponsesRequest, body: Mapping[str, Any], addresses: bool = True) -> Canonical:
    """The chat request for ``form``, which was read from ``body``, to an upstream that takes files by ``addresses`` or not.
    Raises ``InvalidRequest`` with its problems."""
    elsewhere = {*ResponsesRequest.model_fields, *_ANSWERED, *_HINTS, *_NOT_IN_CHAT, *_KEPT}
    passing = {name: value for name, value in body.items() if name not in elsewhere and value is not None}
    tools = Toolbox(form.tools or (), () if isinstance(form.input, str) else form.input)
    result = Canonical(passing, tools)
    result.sent.update((name, body[name]) for name in _SAME if body.get(name) is not None)
    result.sent["stream"] = bool(form.stream)
    result.dropped += [name for name in _NOT_IN_CHAT if body.get(name) is not None]
    if form.truncation not in (None, "disabled"):
        result.dropped.append("truncation")
    turns = Turns(form.instructions, form.input, tools)
    result.sent["messages"] = turns.messages
    result.dropped += [*turns.dropped, *tools.dropped]
    problems = [*turns.problems, *tools.problems]
    _tools(form, result)
    problems += _output(form, turns.settings, result)
    if problems:
        raise InvalidRequest.of(problems)
    if not addresses:
        result.sent["messages"], unread = without_addresses(turns.messages, "input")
        result.dropped += unread
    return result


def _tools(form: ResponsesRequest, result: Canonical) -> None:
    offered = offer(result.tools, form.tool_choice)
    if offered.dropped:
        result.dropped.append("tool_choice")
    if not offered.tools:  # OpenAI refuses the other two without it
        return
    result.sent["tools"] = offered.tools
    if form.compacts:
        offered.choice = "none"
    if offered.choice is not None:
        result.sent["tool_choice"] = offered.choice
    if form.parallel_tool_calls is not None:
        result.sent["parallel_tool_calls"] = form.parallel_tool_calls


def _output(form: ResponsesRequest, settings: _Json, result: Canonical) -> list[Problem]:
    """Limits, thinking, the format, log probabilities; ``settings`` are newer than the form's."""
    problems: list[Problem] = []
    sent = result.sent
    if form.max_output_tokens is not None:
        sent["max_completion_tokens"] = form.max_output_tokens
    effort = {**(form.reasoning or {}), **settings.get("reasoning", {})}.get("effort")
    if isinstance(effort, str):
        sent["reasoning_effort"] = effort
    elif effort is not None:
        problems.append(Problem("reasoning.effort", "must be a string"))
    text = {**(form.text or {}), **settings.get("text", {})}
    if text.get("verbosity") is not None:
        sent["verbosity"] = text["verbosity"]
    wanted = text.get("format")
    if isinstance(wanted, dict) and wanted.get("type") == "json_schema":
        schema = {key: value for key, value in wanted.items() if key != "type" and value is not None}
        sent["response_format"] = {"type": "json_schema", "json_schema": schema}
        if not isinstance(schema.get("schema"), dict):
            problems.append(Problem("text.format.schema", "must be an object"))
    elif isinstance(wanted, dict) and isinstance(wanted.get("type"), str):
        if wanted["type"] != "text":
            sent["response_format"] = wanted
    elif wanted is not None:
        problems.append(Problem("text.format", "must be an object with a 'type'"))
    include = form.include or []
    if form.top_logprobs or _LOGPROBS in include:
        sent["logprobs"] = True
        if form.top_logprobs is not None:
            sent["top_logprobs"] = form.top_logprobs
    if set(include) - {_LOGPROBS, _SEALED}:
        result.dropped.append("include")
    return problems
