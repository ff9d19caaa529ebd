"""One process's parts: what is served, what that needs, and how they begin and end.

Laws: everything is built before the first connection is accepted; a stop first says so on ``/ping``, goes on serving for
the lame-duck time (none unless it is set) so that load balancers turn away, then stops accepting, lets running requests finish up to the drain limit and tells the rest honestly. Signals, and other
processes, are not known here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import handlers
import llm_proxy
import providers
from handlers.base.gateway import Gateway
from handlers.base.unknown import NoSuchPathHandler
from handlers.faces import ollama
from llm_proxy.clients.http_server import ALONE, SHARED, Server, StartError, connection_cap
from llm_proxy.live.access.accounting import Accounting
from llm_proxy.live.access.meter import Meter
from llm_proxy.live.access.shared_counters import LocalCounters
from llm_proxy.live.background_thread import BackgroundThread
from llm_proxy.live.state.generations import Generations
from llm_proxy.live.state.initial_state import open_state
from llm_proxy.live.state.reading import Unkept
from llm_proxy.live.state.registry import Registry, Snapshot
from llm_proxy.live.watching.watcher import Watcher
from llm_proxy.openapi import operations
from llm_proxy.relay.live_lists import LiveLists
from llm_proxy.relay.memory import COST, Memory
from llm_proxy.relay.router import Router
from llm_proxy.relay.upstream import UpstreamClient
from llm_proxy.routing.states import States
from llm_proxy.service.beside import Beside
from llm_proxy.service.certificate_watch import Certificate, CertificateWatch
from llm_proxy.service.configuration_sources import last_good_of, sources_of
from llm_proxy.service.console_parts import ConsoleParts
from llm_proxy.service.container import share_of
from llm_proxy.service.demo import DemoServer
from llm_proxy.service.doors import front_door, is_loopback
from llm_proxy.service.endpoints import make_app, metrics_routes, ollama_routes, routes_of
from llm_proxy.service.gauges import Gauges
from llm_proxy.service.heap import Heap
from llm_proxy.service.heartbeat import Heartbeat
from llm_proxy.service.leaving import LOOK, be_lame_duck, event_or, let_end
from llm_proxy.service.listeners import Listeners
from llm_proxy.service.looking import Looking
from llm_proxy.service.recalling import follow_edit, follow_others
from llm_proxy.service.scoreboard import Scoreboard
from llm_proxy.service.shared_state import SharedSnapshot, SharedState
from llm_proxy.service.surroundings import proxies
from llm_proxy.service.usage_books import ledger_of, shared_limits
from llm_proxy.settings import Settings
from llm_proxy.telemetry.metrics.metering import Metering
from llm_proxy.telemetry.metrics.shared_values import SharedValues
from llm_proxy.telemetry.traces.tracer import Tracer
from llm_proxy.upstreams.http_client import PooledHTTPClient, PoolLimits

log = logging.getLogger(__name__)


def check_layout() -> None:
    """The three packages must come from one place: their names are generic, and another distribution could shadow
    one of them. Raises ``StartError`` naming the paths."""
    homes = {
        p.__name__: Path(p.__file__ or "").resolve().parent.parent for p in (llm_proxy, handlers, providers)
    }
    if len(set(homes.values())) > 1:
        places = ", ".join(f"{name} from {home}" for name, home in homes.items())
        raise StartError(f"the packages do not belong together: {places}; install llm-proxy-api on its own")


class Service:
    """One process's parts, in the order in which they start; ``stop`` takes them down in reverse.

    ``shared`` is what a worker shares with the others, ``row`` its place among them; ``certificate`` is the one for
    clients, as the parent has found it; ``generations`` those of a program in whose place this one comes.
    """

    def __init__(
        self,
        settings: Settings,
        env: Mapping[str, str],
        shared: SharedState | None = None,
        row: int = 0,
        certificate: Certificate | None = None,
        generations: Generations | None = None,
    ) -> None:
        self.settings, self.row = settings, row
        self.beside = Beside(shared.beside if shared else None)
        generations = shared.generations if shared else generations
        self.demo = DemoServer()
        self.heap = Heap()
        sources = replace(
            sources_of(settings, env), demo_host=lambda: self.demo.host, added=self.beside.added
        )
        last_good = last_good_of(settings)
        opened = shared.first_state(sources) if shared else open_state(sources, last_good, generations)
        self.registry = Registry(
            sources,
            opened.snapshot,
            outcome=opened.outcome,
            generations=generations,
            last_good=last_good,
        )
        self.watcher = Watcher(self.registry, settings.watch)
        self.cells = shared.cells if shared else LocalCounters()
        self.cells.give_back(row)  # what whoever had this row before has left behind
        self.books = Accounting(
            Meter(self.cells, row),
            ledger_of(settings, shared.memory if shared else None),
            shared=shared_limits(settings, shared.service if shared else ""),
        )
        client = PooledHTTPClient(
            force_instance=True,
            limits=PoolLimits(connections=settings.upstream_connections, idle_http=settings.upstream_idle),
            pool_timeout=settings.upstream_wait,
            proxies=proxies(env),
        )
        self.gateway = Gateway(
            settings,
            self.registry,
            UpstreamClient(client),
            router=Router(_states(shared, row)),
            memory=Memory(
                share_of(settings.max_memory, shared.board.rows if shared else 1),
                self.heap.ebb,
                self.heap.flood,
            ),
            watcher_report=self.watcher.report,
            documents=partial(operations.documents, settings.ep_prefix, with_console=settings.console),
            books=self.books,
            metering=metering_of(settings, shared.sheets if shared else None, row),
            tracer=Tracer.of(env, settings.trace_attributes),
        )
        self.gateway.discovery_report = lambda: self.beside.report
        self.lists = LiveLists(self.registry, self.gateway.upstream, self.gateway.knowledge)
        self.gateway.list_report = self.lists.report
        certificate = certificate or Certificate.of(settings)
        self.certificates = CertificateWatch(certificate, tells=row == 0) if certificate else None
        if self.certificates:
            self.gateway.tls_report = self.certificates.report
        self.server = Server(
            limit=connection_cap(settings.max_connections),
            header_timeout=settings.header_timeout,
            keepalive_timeout=settings.keepalive_timeout,
            write_timeout=settings.write_timeout,
            at_once=SHARED if shared else ALONE,
            tls=self.certificates.context if self.certificates else None,
        )
        self.gauges = Gauges(self.gateway, self.server)
        self.registry.on_swap.append(lambda snapshot: self.gateway.upstream.forget())
        self.registry.on_swap.append(lambda snapshot: self.gateway.gate.forget())
        self._following: asyncio.Task[None] | None = None
        self._following_others: asyncio.Task[None] | None = None
        self._followed = self.registry.current.access
        if row == 0:  # of the workers one is enough
            self.registry.on_swap.append(self._follow_edit)
        self.registry.on_swap.append(lambda snapshot: self.demo.sync(snapshot.config.uses_demo))
        self.registry.on_rest.append(self._let_go)
        self.looking = Looking(settings, env, self.registry, self.beside, row)
        if shared is not None:
            self._hand_over(shared.states)
        self.console = ConsoleParts(self.gateway, shared, row) if settings.console else None
        self.heartbeat = Heartbeat(self.gateway, shared.board if shared else Scoreboard(), row)
        self.gateway.reports = self.heartbeat.reports

    async def look_first(self, listeners: Listeners) -> None:
        """For a program that takes another's place, before it starts: that one serves what it has found on this machine, and
        so must we from our first request on. What it pays from now on counts here too."""
        if self.row == 0 and self.settings.state is not None:
            follow = follow_others(lambda: self.registry.current.access, self.books, self.cells)
            self._following_others = asyncio.get_running_loop().create_task(follow)
        await self.looking.first(listeners)

    def _follow_edit(self, snapshot: Snapshot) -> None:
        """What an edit has made of the budgets."""
        follow = follow_edit(self._followed, snapshot.access, self.books)
        self._followed = snapshot.access
        self._following = asyncio.get_running_loop().create_task(
            follow
        )  # kept, since a loop knows its tasks weakly

    def _let_go(self) -> None:
        """While a large file of the keys was read more was in memory than stays."""
        if isinstance(self.registry.current.reading.access, Unkept):
            self.heap.give_back()

    def _hand_over(self, states: SharedSnapshot) -> None:
        """Keep each new state for workers that start later."""
        keeper = BackgroundThread("state-keeper")

        def keep(snapshot: Snapshot) -> None:
            keeper.run(states.keep, snapshot)

        self.registry.on_accepted.append(keep)

    def start(self, listeners: Listeners) -> None:
        """Accept. Call on the running loop."""
        self.demo.sync(self.registry.current.config.uses_demo)
        self._let_go()
        self._remove_files = listeners.remove_files
        gateway = self.gateway
        if gateway.memory.limit < self.settings.max_body_size * COST:
            largest = gateway.memory.limit // COST
            log.warning("bodies of the largest size cannot be held", extra={"largest": largest})
        gateway.ollama_url = listeners.ollama_url
        gateway.door = front_door(self.settings, listeners.addresses)
        gateway.local = all(map(is_loopback, listeners.addresses))
        if self.row == 0 and self.registry.current.access is None and not gateway.local:
            log.warning(
                "everybody who reaches this address may ask: there is no file of keys (LLM_PROXY_API_ACCESS)"
            )
        prefix = self.settings.ep_prefix
        everything = make_app(
            gateway, routes_of(prefix, console=self.settings.console), NoSuchPathHandler, prefix
        )
        self.server.add_sockets(listeners.main, everything)
        if listeners.metrics:
            told = make_app(gateway, metrics_routes(), NoSuchPathHandler)
            self.server.add_sockets(listeners.metrics, told)
        if listeners.ollama:
            alone = make_app(gateway, ollama_routes(), ollama.OllamaNotFoundHandler)
            self.server.add_sockets(listeners.ollama, alone)
        self.watcher.start()
        if self.books.ledger is not None:
            self.books.ledger.start()
        if self.books.shared is not None:
            self.books.shared.start()
        self.lists.start()  # after it: no edit may be missed while upstreams are asked
        if self.certificates:
            self.certificates.start()
        self.heartbeat.start()
        self.gauges.start()
        if self.console is not None:
            self.console.start()
        self.looking.start(listeners)

    def reread(self) -> asyncio.Task[None]:
        """Look at all files now; the task ends when what was seen of the configuration is judged."""
        if self.certificates:
            self.certificates.touch()
        return self.registry.touch("signal")

    async def stop(self, at_once: asyncio.Event, *, refuse: bool = True) -> None:
        """Drain and close. ``at_once`` cuts the wait short. Without ``refuse`` other processes go on serving, and what
        still arrives on open connections is answered, as long as nobody sets ``gateway.draining``."""
        gateway = self.gateway
        if refuse:
            await be_lame_duck(gateway, self.server, self.heartbeat, at_once)
        else:
            self.server.retire()
        gateway.draining |= refuse
        self._remove_files()
        if self.console is not None:
            await self.console.end_pages()
        self.heartbeat.leave()
        await let_end(gateway, self.server, at_once)
        self.heartbeat.stop()
        self.gauges.stop()
        if self.console is not None:
            self.console.stop()
        self.looking.stop()
        if gateway.tracer is not None:
            await asyncio.to_thread(gateway.tracer.stop)
        self.lists.stop()
        gateway.polls.close()
        gateway.abilities.close()
        gateway.upstream.close()
        gateway.offload.close()
        self.heap.close()
        for following in filter(None, (self._following, self._following_others)):
            following.cancel()
        if self.books.shared is not None:
            await self.books.shared.close()
        if self.books.ledger is not None:
            self.books.ledger.close()
        self.watcher.stop()
        if self.certificates:
            self.certificates.stop()
        self.registry.close()
        self.demo.close()

    async def hand_over(self, told_to_stop: asyncio.Event) -> None:
        """Another program serves in our place: accept no more, and answer what is asked on open connections, each of which
        ends with an answer that says so, or when it has been idle for its time. Returns when nobody is left, or when
        we are told to stop: then ``stop`` goes on with its limits."""
        self.server.retire()
        self.heartbeat.leave()
        while self.server.open and not told_to_stop.is_set():
            if self.console is not None:
                # Again and again: a page comes back on the connection that it has.
                await self.console.end_pages()
            await event_or(told_to_stop, LOOK)


def _states(shared: SharedState | None, row: int) -> States:
    """What this process knows of upstreams, together with the other workers if there are any."""
    if shared is None:
        return States()
    shared.upstreams.join(row)
    return States(shared.upstreams)


def metering_of(settings: Settings, sheets: SharedValues | None, row: int) -> Metering:
    """What a process counts, in sheets of its own unless it shares them."""
    sheets = sheets or SharedValues(1, settings.metrics_max_series)
    return Metering(sheets, row, names=settings.metrics_names, keep=settings.metrics_keep)
