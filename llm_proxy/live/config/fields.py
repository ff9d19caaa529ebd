"""The fields of a model in the configuration: their names, types and meaning. The JSON Schema comes from here.

Laws: types are strict (``"1"`` is no number, ``true`` is no weight), unknown fields are refused, every field may be
null because null removes what ``defaults`` say, and nothing that was given is ever part of an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from llm_proxy.live.config import checks
from llm_proxy.live.config.report import did_you_mean, nearest
from llm_proxy.wire.json_scan import Path


def _checked(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``check`` in the form that pydantic takes: the sentence is passed on as it is."""

    def validate(value: Any) -> Any:
        try:
            return check(value)
        except ValueError as error:
            raise PydanticCustomError("checked", "{reason}", {"reason": str(error)}) from None

    return validate


ApiHost = Annotated[str, AfterValidator(_checked(checks.api_host))]
HeaderName = Annotated[str, AfterValidator(_checked(checks.header_name))]
PemPath = Annotated[str, AfterValidator(_checked(checks.pem_path))]
HeaderValue = Annotated[str, AfterValidator(_checked(checks.header_value))]
Name = Annotated[str, AfterValidator(_checked(checks.name))]
KeepAlive = Annotated[
    str | int | float,
    BeforeValidator(_checked(checks.keep_alive), json_schema_input_type=str | int | float),
]
#: A day is longer than any answer; the bound catches milliseconds written as seconds.
Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class TimeoutFields(_Strict):
    """Limits of one upstream call, in seconds."""

    connect: Seconds | None = Field(None, description="Until a connection stands. Default 10.")
    first_byte: Seconds | None = Field(None, description="Until the first event of the answer. Default 300.")
    idle: Seconds | None = Field(None, description="Between two events. Default 120.")
    total: Seconds | None = Field(
        None,
        description="For the whole call. Default: 300 (or first_byte, if that is longer) for an answer that is not streamed; "
        "none for a stream, which may go on as long as it progresses. LLM_PROXY_API_TIMEOUT, where it is set, is the default and upper bound of both.",
    )


class Row(_Strict):
    """The fields of one model, or of a provider's `defaults`. null removes what `defaults` say."""

    api_type: Name | None = Field(None, description="The dialect that the upstream speaks.")
    api_host: ApiHost | None = Field(
        None,
        description="Base URL of the API, http or https, or unix:///path/of/the.socket (a path of the URL follows after a "
        "colon): with /v1 for openai and vllm, without a path for ollama, "
        "anthropic and gemini (whose /v1, /v1beta or /api at the end is taken off). Nothing else is added.",
        examples=[
            "http://127.0.0.1:11434",
            "https://api.openai.com/v1",
            "unix:///run/vllm.sock:/v1",
            "${MY_HOST}",
        ],
    )
    api_token: HeaderValue | None = Field(
        None,
        repr=False,
        description="The key for the upstream; from the environment or a file, so that it is not written here.",
        examples=["${OPENAI_API_KEY}", "${file:/run/secrets/openai}"],
    )
    ca: PemPath | None = Field(
        None,
        description="Path of a PEM file: the upstream's certificate must be signed by one of the authorities in it, and by "
        "no other. Default: SSL_CERT_FILE and SSL_CERT_DIR, else the system's. Read again when it changes.",
        examples=["/etc/llm-proxy/ca.pem"],
    )
    client_cert: PemPath | None = Field(
        None,
        description="Path of a PEM file: the certificate (and its chain) that is shown to the upstream. Read again when it changes.",
        examples=["/etc/llm-proxy/client.pem"],
    )
    client_key: PemPath | None = Field(
        None,
        description="Path of a PEM file: the key of client_cert, without a passphrase. Default: it stands in the same file.",
        examples=["/etc/llm-proxy/client.key"],
    )
    vendor: Name | None = Field(
        None,
        description="Whose servers these are, where the dialect has many vendors: their rules are obeyed. Default: what the "
        "host or the provider's name implies, else lenient.",
        examples=["azure", "groq", "llamacpp", "mistral", "openrouter", "strict"],
    )
    api: Literal["chat", "responses"] | None = Field(
        None,
        description="By which of OpenAI's APIs answers are asked for: chat completions, or Responses, which some models "
        "want for tools with reasoning. Default: what the model's name says, at OpenAI and in Azure; else chat.",
    )
    model: Name | None = Field(
        None, description="The upstream's name of the model; default: the public name.", examples=["qwen3:8b"]
    )
    options: dict[str, Any] | None = Field(
        None,
        repr=False,
        description="Defaults for requests; what the client sends wins. OpenAI's names (temperature, max_tokens, ...) "
        "or the upstream's own (num_ctx, min_p, ...). Merged key by key with those of `defaults`.",
    )
    keep_alive: KeepAlive | None = Field(
        None, description="How long Ollama keeps the model in memory.", examples=["30m", -1]
    )
    active: bool | None = Field(None, description="false takes the model out of service. Default true.")
    weight: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)] | None = Field(
        None, description="Share of the traffic among providers of the same public model. Default 1."
    )
    languages: list[Name] | None = Field(
        None,
        description="Languages that the model is good at; for information only.",
        examples=[["en", "pl"]],
    )
    input_size: Annotated[int, Field(gt=0, le=1_000_000_000)] | None = Field(
        None, description="Size of the context window, in tokens; for information only."
    )
    capabilities: list[Literal["completion", "tools", "insert", "vision", "embedding", "thinking"]] | None = (
        Field(
            None,
            description="What the model can do, as /api/show tells it; all that is not listed it cannot. Default: what its "
            "upstream and its name say.",
            examples=[["completion", "tools", "thinking"]],
        )
    )
    timeouts: TimeoutFields | None = Field(None, description="Limits of one upstream call, in seconds.")
    headers: dict[HeaderName, HeaderValue | None] | None = Field(
        None,
        repr=False,
        description="Further headers of each upstream call. Merged name by name with those of `defaults`.",
    )
    prompt: Name | None = Field(None, description="Id of the prompt that the conversation endpoints use.")
    on_client_gone: Literal["cancel", "drain"] | None = Field(
        None,
        description="What happens to the upstream call when the client leaves. Default cancel. What is drained "
        "gives way to clients that wait, and LLM_PROXY_API_DRAINED_CALLS bounds it.",
    )
    drain_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] | None = Field(
        None, description="With on_client_gone drain: how long the upstream may go on. Default 30."
    )
    trace: bool | None = Field(
        None,
        description="false: the upstream is not told which trace and which request a call belongs to (traceparent, tracestate, "
        "X-Request-Id). Default true.",
    )


