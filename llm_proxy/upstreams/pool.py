"""Which connection a request gets: keep-alive, limits for each host, and a fair queue.

Laws: the newest idle connection is used first, so that the surplus grows old and is closed; a connection older than
its limit is never used, even if its timer is late; where a name has several addresses, requests that follow each other
closely take them in turn; at most ``limit`` connections exist for each route, and whoever
comes later waits in order, unless too many wait already; a request that has said so gives way to one that would wait,
the oldest first. The pool never waits itself: it calls. This module refuses to
know about HTTP and about how a connection is made.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from random import uniform
from typing import Protocol

from llm_proxy.net.faults import PoolExhausted
from llm_proxy.upstreams.http1 import Connection
from llm_proxy.upstreams.target import Route

#: Seconds within which a request follows another closely.
_CLOSELY = 1.0


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """``connections`` for each route, ``waiting`` requests for each route, ``total`` requests in progress over all
    routes (0: no limit), and seconds for which an unused connection is kept. Servers on uvicorn (vLLM among them)
    close theirs after 5 s, hence less than that for plain HTTP. ``age``: seconds, give or take a tenth, after which a
    connection carries no further request, so that a name that has moved is followed."""

    connections: int = 10_000
    waiting: int = 1_000
    total: int = 0
    idle_http: float = 4.0
    idle_https: float = 30.0
    age: float = 600.0


class Waiter(Protocol):
    """A request in need of a connection."""

    def on_slot(self, connection: Connection | None) -> None:
        """The request may go: on ``connection``, or (None) on one that it makes itself."""

    def on_refused(self, error: PoolExhausted) -> None:
        """The request waited for the overall limit, and now its host's queue is full."""


class Yielding(Protocol):
    """A request whose slot others may have."""

    def give_way(self) -> None:
        """Somebody waits: leave now."""


class _Host:
    """The connections of one route. ``taken`` counts slots in use: requests that carry or make a connection."""

    __slots__ = ("idle", "keep", "known", "peers", "taken", "turn", "waiting", "yielding")

    def __init__(self, keep: float) -> None:
        #: Ordered by age: the newest is last.
        self.idle: OrderedDict[Connection, None] = OrderedDict()
        self.waiting: OrderedDict[Waiter, None] = OrderedDict()
        self.yielding: OrderedDict[Yielding, None] = OrderedDict()
        self.taken = 0
        self.keep = keep
        #: The numeric addresses that take turns, and how many turns there were; none if there is but one.
        self.peers: tuple[str, ...] = ()
        #: The only addresses that still are the route's, if that was found out.
        self.known: frozenset[str] | None = None
        self.turn = 0


