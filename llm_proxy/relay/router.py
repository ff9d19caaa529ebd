"""What a process keeps of its upstreams for all requests, and who waits for one of them.

Laws: one ``Router`` for each process; its state outlives every edit (``routing.states``). Whoever is first in a queue looks
again whenever a request has ended, and at the time that ``pick`` has named; nobody else does. A queue exists only while
somebody waits in it.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

from llm_proxy.live.config.catalog import Resolved
from llm_proxy.relay.view import Told, View
from llm_proxy.relay.waiting import Waiting
from llm_proxy.routing.queueing import Priority, Queue, Ticket
from llm_proxy.routing.states import Event, States
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.policies import QueuePolicy

log = logging.getLogger(__name__)

#: Seconds between two lines about the same trouble, and how many troubles are remembered.
_TELL_EVERY, _MOST = 60.0, 1000

_NOBODY: frozenset[Ticket] = frozenset()


class Line:
    """The queue of one public name."""

    __slots__ = ("_stuck", "queue")

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        #: Those for whom there was nothing when they looked last.
        self._stuck = _NOBODY

    def join(
        self, waiting: Waiting, key: str, priority: Priority, now: float, policy: QueuePolicy
    ) -> Ticket | None:
        """A place in it; None if it is full."""
        ticket = Ticket(key, priority, now, policy.wait, waiting)
        return ticket if self.queue.enter(ticket, policy.size) else None

    def first(self, now: float) -> Ticket | None:
        """Whose turn it is to look."""
        return self.queue.first(now, self._stuck)

    def nothing_for(self, ticket: Ticket, now: float) -> None:
        """It has looked in vain: the next may want something else."""
        self._stuck |= {ticket}
        self._wake(now)

    def look(self, now: float) -> None:
        """Something has changed."""
        self._stuck = _NOBODY
        self._wake(now)

    def leave(self, ticket: Ticket, now: float, *, served: bool) -> None:
        """It waits no more."""
        self.queue.leave(ticket, now, served=served)
        self._stuck -= {ticket}
        self._wake(now)

    def _wake(self, now: float) -> None:
        first = self.first(now)
        if first is not None:
            assert isinstance(first.wake, Waiting)
            first.wake.wake()


class Router:
    """See the module. ``chance``: from 0 to below 1."""

    def __init__(self, states: States | None = None, chance: Callable[[], float] = random.random) -> None:
        self.states = States() if states is None else states
        self.chance = chance
        self.asked: Told = lambda name, rows, now: None
        #: By public name, the queues in which anybody waits.
        self.lines: dict[str, Line] = {}
        #: By the name that is asked for.
        self.views: dict[str, View] = {}
        #: When it was last told of an upstream that it does not know its model.
        self._misnamed: dict[str, float] = {}

    def view(self, resolved: Resolved) -> View:
        """What the requests for that name, as it is spelled, have in common."""
        found = self.views.get(resolved.asked)
        if found is None or found.resolved is not resolved:
            self.views.pop(resolved.asked, None)
            found = self.views[resolved.asked] = View(resolved)
            if len(self.views) > _MOST:
                del self.views[next(iter(self.views))]
        return found

    def line(self, name: str, now: float) -> Line:
        """The queue of a public name."""
        found = self.lines.get(name)
        if found is None:
            found = self.lines[name] = Line(self.states.model(name, now).queue)
        return found

    def waiting(self, name: str) -> Line | None:
        """The same, if anybody waits there."""
        return self.lines.get(name)

    def lengths(self) -> dict[str, int]:
        """How many wait for each public name, where anybody does."""
        return {name: len(line.queue) for name, line in self.lines.items()}

    def left(self, name: str) -> None:
        """One has left that queue."""
        line = self.lines.get(name)
        if line is not None and not len(line.queue):
            del self.lines[name]

    def freed(self, now: float) -> None:
        """A request has ended somewhere."""
        if self.lines:
            for line in tuple(self.lines.values()):
                line.look(now)

    def note(self, deployment: Deployment, event: Event | None) -> None:
        """Tell the operator what has happened to an upstream."""
        if event is not None:
            fields = {"provider": deployment.provider, "upstream_model": deployment.model}
            level, text = _EVENTS[event]
            log.log(level, text, extra=fields)

    def note_misnamed(self, deployment: Deployment, now: float) -> None:
        """Its upstream does not know the model: told once a minute, because nobody but the operator can mend it."""
        key, known = deployment.upstream_key, self._misnamed
        if now < known.get(key, -_TELL_EVERY) + _TELL_EVERY:
            return
        known.pop(key, None)
        known[key] = now
        if len(known) > _MOST:
            del known[next(iter(known))]
        fields = {"provider": deployment.provider, "upstream_model": deployment.model}
        log.error("an upstream does not know the model", extra=fields)


_EVENTS = {
    "ejected": (logging.WARNING, "an upstream fails, and is left alone for a while"),
    "refused": (logging.ERROR, "an upstream rejects our key, and is left alone for a while"),
    "returned": (logging.INFO, "an upstream is well again"),
}
