"""Every ``LLM_PROXY_API_*`` variable, typed and frozen; read once, at start.

Laws: nothing else in the program reads the environment for its own settings; a wrong value is one ``SettingsError``
that names the variable, what is wrong and what is allowed, and never repeats the value. An empty variable counts as
unset, because compose files and unit files write ``NAME=`` for "not set".
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from llm_proxy.wire.forwarded import read_network
from llm_proxy.wire.host import read_host
from llm_proxy.wire.listen_on import Places
from llm_proxy.wire.origin import read_origin

PREFIX = "LLM_PROXY_API_"
#: The key with which the commands ask a running gateway. It is no setting of the service.
KEY_VARIABLE = PREFIX + "KEY"

#: Where a relative default path is looked for: here, beside the checkout, and where a wheel puts shared data.
_CHECKOUT = Path(__file__).resolve().parent.parent
_SHARED = Path(sys.prefix) / "share" / "llm-proxy-api"
#: Where it stands if it was installed with ``pip install --target``, and in a single file (``make zipapp``).
_BESIDE = _CHECKOUT / "share" / "llm-proxy-api"

_TRUE, _FALSE = (
    frozenset({"1", "true", "yes", "on"}),
    frozenset({"0", "false", "no", "off"}),
)


class SettingsError(ValueError):
    """A malformed setting; the text is one line, ready to be printed."""


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _level(value: Any) -> Any:
    return "WARN" if isinstance(value, str) and value.upper() == "WARNING" else _upper(value)


def _debug(value: Any) -> Any:
    """Any value switches it on, but for the words for no, which nobody would expect to."""
    return value.lower() not in _FALSE if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _flag(value: Any) -> Any:
    """The words that people use for yes and no."""
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    if isinstance(value, bool):
        return value
    raise PydanticCustomError("flag", "must be one of 1, true, yes, 0, false, no")


def _discover(value: Any) -> Any:
    """Yes, no, or the ports to ask."""
    if not isinstance(value, str) or value.lower() in _TRUE | _FALSE:
        return _flag(value)
    try:
        ports = tuple(int(part) for part in value.split(",") if part.strip())
    except ValueError:
        ports = ()
    if not ports or not all(0 < port < 65536 for port in ports) or len(ports) > 100:
        raise PydanticCustomError("ports", "must be 1, 0, or at most 100 ports with commas between")
    return ports


def _prefix(value: Any) -> Any:
    """``api``, ``/api`` and ``/api/`` mean the same; ``/`` means no prefix."""
    if not isinstance(value, str) or any(c in value for c in "?#%\\ ") or not value.isprintable():
        raise PydanticCustomError("prefix", "must be a plain URL path such as /api")
    return "/" + value.strip("/") if value.strip("/") else ""


def _each(read: Callable[[str], str]) -> BeforeValidator:
    """Commas between items, each as ``read`` gives it."""

    def items(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        found = []
        for number, part in enumerate(filter(None, map(str.strip, value.split(","))), 1):
            try:
                found.append(read(part.lower()))
            except ValueError as error:
                raise PydanticCustomError(
                    "item", "item {number} {problem}", {"number": number, "problem": str(error)}
                ) from None
        return tuple(found)

    return BeforeValidator(items)


def _places(value: Any) -> Any:
    """Judged here, taken apart by whoever listens."""
    try:
        Places.of(str(value))
    except ValueError as error:
        raise PydanticCustomError("places", "{problem}", {"problem": str(error)}) from None
    return value


def _set(default: Any, allowed: str, **limits: Any) -> Any:
    """A setting with its default, its limits, and the sentence that says what is allowed."""
    return Field(default, description=allowed, **limits)


def _seconds(default: float, what: str) -> Any:
    return Field(
        default,
        description=f"seconds above 0, up to 86400: {what}",
        gt=0,
        le=86_400,
        allow_inf_nan=False,
    )


Watch = Annotated[Literal["auto", "inotify", "poll"], BeforeValidator(_lower)]
Level = Annotated[Literal["DEBUG", "INFO", "WARN", "ERROR"], BeforeValidator(_level)]
Format = Annotated[Literal["text", "json"], BeforeValidator(_lower)]


class Settings(BaseModel):
    """What the operator set, defaults filled in. Each description says what is allowed; errors and help quote it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    minimum: Annotated[bool, BeforeValidator(_flag)] = _set(
        False, "1, true or yes: the service runs as a proxy only"
    )
    host: Annotated[str, BeforeValidator(_places)] = _set(
        "127.0.0.1",
        "comma-separated addresses and host names to listen on, and unix:/path for a Unix socket; :: takes IPv4 too",
    )
    unix_mode: str = _set(
        "660",
        "file mode of a Unix socket, three octal digits such as 660: who may write to it may connect",
        pattern=r"^(0o?)?[0-7]{3}$",
    )
    port: int = _set(
        8080,
        "a port from 0 to 65535; 0 picks a free one; empty = 8080, or the next that is free",
        ge=0,
        le=65535,
    )
    ollama_port: int | None = _set(
        None,
        "a port from 0 to 65535, other than the main one, for Ollama's API at the root; 0 picks a free one; empty = none",
        ge=0,
        le=65535,
    )
    metrics_port: int | None = _set(
        None,
        "a port from 0 to 65535, other than the others, for /metrics and /ping alone; 0 picks a free one; empty = none",
        ge=0,
        le=65535,
    )
    metrics_names: Annotated[Literal["llm_proxy", "otel"], BeforeValidator(_lower)] = _set(
        "llm_proxy", "llm_proxy, or otel: the names of OpenTelemetry's GenAI conventions, where they exist"
    )
    metrics_max_series: int = _set(
        20_000,
        "lines of values on /metrics, from 1000 to 1000000; further series are left out, and counted",
        ge=1000,
        le=1_000_000,
    )
    metrics_keep: float = _seconds(600.0, "series of a model that was removed stay on /metrics for so long")
    trace_attributes: Annotated[tuple[Literal["genai", "openinference"], ...], _each(str)] = _set(
        ("genai",), "genai, openinference, or both with a comma: by which conventions traces tell of calls"
    )
    workers: int = _set(1, "a number of processes from 0 to 256; 0 = one for each core", ge=0, le=256)
    tls_cert: Path | None = _set(
        None, "path of the certificate (chain) that clients see, in PEM format; empty = plain HTTP"
    )
    tls_key: Path | None = _set(
        None, "path of its private key, in PEM format; empty = it stands in the certificate's file"
    )
    tls_client_ca: Path | None = _set(
        None,
        "path of the authorities that must have signed the certificates of clients; empty = none is asked for",
    )
    ep_prefix: Annotated[str, BeforeValidator(_prefix)] = _set("/api", "a plain URL path such as /api")
    timeout: float | None = _set(
        None,
        "seconds above 0, up to 86400: upper bound of every upstream request, streams included; empty = none",
        gt=0,
        le=86_400,
        allow_inf_nan=False,
    )
    models_config: Path = _set(
        Path("resources/configs/models-config.json"), "path of the model configuration"
    )
    discover: Annotated[bool | tuple[int, ...], BeforeValidator(_discover)] = _set(
        True,
        "1, or 0: do not look for model servers on this machine while the configuration is the one that comes with the "
        "program; or the ports to ask instead of the known ones, such as 11434,9000",
    )
    with_cloud: Annotated[bool, BeforeValidator(_flag)] = _set(
        False, "1, true or yes: also serve the vendors whose keys are in the environment, which costs money"
    )
    local: Annotated[bool, BeforeValidator(_flag)] = _set(
        False,
        "1, true or yes: run a small language model here, after fetching it (127 MB) where it is missing",
    )
    prompts_dir: Path = _set(Path("resources/prompts"), "path of the prompt directory")
    access: Path | None = _set(
        None,
        "path of the file of the keys; empty = resources/configs/access.json, where it exists, else everybody may ask",
    )
    prompts_follow: Annotated[bool, BeforeValidator(_flag)] = _set(
        False, "1, true or yes: links in the prompt directory may lead out of it"
    )
    state: Path | None = _set(
        None,
        "path of a directory in which the ledger of what was used is kept; empty = in memory",
    )
    usage_days: int = _set(
        400,
        "days from 1 to 36500 for which each request is kept in the ledger; sums of days stay",
        ge=1,
        le=36_500,
    )
    shared: str = _set(
        "",
        "address of the Redis or Valkey by which several machines hold limits together, redis://, rediss:// or unix://; empty = none",
        repr=False,
        pattern=r"^$|^(redis|rediss|unix)://",
    )
    default_ep_language: str = _set(
        "pl",
        "a language code such as pl or en-GB",
        pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$",
    )
    log_filename: str = _set("", "path of the log file; empty = standard error only")
    log_level: Level = _set("INFO", "DEBUG, INFO, WARN or ERROR")
    log_format: Format | None = _set(None, "text or json; by default text on a terminal, else json")
    in_debug: Annotated[bool, BeforeValidator(_debug)] = _set(
        False, "any value but 0, false, no and off: DEBUG level and a debug object in error bodies"
    )
    max_body_size: int = _set(
        33_554_432,
        "bytes of the largest request body, 1024 or more",
        ge=1024,
        le=1 << 32,
    )
    max_memory: int | None = _set(
        None,
        "bytes of bodies that all processes together may hold, 1048576 or more; empty = half of what the container has",
        ge=1 << 20,
    )
    drain_seconds: float = _set(
        30.0,
        "seconds from 0 to 86400: how long running requests may finish at stop",
        ge=0,
        le=86_400,
    )
    lame_duck_seconds: float = _set(
        0.0,
        "seconds from 0 to 86400: how long everything is still served at stop while /ping says draining",
        ge=0,
        le=86_400,
    )
    header_timeout: float = _seconds(10.0, "a client's request head must be complete within")
    body_timeout: float = _seconds(
        60.0,
        "a client's request body must not stop for so long, nor be slower than 500 bytes a second over it",
    )
    write_timeout: float = _seconds(60.0, "a client that takes nothing of its answer for so long is dropped")
    keepalive_timeout: float = _seconds(75.0, "an idle client connection is kept for, after an answer")
    max_connections: int = _set(
        10_000,
        "client connections of one process, from 1 to 1000000",
        ge=1,
        le=1_000_000,
    )
    allowed_hosts: Annotated[tuple[str, ...], _each(read_host)] = _set(
        (),
        "comma-separated Host names, *.domain or *, accepted beside the loopback names; no others are, wherever it listens",
    )
    allowed_origins: Annotated[tuple[str, ...], _each(read_origin)] = _set(
        (),
        "comma-separated origins of web pages that may ask, such as https://app.example, https://*.example, "
        "http://localhost:*, or *",
    )
    trusted_proxies: Annotated[tuple[str, ...], _each(read_network)] = _set(
        (),
        "comma-separated addresses and networks, such as 10.0.0.0/8, whose X-Forwarded-* and Forwarded are believed",
    )
    keepalive_after: float = _seconds(10.0, "a silent stream begins its keep-alives after")
    keepalive_interval: float = _seconds(15.0, "keep-alives of a silent stream come every")
    upstream_connections: int = _set(
        1000, "connections to one upstream host, from 1 to 100000", ge=1, le=100_000
    )
    drained_calls: int = _set(
        100,
        "upstream calls of one process that go on without a client, from 0 to 100000 (on_client_gone: drain)",
        ge=0,
        le=100_000,
    )
    upstream_wait: float = _seconds(30.0, "how long a request may wait for a connection to a busy upstream")
    upstream_idle: float = _seconds(4.0, "an idle upstream connection is kept for")
    console: Annotated[bool, BeforeValidator(_flag)] = _set(
        True, "1, true or yes: there is a console at /console; 0 removes it and all that belongs to it"
    )
    console_write: Annotated[bool, BeforeValidator(_flag)] = _set(
        False, "1, true or yes: the console may write the model configuration, for keys with admin write"
    )
    watch: Watch = _set("auto", "auto, inotify or poll: how file changes are noticed")
    last_good: Path | None = _set(None, "a directory for a copy of the last good configuration; empty = none")

    @property
    def port_asked(self) -> bool:
        """Whether somebody named the port, and wants no other."""
        return "port" in self.model_fields_set

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that these settings name, whatever for."""
        named = [value for name, value in self if isinstance(value, Path) and name != "prompts_dir"]
        return (*named, *([Path(self.log_filename)] if self.log_filename else []))

    @classmethod
    def read(cls, environ: Mapping[str, str], flags: Mapping[str, str] | None = None) -> Self:
        """The settings from ``environ``, overridden by ``flags`` (field name -> text).

        Raises ``SettingsError`` for the first malformed value.
        """
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        for name in cls.model_fields:
            variable = PREFIX + name.upper()
            if environ.get(variable, "") != "" and not is_service_link(variable, environ[variable]):
                values[name], sources[name] = environ[variable], variable
            if flags and name in flags:
                values[name], sources[name] = flags[name], "--" + name.replace("_", "-")
        try:
            found = cls.model_validate(values)
        except ValidationError as error:
            detail = error.errors(include_input=False, include_url=False)[0]
            name = str(detail["loc"][0])
            allowed = cls.model_fields[name].description
            raise SettingsError(f"{sources[name]}: {_sentence(detail)} (allowed: {allowed})") from None
        found._agree(sources)
        return found._located(values)

    @property
    def access_file(self) -> Path:
        """Where the keys are looked for."""
        return self.access or _lookup(Path("resources/configs/access.json"))

    def _agree(self, sources: Mapping[str, str]) -> None:
        """Raises ``SettingsError`` for settings that make no sense together."""
        for name in ("tls_key", "tls_client_ca"):
            if getattr(self, name) is not None and self.tls_cert is None:
                raise SettingsError(f"{sources[name]}: means nothing without {PREFIX}TLS_CERT")
        taken = {self.port: "is the port of the other endpoints"}
        for name in ("ollama_port", "metrics_port"):
            port = getattr(self, name)
            if port is None:
                continue
            if port and port in taken:
                allowed = type(self).model_fields[name].description
                raise SettingsError(f"{sources[name]}: {taken[port]} (allowed: {allowed})")
            taken[port] = "is the port of Ollama's API"
            if not Places.of(self.host).hosts:
                raise SettingsError(f"{sources[name]}: needs a host beside the Unix sockets of {PREFIX}HOST")

    def _located(self, given: Mapping[str, Any]) -> Self:
        """Default paths are looked up in the usual places; paths that somebody gave are taken as they are."""
        update: dict[str, Any] = {
            name: _lookup(getattr(self, name))
            for name in ("models_config", "prompts_dir")
            if name not in given
        }
        if self.log_format is None:
            update["log_format"] = "text" if sys.stderr.isatty() else "json"
        if self.in_debug:
            update["log_level"] = "DEBUG"
        return self.model_copy(update=update)


#: What Kubernetes puts into each container for each Service of the namespace, unless ``enableServiceLinks`` is false
#: (kubernetes.io/docs/concepts/services-networking/service, "Environment variables"). Ours collide with those of a
#: Service whose name begins with ``llm-proxy-api``.
_LINK_NAME = re.compile(
    r".+_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_LINK_VALUE = re.compile(r"(?:tcp|udp|sctp)://\S+:\d+")


def is_service_link(name: str, value: str) -> bool:
    """Whether this variable is Kubernetes' and not the operator's."""
    known = name.removeprefix(PREFIX).lower() in Settings.model_fields
    if name.endswith("_PORT") and _LINK_VALUE.fullmatch(value):
        return True
    return not known and _LINK_NAME.fullmatch(name) is not None


def service_links(environ: Mapping[str, str]) -> list[str]:
    """The names of ours that Kubernetes has set, which are ignored."""
    return sorted(
        name for name, value in environ.items() if name.startswith(PREFIX) and is_service_link(name, value)
    )


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """One warning for each ``LLM_PROXY_API_*`` variable that means nothing, with the nearest one that does."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    warnings = []
    for name in sorted(environ):
        if name == KEY_VARIABLE:
            continue
        if name.startswith(PREFIX) and name not in known and not is_service_link(name, environ[name]):
            near = difflib.get_close_matches(name, known, 1)
            warnings.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else ""))
    return warnings


def _sentence(detail: ErrorDetails) -> str:
    """Pydantic's finding in plain words."""
    words = {
        "int_parsing": "is not a whole number",
        "float_parsing": "is not a number",
        "finite_number": "is not a finite number",
        "literal_error": "is none of the known words",
        "string_pattern_mismatch": "has characters that are not allowed there",
    }
    return words.get(detail["type"], detail["msg"].replace("Input should", "must"))


def _lookup(path: Path) -> Path:
    try:
        here = [Path.cwd()]
    except OSError:  # it has been removed
        here = []
    for base in (*here, _CHECKOUT, _SHARED, _BESIDE):
        if (base / path).exists():
            return base / path
    return (*here, _CHECKOUT)[0] / path


def environment() -> Mapping[str, str]:
    """The process environment; the one place that reads it for settings."""
    return os.environ