#: What people write who come from another product.
_ALIASES = {
    "api_base": "api_host",
    "api_key": "api_token",
    "base_url": "api_host",
    "ca_bundle": "ca",
    "ca_cert": "ca",
    "ca_certs": "ca",
    "cert": "client_cert",
    "context_length": "input_size",
    "enabled": "active",
    "host": "api_host",
    "key": "api_token",
    "max_input_tokens": "input_size",
    "timeout": "timeouts",
    "token": "api_token",
    "type": "api_type",
    "url": "api_host",
}
_OPTIONS = checks.CANONICAL_OPTIONS | {
    "min_p",
    "num_ctx",
    "num_predict",
    "repeat_penalty",
    "repetition_penalty",
    "think",
    "top_k",
    "typical_p",
}

Finding = tuple[Path, str, bool]


def field_findings(row: dict[str, Any]) -> Iterator[Finding]:
    """Everything that is wrong with ``row``: the path in it, the reason, and whether the key is meant."""
    try:
        Row.model_validate(row)
    except ValidationError as error:
        for detail in error.errors(include_input=False, include_url=False, include_context=False):
            yield _finding(detail["loc"], detail["type"], detail["msg"])
    options = row.get("options")
    if isinstance(options, dict):
        for path, message in checks.option_problems(options):
            yield ("options", *path), message, False
    headers = row.get("headers")
    if isinstance(headers, dict):
        yield from _twins(headers)


def _finding(loc: Path, kind: str, message: str) -> Finding:
    if kind == "extra_forbidden":
        return loc, _unknown(loc), True
    if loc[-1] == "[key]":
        return loc[:-1], message, True
    return loc, _WORDS.get(kind) or message.replace("Input should be ", "must be "), False


def _unknown(loc: Path) -> str:
    """What is allowed instead of an unknown field, the likeliest first."""
    known = (TimeoutFields if len(loc) > 1 else Row).model_fields
    likeliest = _likeliest(str(loc[-1]), known, top=len(loc) == 1)
    return f"unknown field, known are {', '.join(known)}{likeliest}"


def _likeliest(word: str, known: Iterable[str], *, top: bool) -> str:
    if not top:
        return did_you_mean(word, known)
    if word in _ALIASES:
        return f'; did you mean "{_ALIASES[word]}"?'
    meant = nearest(word[:100].lower(), (*known, *sorted(_OPTIONS)))
    if meant in _OPTIONS:
        return f'; did you mean "{meant}" in "options"?'
    return f'; did you mean "{meant}"?' if meant else ""


def _twins(headers: dict[str, Any]) -> Iterator[Finding]:
    """Header names that differ in case only."""
    seen: set[str] = set()
    for name in headers:
        if name.lower() in seen:
            yield ("headers", name), "the same header twice (upper and lower case are equal)", True
        seen.add(name.lower())


#: Pydantic's own texts speak of Python; these speak of JSON.
_WORDS = {
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "list_type": "must be a list of strings",
    "model_type": "must be an object",
    "string_type": "must be a string",
}
