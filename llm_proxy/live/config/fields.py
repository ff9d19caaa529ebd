"""The fields of a model in the configuration: their names, types and meaning. The JSON Schema comes from here.

Laws: types are strict (``"1"`` is no number, ``true`` is no weight), unknown fields are refused, every field may be
null because null removes what ``defaults`` say, and nothing that was given is ever part of an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from llm_proxy.live.config import checks
from llm_proxy.live.config.field_types import (
    ApiHost,
    Count,
    HeaderName,
    HeaderValue,
    KeepAlive,
    Name,
    PemPath,
    Seconds,
    Strict,
)
from llm_proxy.live.config.name_fields import NameRow
from llm_proxy.live.config.report import did_you_mean, nearest
from llm_proxy.wire.json_scan import Path


class TimeoutFields(Strict):
    """Limits of one upstream call, in seconds."""

    connect: Seconds | None = Field(None, description="Until a connection stands. Default 10.")
    first_byte: Seconds | None = Field(None, description="Until the first event of the answer. Default 300.")
    idle: Seconds | None = Field(None, description="Between two events. Default 120.")
    total: Seconds | None = Field(
        None,
        description="For the whole call. Default: 300 (or first_byte, if that is longer) for an answer that is not streamed; "
        "none for a stream, which may go on as long as it progresses. LLM_PROXY_API_TIMEOUT, where it is set, is the default and upper bound of both.",
    )


_Capability = Literal["completion", "tools", "insert", "vision", "embedding", "thinking"]


def _without_auto(value: Any) -> Any:
    """``auto`` is what holds where nothing is said."""
    return None if isinstance(value, str) and value == "auto" else value


Capabilities = Annotated[
    list[_Capability] | None,
    BeforeValidator(_without_auto, json_schema_input_type=list[_Capability] | Literal["auto"] | None),
]


class LimitFields(Strict):
    """What the vendor grants us, each minute."""

    rpm: Count | None = Field(None, description="Requests a minute. Default: no limit that we know.")
    tpm: Count | None = Field(None, description="Tokens a minute. Default: no limit that we know.")


class Row(Strict):
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
        None,
        description="Share of the traffic among providers of the same public model; 0 takes it out of the rotation. Default 1.",
    )
    order: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] | None = Field(
        None,
        description="Tier among providers of the same public model: a higher one is only asked when no lower one can take the "
        "request. Default 0.",
    )
    max_concurrent: Count | None = Field(
        None,
        description="Requests in flight at this upstream for this model; more wait in the model's queue. Default: no limit.",
    )
    limits: LimitFields | None = Field(
        None,
        description="What the vendor grants us at this upstream: over it, it sleeps and is not asked. Default: no limit that we know.",
        examples=[{"rpm": 500, "tpm": 200000}],
    )
    load: Literal["auto", "none"] | None = Field(
        None,
        description="auto (default): vLLM, SGLang, llama.cpp and Ollama are asked how busy they are, while it matters.",
    )
    prefill: bool | None = Field(
        None,
        description="Whether the upstream goes on with an assistant's message that is not complete, for on_break continue. "
        "Default: as servers of its kind do.",
    )
    languages: list[Name] | None = Field(
        None,
        description="Languages that the model is good at; for information only.",
        examples=[["en", "pl"]],
    )
    input_size: Annotated[int, Field(gt=0, le=1_000_000_000)] | None = Field(
        None,
        description="Size of the context window, in tokens. Of several upstreams, one whose window is known to be too small for a "
        "request is not asked.",
    )
    capabilities: Capabilities = Field(
        None,
        description="What the model can do, as /api/show tells it; all that is not listed it cannot, and of several upstreams "
        "one that cannot is not asked. Default: auto, what its upstream and its name say.",
        examples=[["completion", "tools", "thinking"], "auto"],
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
    "max_parallel_requests": "max_concurrent",
    "priority": "order",
    "rpm": "limits",
    "tpm": "limits",
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
    yield from model_findings(Row, row)
    options = row.get("options")
    if isinstance(options, dict):
        for path, message in checks.option_problems(options):
            yield ("options", *path), message, False
    headers = row.get("headers")
    if isinstance(headers, dict):
        yield from _twins(headers)


def model_findings(model: type[BaseModel], value: dict[str, Any]) -> Iterator[Finding]:
    """What ``model`` finds wrong with ``value``."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        for detail in error.errors(include_input=False, include_url=False, include_context=False):
            yield _finding(model, detail["loc"], detail["type"], detail["msg"])


def _finding(model: type[BaseModel], loc: Path, kind: str, message: str) -> Finding:
    if kind == "extra_forbidden":
        return loc, _unknown(model, loc), True
    if kind == "missing":
        return loc, "is required", True
    if loc[-1] == "[key]":
        return loc[:-1], message, True
    return loc, _WORDS.get(kind) or message.replace("Input should be ", "must be "), False


def _unknown(model: type[BaseModel], loc: Path) -> str:
    """What is allowed instead of an unknown field, the likeliest first."""
    known = _below(model, loc[:-1]).model_fields
    top = model is Row and len(loc) == 1
    return f"unknown field, known are {', '.join(known)}{_likeliest(str(loc[-1]), known, top=top)}"


def _below(model: type[BaseModel], loc: Path) -> type[BaseModel]:
    """The model of the object at ``loc`` of one of ``model``."""
    for part in loc:
        if part in model.model_fields:
            model = next(_models(model.model_fields[str(part)].annotation), model)
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The model classes in a type such as ``list[X] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _likeliest(word: str, known: Iterable[str], *, top: bool) -> str:
    if not top:
        return did_you_mean(word, known)
    if word in _ALIASES:
        return f'; did you mean "{_ALIASES[word]}"?'
    if word in NameRow.model_fields:
        return f'; did you mean "{word}" in "$models"?'
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
