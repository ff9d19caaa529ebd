"""The course of events: requests come, are sent to servers, wait, fail, are answered. Virtual time; the same seed, the same
course."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from benchmarks.simulation.choosers import Ask, Chooser
from benchmarks.simulation.load import Conversations, Request
from benchmarks.simulation.servers import Flight, Server
from llm_proxy.errors import UpstreamTimeout

#: How long a first token is waited for, and how often servers are asked how busy they are, in seconds.
FIRST_BYTE, POLL = 30.0, 1.0


@dataclass(slots=True)
class Result:
    """``waits``: seconds to the first token, by the time at which a request came; failures have none."""

    name: str
    came: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    sent: int = 0

    @property
    def failures(self) -> float:
        """The share of requests that failed."""
        return len(self.failed) / max(1, len(self.failed) + len(self.waits))

    @property
    def hits(self) -> float:
        """The share of prompt tokens that lay in a cache."""
        return self.cached_tokens / max(1, self.prompt_tokens)

    def quantile(self, share: float) -> float:
        """What that share of the answered requests waited at most."""
        known = sorted(self.waits)
        return known[min(len(known) - 1, int(share * len(known)))] if known else float("inf")


class Course:
    """One run."""

    def __init__(
        self, chooser: Chooser, servers: list[Server], requests: int, rate: float, seed: int
    ) -> None:
        self._chooser, self._servers = chooser, servers
        self._left = requests
        self._load = Conversations(seed)
        self._gaps = self._load.gaps(rate)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()
        self._open = 0
        self.now = 0.0
        self.result = Result(chooser.name)

    def run(self) -> Result:
        """Until every request has ended."""
        self._at(0.0, self._conversation)
        self._at(0.0, self._poll)
        while self._events:
            self.now, _, event = heapq.heappop(self._events)
            event()
        return self.result

    def _at(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._number), event))

    def _conversation(self) -> None:
        if self._left > 0:
            self._come(self._load.first())
            self._at(self.now + next(self._gaps), self._conversation)

    def _poll(self) -> None:
        self._chooser.polled(self._servers, self.now)
        if self._left > 0 or self._open:
            self._at(self.now + POLL, self._poll)

    def _come(self, request: Request) -> None:
        if self._left > 0:
            self._left -= 1
            self._open += 1
            self._try(Ask(request, self.now))

    def _try(self, ask: Ask) -> None:
        found = self._chooser.choose(ask, self.now)
        if found is None:
            self._fail(ask)
        elif isinstance(found, float):
            self._at(found, lambda: self._try(ask))
        else:
            self._send(ask, self._servers[found])

    def _send(self, ask: Ask, server: Server) -> None:
        self.result.sent += 1
        error = server.refusal(self.now)
        if error is not None:
            if self._chooser.failed(ask, server.number, self.now, error):
                self._try(ask)
            else:
                self._fail(ask)
            return
        flight = Flight(ask.request, self.now)
        self._at(self.now + FIRST_BYTE, lambda: self._late(ask, flight, server))
        if server.hangs(self.now):
            return
        if server.has_slot():
            self._begin(ask, flight, server)
        else:
            server.waiting.append(flight)
            flight.begin = lambda: self._begin(ask, flight, server)

    def _begin(self, ask: Ask, flight: Flight, server: Server) -> None:
        first, end = server.start(flight, self.now)
        self._at(first, lambda: self._first(ask, flight, server))
        self._at(end, lambda: self._end(ask, flight, server))

    def _first(self, ask: Ask, flight: Flight, server: Server) -> None:
        if not flight.over:
            flight.first = True
            self._chooser.first_token(ask, server.number, self.now)
            self.result.came.append(ask.began)
            self.result.waits.append(self.now - ask.began)

    def _end(self, ask: Ask, flight: Flight, server: Server) -> None:
        if not flight.over:
            flight.over = True
            self._chooser.served(ask, server.number, self.now, flight.cached)
            self.result.prompt_tokens += ask.request.context
            self.result.cached_tokens += flight.cached
            self._done(ask)
        following = server.end()
        if following is not None:
            following.begin()

    def _late(self, ask: Ask, flight: Flight, server: Server) -> None:
        if flight.first or flight.over:
            return
        flight.over = True
        error = UpstreamTimeout.of("first_byte", FIRST_BYTE)
        if self._chooser.failed(ask, server.number, self.now, error):
            self._try(ask)
        else:
            self._fail(ask)

    def _fail(self, ask: Ask) -> None:
        self.result.failed.append(ask.began)
        self._open -= 1

    def _done(self, ask: Ask) -> None:
        self._open -= 1
        following = self._load.next(ask.request)
        if following is not None and self._left > 0:
            pause, request = following
            self._at(self.now + pause, lambda: self._come(request))
