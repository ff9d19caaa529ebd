"""Frozen values that travel between the rooms: secrets, limits, deployments and HTTP calls.

Laws: every value here is immutable, compared by content and safe to print: a secret prints as ``***`` and a call
prints neither its headers nor its body. No behaviour lives here beyond deriving one fact from another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeVar

from llm_proxy.wire.policies import DeploymentLimits

T = TypeVar("T")

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Secret:
    """A text that must never be shown. ``reveal()`` is the only way to read it, so that uses can be searched for."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself; only for building the headers of an upstream call."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not pickled")


class PemFile(NamedTuple):
    """A file of certificates or with a key: where it is, and what tells one state of it from another."""

    path: str
    digest: str = ""
    holds_key: bool = False

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The four limits of an upstream call, in seconds; ``first_byte`` and ``idle`` watch events, not bytes. ``total`` is
    None if nobody has set it: then an answer that goes on has no limit as a whole."""

    connect: float = 10.0
    first_byte: float = 300.0
    idle: float = 120.0
    total: float | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """One (provider, model) row of the configuration after merging: all that an adapter needs to make a call.

    ``name`` is the public model name, ``model`` the upstream's name for it. ``options`` are defaults that a client
    may override, with canonical (OpenAI) names or the upstream's own. ``weight`` is a share of the traffic of all
    deployments with the same ``name``. ``name`` is empty for a provider's bare ``defaults`` (passthrough only).
    ``vendor`` names whose servers answer, where a dialect has many; empty: the host tells. ``api`` is the one by which
    chats are made, ``chat`` or ``responses``, where a dialect has both; empty: the model tells.
    """

    provider: str
    name: str
    api_type: str
    api_host: str
    model: str
    token: Secret | None = None
    options: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    keep_alive: str | int | float | None = None
    headers: Mapping[str, Secret] = field(default_factory=lambda: NOTHING)
    active: bool = True
    weight: float = 1.0
    languages: tuple[str, ...] = ()
    input_size: int | None = None
    timeouts: Timeouts = Timeouts()
    prompt: str | None = None
    on_client_gone: Literal["cancel", "drain"] = "cancel"
    drain_seconds: float = 30.0
    #: Whether the upstream is told which trace and which request a call belongs to.
    trace: bool = True
    #: What the model can do, in Ollama's words, as the configuration says; None: its upstream is asked.
    capabilities: tuple[str, ...] | None = None
    vendor: str = ""
    api: str = ""
    #: Whom this upstream's certificate must be signed by (None: whom the machine trusts), and what is shown to it.
    ca: PemFile | None = None
    client_cert: PemFile | None = None
    client_key: PemFile | None = None
    #: Tier: a higher one is asked when no lower one can take the request.
    order: int = 0
    #: Requests in flight at this upstream for this model; None: no limit.
    max_concurrent: int | None = None
    limits: DeploymentLimits | None = None
    #: Whether the upstream is asked how busy it is: ``auto`` (where servers of its kind tell) or ``none``.
    load: Literal["auto", "none"] = "auto"
    #: Whether it goes on with an assistant's message that is not complete; None: as servers of its kind do.
    prefill: bool | None = None
    _upstream_key: str = field(init=False, default="", compare=False, repr=False)
    _server_key: str = field(init=False, default="", compare=False, repr=False)
    #: What its adapter has made of it for all calls, kept by ``keep_plan``. It may hold the key.
    plan: Any = field(init=False, default=None, compare=False, repr=False)

    @property
    def upstream_key(self) -> str:
        """Sixteen hex digits that name the upstream and its model, whatever the provider is called: load, failures and
        limits belong to them. All rows of one kind, host, key and upstream model have the same."""
        if not self._upstream_key:  # made once, and not for rows that nobody asks for
            parts = (self.server_key, self.api_type, self.api_host.rstrip("/"), self.model)
            object.__setattr__(self, "_upstream_key", _digest(*parts))
        return self._upstream_key

    @property
    def server_key(self) -> str:
        """The same for the server and the key alone, whatever the model and the dialect."""
        if not self._server_key:
            object.__setattr__(self, "_server_key", _digest(_origin(self.api_host), *self._credentials()))
        return self._server_key

    def keep_plan(self, plan: T) -> T:
        """Keep ``plan`` as long as this row holds."""
        object.__setattr__(self, "plan", plan)
        return plan

    def _credentials(self) -> list[str | None]:
        """What this upstream knows us by."""
        parts = [self.token.reveal() if self.token else None]
        parts += [f"{name}: {value.reveal()}" for name, value in sorted(self.headers.items())]
        return [*parts, self.client_cert.path] if self.client_cert else parts

    @property
    def identity(self) -> str:
        """Sixteen hex digits that name the upstream (not the model): what outlives an edit is keyed by it."""
        parts = [
            self.provider,
            self.api_type,
            self.api_host,
            self.token.reveal() if self.token else None,
        ]
        parts.append(json.dumps({k: v.reveal() for k, v in self.headers.items()}, sort_keys=True))
        if self.ca or self.client_cert:
            files = (self.ca, self.client_cert, self.client_key)
            parts.append(json.dumps([file.path if file else None for file in files]))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _digest(*parts: str | None) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _origin(host: str) -> str:
    """Scheme, name and port of an address."""
    scheme, mark, rest = host.partition("://")
    return (scheme + mark + rest.partition("/")[0]).lower()


@dataclass(frozen=True, slots=True)
class NativeRequest:
    """A request in a dialect that its upstream speaks too: ``sent`` is the client's body, ``stream`` what it means.
    ``headers`` (lower-case names) and ``query`` are those of the client's that belong to the dialect."""

    sent: Mapping[str, Any] = field(repr=False)
    stream: bool = False
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    query: str = ""


class HttpCall(NamedTuple):
    """One upstream request as a value. ``headers`` may hold secrets, ``body`` holds prompts: neither is printed.

    ``stream`` says whether events are expected (then ``first_byte`` and ``idle`` watch events). ``dropped`` lists
    the request's parameters that the dialect cannot express. ``once``: a client chose of its URL or headers, so nothing that
    is made of them is kept. (A tuple, because it is made for each request: a frozen dataclass takes several times as long.)
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    timeouts: Timeouts = Timeouts()
    stream: bool = False
    dropped: tuple[str, ...] = ()
    once: bool = False

    def __repr__(self) -> str:
        shown = self._asdict()
        del shown["headers"], shown["body"]
        return f"HttpCall({', '.join(f'{name}={value!r}' for name, value in shown.items())})"