class Pool:
    """All connections of one client; belongs to one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: PoolLimits) -> None:
        self._loop = loop
        self._limits = limits
        self._hosts: dict[Route, _Host] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._total = 0
        #: Requests that wait because of ``limits.total``, and where they want to go.
        self._overall: OrderedDict[Waiter, Route] = OrderedDict()

    def enter(self, route: Route, waiter: Waiter) -> None:
        """Call ``waiter.on_slot``, now or when a slot is free. Raises ``PoolExhausted``. Each call of ``on_slot`` is to
        be followed by one ``leave``; a waiter that gives up before it calls ``cancel``."""
        if self._limits.total and self._total >= self._limits.total:
            self._overall[waiter] = route
            return
        host = self._hosts.get(route)
        if host is None:
            keep = self._limits.idle_https if route.scheme == "https" else self._limits.idle_http
            host = self._hosts[route] = _Host(keep)
        if host.taken < self._limits.connections:
            self._total += 1
            host.taken += 1
            waiter.on_slot(self._idle(host))
        elif host.yielding:
            host.waiting[waiter] = None
            host.yielding.popitem(last=False)[0].give_way()
        elif len(host.waiting) < self._limits.waiting:
            host.waiting[waiter] = None
        else:
            raise PoolExhausted(f"{len(host.waiting)} requests wait for {route.where}", "pool", "exhausted")

    def cancel(self, route: Route, waiter: Waiter) -> None:
        """``waiter`` gives up its place in the queue, if it has one."""
        if self._overall.pop(waiter, None) is None and (host := self._hosts.get(route)) is not None:
            host.waiting.pop(waiter, None)

    def offer(self, route: Route, request: Yielding) -> None:
        """``request``, which has a slot, gives it up as soon as somebody waits for one. ``leave`` is to be called all the
        same, and ``keep`` before it."""
        host = self._hosts[route]
        if host.waiting:
            request.give_way()
        else:
            host.yielding[request] = None

    def keep(self, route: Route, request: Yielding) -> None:
        """``request`` offers its slot no more."""
        self._hosts[route].yielding.pop(request, None)

    def leave(self, route: Route, connection: Connection | None) -> None:
        """Free a slot. ``connection`` may be used again; None when there is none to give back."""
        host = self._hosts[route]
        if connection is not None and (
            self._loop.time() >= connection.until
            or (host.known is not None and connection.peer not in host.known)
        ):
            connection.abort()
            connection = None
        if host.waiting:
            waiter, _ = host.waiting.popitem(last=False)
            waiter.on_slot(connection)
            return
        self._total -= 1
        host.taken -= 1
        if connection is not None:
            self._keep(host, connection)
        elif not host.taken and not host.idle:
            del self._hosts[route]
        if self._overall:
            self._admit()

    def made(self, route: Route, connection: Connection, peers: tuple[str, ...]) -> None:
        """``connection`` is new; ``peers`` are the addresses that serve the route just as well, its own among them."""
        connection.until = self._loop.time() + self._limits.age * uniform(0.9, 1.1)
        if (host := self._hosts.get(route)) is not None:
            host.peers = peers if len(peers) > 1 else ()
            if host.known is not None and connection.peer not in host.known:
                host.known = None

    def moved(self, name: str, addresses: frozenset[str]) -> None:
        """``name`` has these addresses now: connections to others carry no further request."""
        for route, host in self._hosts.items():
            if route.peer == name:
                host.known = addresses
                for connection in [one for one in host.idle if one.peer not in addresses]:
                    del host.idle[connection]
                    connection.idle_closed = None
                    connection.abort()

    def close(self) -> None:
        """Close all idle connections."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for host in self._hosts.values():
            while host.idle:
                host.idle.popitem()[0].abort()

    @property
    def idle(self) -> int:
        """How many connections are open and unused."""
        return sum(len(host.idle) for host in self._hosts.values())

    @property
    def waiting(self) -> int:
        """How many requests wait for a slot."""
        return len(self._overall) + sum(len(host.waiting) for host in self._hosts.values())

    @property
    def taken(self) -> int:
        """How many slots are in use."""
        return self._total

    def _admit(self) -> None:
        """Let the first of those go on that wait because of the overall limit."""
        waiter, route = self._overall.popitem(last=False)
        try:
            self.enter(route, waiter)
        except PoolExhausted as error:
            waiter.on_refused(error)

    def _idle(self, host: _Host) -> Connection | None:
        """The newest idle connection that may still be used; of the address whose turn it is, if addresses take turns
        and requests follow closely: for a lone request a new connection would cost more than it spreads."""
        now = self._loop.time()
        while host.idle:
            connection = next(reversed(host.idle))
            if host.peers and now - (connection.idle_until - host.keep) < _CLOSELY:
                host.turn += 1
                wanted = host.peers[host.turn % len(host.peers)]
                found = next((one for one in reversed(host.idle) if one.peer == wanted), None)
                if found is None:
                    return None
                connection = found
            del host.idle[connection]
            connection.idle_closed = None
            if connection.alive and now < min(connection.idle_until, connection.until):
                return connection
            connection.abort()
        return None

    def _keep(self, host: _Host, connection: Connection) -> None:
        connection.idle_until = self._loop.time() + host.keep
        connection.idle_closed = host.idle.pop
        host.idle[connection] = None
        if self._sweeper is None:
            self._sweeper = self._loop.call_at(connection.idle_until, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for too long; runs as long as anything is idle."""
        now = self._loop.time()
        following: list[float] = []
        for route, host in list(self._hosts.items()):
            while host.idle and (oldest := next(iter(host.idle))).idle_until <= now:
                host.idle.popitem(last=False)
                oldest.abort()
            if host.idle:
                following.append(next(iter(host.idle)).idle_until)
            elif not host.taken and not host.waiting:
                del self._hosts[route]
        self._sweeper = self._loop.call_at(min(following), self._sweep) if following else None
