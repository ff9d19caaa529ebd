"""Names to addresses, without letting one dead name server stop the rest.

Laws: an IP literal never reaches a thread; each name has at most one look-up in flight; an answer is kept for ``ttl``
seconds, and longer when the name server fails or hangs, but not after connecting to it has failed (``again``); the
addresses of a name take turns at being the first, each in its family, so that the system's choice of the family stands;
the number of threads is bounded, and when all of them hang the next name fails at once instead of queueing behind
them. This module refuses to know about HTTP.

Why not the loop's ``getaddrinfo``: asyncio's default executor has ``cores + 4`` threads and uvloop uses two, so a few
hanging names stall every other one. Why daemon threads instead of an executor: the interpreter joins an executor's
threads at exit, and a hanging look-up would hold the process for as long as the system's resolver retries.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from llm_proxy.net.faults import ResolveError

#: ``socket.getaddrinfo``'s signature and result: (family, type, protocol, canonical name, address) each.
Lookup = Callable[..., Sequence[tuple[Any, Any, int, str, tuple[Any, ...]]]]

#: Seconds for which an answer is kept that has turned out to be partly wrong.
_SOON = 1.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect: an address family and a numeric host. ``scope`` is IPv6's interface number."""

    family: socket.AddressFamily
    host: str
    scope: int = 0

    def sockaddr(self, port: int) -> tuple[Any, ...]:
        """What ``socket.connect`` takes."""
        if self.family is socket.AF_INET6:
            return (self.host, port, 0, self.scope)
        return (self.host, port)


@dataclass(slots=True)
class _Entry:
    """``groups`` has a name's addresses by family, ``turn`` counts how often they were given out, ``bad`` are those that
    others had to stand in for."""

    groups: tuple[tuple[Address, ...], ...]
    until: float
    turn: int = 0
    bad: frozenset[Address] = frozenset()

    def next(self) -> tuple[Address, ...]:
        """All addresses: families alternate from the first one on (RFC 8305, section 4), bad ones come last."""
        turn, self.turn = self.turn, self.turn + 1
        groups = [group[turn % len(group) :] + group[: turn % len(group)] for group in self.groups]
        longest = max(map(len, groups))
        found = [group[i] for i in range(longest) for group in groups if i < len(group)]
        return tuple(sorted(found, key=self.bad.__contains__) if self.bad else found)


