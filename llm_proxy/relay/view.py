"""What all requests for one name have in common, while it means the same: made once, not for each of them.

Laws: what passes by itself (a pool, what is known of the upstreams' abilities, whom to ask how busy it is) is looked at again once a
second; what a request must see at once (failures, what is in flight) stands in the states and is read there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from llm_proxy.live.config.catalog import Resolved
from llm_proxy.routing.pool import Pool, pool_of
from llm_proxy.routing.standing import standing
from llm_proxy.routing.states import ModelState, States
from llm_proxy.wire.calls import Deployment

#: Retries where a model has several upstreams and nobody has said how many.
_RETRIES = 2
#: Seconds until it is looked at again.
_FRESH = 1.0
#: And until a pool is made anew, because it does not know of those that have restarted.
_OLD = 30.0

#: Told of each name that is asked for: who may serve it, and when that was.
Told = Callable[[str, Sequence[Deployment], float], None]
log = logging.getLogger("llm_proxy.relay.choosing")


class View:
    """``pool``: of whom a request can be served that needs no thought; None if each does. ``room``: up to how many bytes it needs none
    about who is able to take it. ``state``: the model's. ``due``,
    ``forgotten``: when, and after how many upstreams were forgotten, somebody must ``look`` again."""

    __slots__ = (
        "_old",
        "due",
        "forgotten",
        "polled",
        "pool",
        "resolved",
        "retries",
        "room",
        "rows",
        "state",
        "tells",
    )

    state: ModelState

    def __init__(self, resolved: Resolved) -> None:
        self.resolved = resolved
        self.rows = list(resolved.deployments)
        #: Those that may be asked how busy they are.
        self.polled = [row for row in self.rows if row.weight > 0]
        given = resolved.policy.retries
        self.retries = given if given is not None else _RETRIES * (len(self.rows) > 1)
        self.pool: Pool | None = None
        self.room = 0.0
        #: Whether anybody wants to hear why each upstream was chosen.
        self.tells = False
        self.due = self._old = 0.0
        self.forgotten = -1

    def look(self, states: States, asked: Told, now: float, room: Callable[[Resolved], float]) -> None:
        """See how things are. ``room``: up to how many bytes any of the upstreams can take just any request."""
        resolved = self.resolved
        self.state = states.model(resolved.name, now)
        asked(resolved.name, self.polled, now)
        self.tells = log.isEnabledFor(logging.DEBUG)
        self.room = room(resolved)
        if resolved.policy.hedge is not None or not self.room:
            self.pool, self._old = None, 0.0
        elif now >= self._old or self.forgotten != states.forgotten:
            self.pool, self._old = self._pool(states, now), now + _OLD
        self.due, self.forgotten = now + _FRESH, states.forgotten

    def _pool(self, states: States, now: float) -> Pool | None:
        return pool_of(self.rows, states, now, self.resolved.policy, pinned=self.resolved.pinned)


def tell_why(chosen: Deployment, why: str, rows: Sequence[Deployment], states: States, now: float) -> None:
    """For whoever looks at the log: why this one, and why not the others."""
    stand = [standing(row, states.known(row, now), now) for row in rows]
    skipped = [f"{one.provider}: {one.state} ({one.why})" for one in stand if one.state != "ok"]
    log.debug("upstream chosen", extra={"provider": chosen.provider, "why": why, "skipped": skipped})
