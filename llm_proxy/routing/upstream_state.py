"""One upstream and one server, as a process knows them: how busy, how fast, how well, and how long they want to be left alone.

Laws: state belongs to an upstream's key, never to a row of the configuration. Time is monotonic seconds and handed in. What
several workers share is taken in by ``pull`` and told by ``push``; with one, ``slot`` is None.
"""

from __future__ import annotations

from collections import deque
from itertools import count

from llm_proxy.routing.ejection import Health
from llm_proxy.routing.hedging import FirstTokens
from llm_proxy.routing.sharing import Slot
from llm_proxy.routing.signals import Signal

#: How an upstream that does not say for how long is left alone: first, and at most, in seconds.
_NAP, _LONGEST_NAP = 1.0, 30.0
#: A poll older than this many seconds says nothing.
STALE = 5.0
#: An upstream that would have to load the model first counts as so many requests busier.
COLD = 2.0
#: So many streams say how fast the tokens come.
_SPEEDS = 32

_tags = count(1)


class ServerState:
    """A server and our key for it, for all models that it serves."""

    __slots__ = ("health", "key", "slot")

    def __init__(self, key: str) -> None:
        self.key = key
        self.health = Health()
        self.slot: Slot | None = None


class UpstreamState:
    """One upstream and model. ``in_flight``: requests of this process."""

    __slots__ = (
        "arrival_requests", "arrival_tokens", "asleep_since", "asleep_until", "busy", "cached_tokens", "counter", "first_at",
        "first_seconds", "first_tokens", "health", "in_flight", "key", "limited", "naps",
        "polled_at", "prompt_tokens", "server", "slot", "speeds", "stamp", "tag", "used_at", "waiting",
        "whole_at", "whole_seconds",
    )  # fmt: skip

    def __init__(self, key: str, server: ServerState) -> None:
        self.key = key
        self.server = server
        self.health = Health()
        self.slot: Slot | None = None
        self.tag = next(_tags)
        self.in_flight = 0
        self.used_at = 0.0
        #: Up to which of the things that workers tell each other this is known here.
        self.stamp = -1
        #: What it says of itself: requests that wait there, and what they are reckoned as.
        self.polled_at, self.waiting, self.busy = -STALE, 0.0, 0.0
        self.counter = 0.0
        #: The usual time to the first token of a stream, and to the end of a whole answer; 0: not known.
        self.first_seconds = self.first_at = 0.0
        self.whole_seconds = self.whole_at = 0.0
        self.first_tokens = FirstTokens()
        #: Of the newest streams, how many tokens they had, as their upstream tells it, and the seconds since the first.
        self.speeds: deque[tuple[int, float]] = deque(maxlen=_SPEEDS)
        self.prompt_tokens = self.cached_tokens = 0.0
        self.asleep_until = self.asleep_since = 0.0
        self.limited = False
        self.naps = 0
        self.arrival_requests = self.arrival_tokens = 0.0

    @property
    def troubled(self) -> bool:
        """Whether anything would change if it served a request."""
        return bool(
            self.health.until
            or self.server.health.until
            or self.health.in_a_row
            or self.server.health.in_a_row
        )

    @property
    def tokens_per_second(self) -> float:
        """How fast the tokens of a stream came lately; 0 if nobody knows."""
        told = [(tokens, seconds) for tokens, seconds in self.speeds if tokens > 1 and seconds > 0]
        return sum([tokens for tokens, _ in told]) / sum([seconds for _, seconds in told]) if told else 0.0

    @property
    def others(self) -> int:
        """Requests in flight from the other worker processes."""
        return 0 if self.slot is None else self.slot.others

    def load(self, now: float) -> float:
        """Requests in flight, from all workers, and waiting there."""
        busy = self.busy if self.busy and now < self.polled_at + STALE else 0.0
        return self.in_flight + busy if self.slot is None else self.in_flight + self.slot.others + busy

    def pull(self, now: float) -> None:
        """See what the other workers know of it."""
        if self.slot is not None:
            self.slot.pull(self, now)
        if self.server.slot is not None:
            self.server.slot.pull_health(self.server.health, now)

    def push(self, now: float) -> None:
        """Tell the other workers what is known here; after ``pull``, and what has come of it."""
        if self.slot is not None:
            self.slot.push(self, now)
        if self.server.slot is not None:
            self.server.slot.push_health(self.server.health, now)

    def restarted(self) -> None:
        """Its cache is empty: what it held is forgotten."""
        self.tag = next(_tags)

    def polled(self, now: float, signal: Signal) -> None:
        """It has said how busy it is."""
        if signal.counter is not None:
            if signal.counter < self.counter:
                self.restarted()
            self.counter = signal.counter
        # To load a model takes about as long as to answer some requests.
        self.busy = signal.waiting + (COLD if signal.warm is False else 0.0)
        self.polled_at, self.waiting = now, signal.waiting

    def sleep(self, now: float, began: float, seconds: float, limited: bool) -> None:
        """Leave it alone for so many seconds; 0: for longer each time that it asks for it."""
        if not seconds:
            if began < self.asleep_since:
                return  # it was asked before it said so
            seconds = min(_LONGEST_NAP, _NAP * 2.0 ** min(self.naps, 10))
            self.naps += 1
        self.asleep_since = now
        self.asleep_until = max(self.asleep_until, now + seconds)
        self.limited = limited

    def forget_speed(self) -> None:
        """It is tried anew: how fast it was says nothing."""
        self.first_seconds = self.whole_seconds = 0.0