class Resolver:
    """A cache of names in front of a bounded number of look-up threads; belongs to one event loop.

    ``ttl``: seconds for which an answer is used without asking again. ``patience``: seconds for which a request waits
    for a fresh answer when an old one is known. ``threads``: look-ups that may hang at once. ``capacity``: names kept.
    """

    def __init__(
        self,
        lookup: Lookup = socket.getaddrinfo,
        *,
        ttl: float = 30.0,
        patience: float = 1.0,
        threads: int = 32,
        capacity: int = 1024,
    ) -> None:
        self._lookup = lookup
        self._ttl = ttl
        self._poll_interval = patience
        self._threads = threads
        self._capacity = capacity
        self._known: dict[str, _Entry] = {}
        self._running: dict[str, asyncio.Future[_Entry]] = {}

    async def resolve(self, host: str) -> tuple[Address, ...]:
        """The addresses of ``host``, best first, at least one. Raises ``ResolveError``.

        Cancelling the caller does not cancel the look-up, which others may share.
        """
        literal = parse_literal(host)
        if literal is not None:
            return (literal,)
        loop = asyncio.get_running_loop()
        entry = self._known.get(host)
        if entry is not None and loop.time() < entry.until:
            return entry.next()
        try:
            running = self._running.get(host) or self._start(loop, host)
            done, _ = await asyncio.wait((running,), timeout=None if entry is None else self._poll_interval)
            if done:
                return running.result().next()
        except ResolveError:
            if entry is None:
                raise
        assert entry is not None
        return entry.next()

    def expire(self, host: str) -> None:
        """The answer for ``host`` has turned out badly: the next one who wants it asks anew, and takes the old one only
        if there is no other."""
        if (entry := self._known.get(host)) is not None:
            entry.until = 0.0

    def demote(self, host: str, addresses: Iterable[Address]) -> None:
        """Others had to stand in for these: they come last until the next look-up, which is soon."""
        if (entry := self._known.get(host)) is not None and (bad := frozenset(addresses)):
            entry.bad |= bad
            entry.until = min(entry.until, asyncio.get_running_loop().time() + _SOON)

    def equals(self, host: str, address: str) -> tuple[str, ...]:
        """The numeric addresses of ``host`` that are as good as this one of them, in its family; it is among them."""
        entry = self._known.get(host)
        for group in entry.groups if entry is not None else ():
            if any(one.host == address for one in group):
                bad = entry.bad if entry is not None else ()
                return tuple(one.host for one in group if one not in bad or one.host == address)
        return (address,)

    async def again(self, host: str) -> tuple[Address, ...]:
        """Where ``host`` is now, after connecting to what was known has failed; empty if that cannot be said."""
        self.expire(host)
        try:
            return await self.resolve(host) if parse_literal(host) is None else ()
        except ResolveError:
            return ()

    def _start(self, loop: asyncio.AbstractEventLoop, host: str) -> asyncio.Future[_Entry]:
        if len(self._running) >= self._threads:
            raise ResolveError(f"cannot look up {host}: all look-up threads hang", "resolve", "exhausted")
        future: asyncio.Future[_Entry] = loop.create_future()
        # Mark a failure as seen: the only waiter may have been aborted meanwhile.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._running[host] = future
        thread = threading.Thread(target=self._work, args=(loop, host), name=f"resolve {host}", daemon=True)
        thread.start()
        return future

    def _work(self, loop: asyncio.AbstractEventLoop, host: str) -> None:
        """Runs in its own thread: one blocking look-up."""
        found: tuple[tuple[Address, ...], ...] | ResolveError
        try:
            found = _addresses(self._lookup(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP))
            if not found:
                found = ResolveError(f"{host} has no address", "resolve", "nxdomain")
        except (OSError, UnicodeError) as error:
            found = ResolveError(f"{host} does not resolve: {error}", "resolve", "nxdomain")
            found.__cause__ = error
            found.errno = getattr(error, "errno", None)
        try:
            loop.call_soon_threadsafe(self._finished, loop, host, found)
        except RuntimeError:
            return  # the loop was closed meanwhile: nobody waits

    def _finished(
        self,
        loop: asyncio.AbstractEventLoop,
        host: str,
        found: tuple[tuple[Address, ...], ...] | ResolveError,
    ) -> None:
        future = self._running.pop(host)
        if isinstance(found, ResolveError):
            future.set_exception(found)
            return
        before = self._known.pop(host, None)  # so that the newest is last, and the first is the oldest
        entry = _Entry(found, loop.time() + self._ttl, before.turn if before is not None else 0)
        self._known[host] = entry
        if len(self._known) > self._capacity:
            del self._known[next(iter(self._known))]
        future.set_result(entry)


def parse_literal(host: str) -> Address | None:
    """The address that ``host`` itself spells (``%scope`` allowed for IPv6), or None when it is a name."""
    if ":" not in host:
        try:
            socket.inet_pton(socket.AF_INET, host)
        except (OSError, ValueError):
            return None
        return Address(socket.AF_INET, host)
    bare, _, scope = host.partition("%")
    try:
        socket.inet_pton(socket.AF_INET6, bare)
        number = (int(scope) if scope.isdecimal() else socket.if_nametoindex(scope)) if scope else 0
    except (OSError, ValueError):
        return None
    return Address(socket.AF_INET6, bare, number)


def _addresses(
    found: Sequence[tuple[Any, Any, int, str, tuple[Any, ...]]],
) -> tuple[tuple[Address, ...], ...]:
    """By family, that of the system's first choice first, without duplicates."""
    by_family: dict[socket.AddressFamily, list[Address]] = {}
    for family, _, _, _, sockaddr in found:
        if family not in (socket.AF_INET, socket.AF_INET6):
            continue
        scope = sockaddr[3] if family == socket.AF_INET6 else 0
        address = Address(family, sockaddr[0].partition("%")[0], scope)
        group = by_family.setdefault(family, [])
        if address not in group:
            group.append(address)
    return tuple(map(tuple, by_family.values()))
