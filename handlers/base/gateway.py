"""What every handler may use: the settings, the registry, the way to the upstreams, and what is running right now.

Laws: one ``Gateway`` for each process, made by the server and handed to the handlers; no module-level state. It
decides nothing.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from handlers.base.gate import Gate
from llm_proxy.clients.front_door import FrontDoor
from llm_proxy.console.activity import Note
from llm_proxy.console.console import Console
from llm_proxy.errors import GatewayError
from llm_proxy.live.access.accounting import Accounting
from llm_proxy.live.state.registry import Registry
from llm_proxy.relay.abilities import Abilities
from llm_proxy.relay.load_polls import LoadPolls
from llm_proxy.relay.memory import Memory
from llm_proxy.relay.model_knowledge import Knowledge
from llm_proxy.relay.offload import Offload
from llm_proxy.relay.relay import KeepAlive
from llm_proxy.relay.router import Router
from llm_proxy.relay.upstream import UpstreamClient
from llm_proxy.routing.lacking import Lacking
from llm_proxy.settings import Settings
from llm_proxy.telemetry.metrics.metering import Metering
from llm_proxy.telemetry.process_report import ProcessReport
from llm_proxy.telemetry.traces.tracer import Tracer
from llm_proxy.wire.calls import Deployment


class Running(Protocol):
    """A request in flight."""

    @property
    def upstream(self) -> Deployment | None:
        """Whom it is asked of, once that is known."""

    @property
    def streams(self) -> bool:
        """Whether its answer is a stream."""

    def abort(self, reason: GatewayError) -> None:
        """End it now: its upstream is closed, its client is told ``reason``."""


#: What stands in a page for the way from it to the root, which is another at each of its places.
PAGE_ROOT = "{{root}}"


@dataclass(frozen=True, slots=True)
class Document:
    """A body that never changes while the process lives. ``kind``: its media type; ``tag``: its ETag; ``policy``: its
    Content-Security-Policy, if it is a page."""

    body: bytes
    kind: str
    tag: str
    policy: str

    @classmethod
    def of(cls, body: bytes, kind: str, policy: str = "") -> Self:
        """With the tag that the body deserves."""
        return cls(body, kind, f'"{hashlib.sha256(body).hexdigest()[:16]}"', policy)


@dataclass(slots=True)
class Gateway:
    """The process's shared objects."""

    settings: Settings
    registry: Registry
    upstream: UpstreamClient
    #: What the upstreams say of their models, and of their load.
    knowledge: Knowledge = field(init=False)
    polls: LoadPolls = field(init=False)
    #: The same, ready for each request that has a choice.
    abilities: Abilities = field(init=False)
    #: The keep-alive rhythm of streams.
    keep_alive: KeepAlive = field(init=False)
    started_at: float = field(default_factory=time.time)
    #: True when the process stops: no new work is accepted.
    draining: bool = False
    #: True in the time before that: all is served, and who asks is told that it will end.
    lame_duck: bool = False
    running: set[Running] = field(default_factory=set)
    #: Those of them that go on without a client, for the sake of their usage.
    drained: set[Running] = field(default_factory=set)
    #: Endpoints that upstreams turned out not to have.
    lacking: Lacking = field(default_factory=Lacking)
    #: What is known of upstreams, and who waits for them.
    router: Router = field(default_factory=Router)
    #: Where work on large bodies and answers is done.
    offload: Offload = field(default_factory=Offload)
    #: How much of bodies may be held.
    memory: Memory = field(default_factory=lambda: Memory(1 << 40))
    #: What the status endpoint says about the watcher.
    watcher_report: Callable[[], dict[str, Any]] = dict
    #: What was heard of the models that an upstream lists, if it is asked for them.
    list_report: Callable[[Deployment], dict[str, Any] | None] = lambda row: None
    #: What each process of the service says of itself, this one among them, for the status endpoint.
    reports: Callable[[], list[ProcessReport]] = list
    #: Which model servers were found on this machine, and why others are not used; None: nobody looks.
    discovery_report: Callable[[], dict[str, Any] | None] = lambda: None
    #: Where Ollama's API has a port of its own, if it has.
    ollama_url: str | None = None
    #: About the certificate that clients see: None if there is none, else ``state``, ``problem``, ``loaded_at``.
    tls_report: Callable[[], dict[str, Any] | None] = lambda: None
    #: The OpenAPI document and the page that shows it; slow when called for the first time.
    documents: Callable[[], tuple[Document, ...]] = tuple
    #: What is counted and timed, and what brings the gauges up to date.
    metering: Metering = field(default_factory=Metering)
    refresh: Callable[[], None] = lambda: None
    #: What becomes of traces; None: nothing is recorded.
    tracer: Tracer | None = None
    #: Whether all that is bound are addresses of this machine alone.
    local: bool = False
    #: Who has which key, and what it may.
    gate: Gate = field(default_factory=Gate)
    #: What was used, and how much may be.
    books: Accounting = field(default_factory=Accounting)
    #: What is kept for the console, and who is told of each request that ends; None: there is no console.
    console: Console | None = None
    ended: Note | None = None
    #: Who may ask at all.
    door: FrontDoor = field(default_factory=FrontDoor.of)

    def __post_init__(self) -> None:
        self.knowledge = Knowledge(self.upstream)
        self.polls = LoadPolls(self.upstream, self.router.states)
        self.router.asked = self.polls.asked
        self.abilities = Abilities(self.knowledge)
        self.keep_alive = KeepAlive(self.settings.keepalive_after, self.settings.keepalive_interval)

    @property
    def stopping(self) -> bool:
        """Whether the process was told to stop."""
        return self.draining or self.lame_duck
