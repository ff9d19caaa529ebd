"""The canonical chat request: OpenAI's chat completions, typed at the door and relayed without loss.

Laws: types are checked strictly (``"1"`` is not a number), problems are reported with their paths, and what we do
not know is kept, because a gateway that drops a new vendor field is in the way. ``ChatRequest.sent`` is the JSON
that the client meant, byte values unchanged; the typed attributes exist so that adapters need no ``.get``.
Ranges (temperature 0 to 2) are the upstream's to judge: they differ from vendor to vendor.

Field names: platform.openai.com/docs/api-reference/chat/create.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SkipValidation,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from llm_proxy.wire.judging import validated as validated
from llm_proxy.wire.sse import dumps

Number = int | float

#: Fields that would choose another upstream or key. They are never sent on: hosts come from the configuration only.
UPSTREAM_FIELDS = frozenset({"api_base", "base_url", "api_key", "api_host", "api_token", "organization"})


def _number(value: Any) -> Any:
    """One problem for one wrong number, instead of one for each type of number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise PydanticCustomError("number", "must be a number")


def _maybe_number(value: Any) -> Any:
    return None if value is None else _number(value)


def _stop(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise PydanticCustomError("stop", "must be a string or a list of strings")
    return value


def _variables(value: Any) -> Any:
    """One problem for all wrong values, instead of one for each and for each type that it might have been."""
    if value is None:
        return {}
    if isinstance(value, dict) and not all(isinstance(item, str | int | float) for item in value.values()):
        raise PydanticCustomError("prompt_vars", "values must be strings, numbers or booleans")
    return value


#: What stands in the slots of a prompt.
Variables = Annotated[dict[str, str | Number | bool], BeforeValidator(_variables)]
#: A number that may be absent, and the texts that end an answer.
MaybeNumber = Annotated[Number | None, BeforeValidator(_maybe_number)]
Stop = Annotated[str | list[str] | None, BeforeValidator(_stop)]


class Open(BaseModel):
    """A strict, frozen model that keeps unknown fields."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow", hide_input_in_errors=True)


def _arguments(value: Any) -> Any:
    """Arguments of a history as clients keep them: null for none, and an object where a text belongs."""
    if value is None:
        return ""
    return dumps(value).decode() if isinstance(value, dict) else value


class FunctionCall(Open):
    """``arguments`` is JSON in a string, as OpenAI has it."""

    name: str
    arguments: Annotated[str, BeforeValidator(_arguments)] = "{}"


class ToolCall(Open):
    """One call that the assistant asked for."""

    id: str | None = None
    type: str = "function"
    function: FunctionCall | None = None


class Message(Open):
    """One message. ``content`` is a text, a list of typed parts, or null where the role allows it."""

    #: system, developer, user, assistant, tool or function; of any other OpenAI's own servers decide.
    role: str = Field(min_length=1)
    content: SkipValidation[str | list[dict[str, Any]] | None] = None  # ``_content`` looks at all of it
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None

    @field_validator("content", mode="before")
    @classmethod
    def _content(cls, value: Any) -> Any:
        """One problem for one wrong content, instead of one for each member of the union."""
        if value is None or isinstance(value, str):
            return value
        if not isinstance(value, list):
            raise PydanticCustomError("content", "must be a string or a list of content parts")
        for index, part in enumerate(value):
            if not isinstance(part, dict) or not isinstance(part.get("type"), str):
                raise PydanticCustomError("content", "must be an object with a 'type'", {"at": index})
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Only an assistant may say nothing (it may have called a tool instead)."""
        if self.content is None and self.role not in ("assistant", "function"):
            context = {"role": self.role, "at": "content"}
            raise PydanticCustomError("content", "is required for role '{role}'", context)
        return self


class StreamOptions(Open):
    """``include_usage`` asks for a last chunk with the token counts."""

    include_usage: bool | None = None


class Function(Open):
    """The declaration of a tool."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(Open):
    """A tool that the model may call; types other than ``function`` pass as they are."""

    type: str = "function"
    function: Function | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.type == "function" and self.function is None:
            raise PydanticCustomError("tool", "is required for type 'function'", {"at": "function"})
        return self


class ResponseFormat(Open):
    """``json_schema`` holds ``{"name", "schema", "strict"?}``."""

    type: str
    json_schema: dict[str, Any] | None = None


class Sent(Open):
    """A request that keeps the JSON object that it was made from."""

    # Not a private attribute of pydantic's: those cost as much as the rest of the validation.
    __slots__ = ("sent",)
    if TYPE_CHECKING:
        #: The request as the client sent it: known and unknown fields, unchanged. Not to be mutated.
        sent: Mapping[str, Any]

    @classmethod
    def of(cls, sent: Mapping[str, Any]) -> Self:
        """Validate ``sent`` (a JSON object). Raises ``InvalidRequest`` with the first problems, their paths, and how many more."""
        request = validated(cls, sent)
        object.__setattr__(request, "sent", sent)  # the model is frozen
        return request


#: Fields of a request that is nothing but a talk.
FRAME = frozenset({"model", "messages", "stream"})


def is_talk(messages: Any) -> bool:
    """Whether these are messages of texts alone, the user's and the assistant's, behind at most one of the system."""
    if type(messages) is not list or not messages:
        return False
    for message in messages:
        if type(message) is not dict or len(message) != 2:
            return False
        content = message.get("content")
        if not content or type(content) is not str:
            return False
        role = message.get("role")
        if role != "user" and role != "assistant" and (role != "system" or message is not messages[0]):
            return False
    return True


class ChatRequest(Sent):
    """A chat completion request. Build it with ``ChatRequest.of``. ``talk``: it is nothing but a talk with a model, known to
    be so; then ``messages`` are made when somebody asks for them."""

    __slots__ = ("talk",)
    if TYPE_CHECKING:
        talk: bool

    model: str = Field(min_length=1)
    messages: list[Message] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: MaybeNumber = None
    top_p: MaybeNumber = None
    n: int | None = Field(default=None, ge=1)
    stop: Stop = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    presence_penalty: MaybeNumber = None
    frequency_penalty: MaybeNumber = None
    logit_bias: dict[str, Annotated[Number, BeforeValidator(_number)]] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    seed: int | None = None
    user: str | None = None
    response_format: ResponseFormat | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None

    @field_validator("tool_choice", mode="before")
    @classmethod
    def _tool_choice(cls, value: Any) -> Any:
        if value is None or isinstance(value, str | dict):
            return value
        raise PydanticCustomError(
            "tool_choice",
            "must be 'none', 'auto', 'required' or an object naming a function",
        )

    @classmethod
    def of(cls, sent: Mapping[str, Any]) -> Self:
        model, stream = sent.get("model"), sent.get("stream")
        talk = (
            sent.keys() <= FRAME
            and (type(model) is str and model != "")
            and (stream is None or type(stream) is bool)
            and is_talk(sent.get("messages"))
        )
        if not talk:
            request = super().of(sent)
            object.__setattr__(request, "talk", False)
            return request
        # What pydantic would make of it, at a tenth of its cost: nothing in it can be wrong.
        request = cls.__new__(cls)
        put = object.__setattr__
        put(request, "__dict__", {**_defaults(cls), "model": model, "stream": stream})
        put(request, "__pydantic_fields_set__", set(sent))
        put(request, "__pydantic_extra__", {})
        put(request, "__pydantic_private__", None)
        put(request, "sent", sent)
        put(request, "talk", True)
        return request

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """``messages`` of a talk; and whether it is one, of a request that was made in another way."""
            if name == "talk":
                return False
            if name != "messages":
                return super().__getattr__(name)
            made = self.__dict__["messages"] = validated(
                _Messages, {"messages": self.sent["messages"]}
            ).messages
            return made

    @property
    def wants_usage(self) -> bool:
        """Whether the client asked for token counts in its stream."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def but(self, **changes: Any) -> Self:
        """A copy with some fields of ``sent`` replaced (None removes); it is validated again."""
        merged = {**self.sent, **changes}
        return type(self).of({k: v for k, v in merged.items() if not (k in changes and v is None)})


class _Messages(Open):
    """The messages of a talk."""

    messages: list[Message]


@cache
def _defaults(model: type[ChatRequest]) -> dict[str, Any]:
    """All fields that may be absent, as they are then."""
    return {name: field.default for name, field in model.model_fields.items() if not field.is_required()}


def _input(value: Any) -> Any:
    if isinstance(value, str) or (isinstance(value, list) and value):
        return value
    raise PydanticCustomError("input", "must be a string or a list that is not empty")


class EmbeddingsRequest(Sent):
    """An embeddings request (OpenAI's form). Build it with ``EmbeddingsRequest.of``."""

    model: str = Field(min_length=1)
    input: Annotated[
        Any, BeforeValidator(_input), WithJsonSchema({"type": ["string", "array"], "minItems": 1})
    ]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None
