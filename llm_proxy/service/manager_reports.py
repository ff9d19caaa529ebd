"""What is told to a service manager, and when: by a process that stands alone, and by the parent of workers.

Laws: ready is said when everybody is accepted, and again when an order to read the files has been obeyed; the watchdog
hears of us only while the loop turns, of workers only while each of them is heard of; while a stop drains, more time is
asked for piece by piece. Without a manager nothing of this runs. How it is told is not known here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from llm_proxy.service.scoreboard import Scoreboard
from llm_proxy.service.server import Service
from llm_proxy.service.systemd import Manager

#: While a stop drains, so many more seconds are asked for each time, and so often.
_MORE, _AGAIN = 15.0, 5.0
#: A worker beats once a second; one that was not heard of for so long does not turn, however short the watchdog is.
_SILENT = 3.0
#: How often the parent looks at what its workers say, in seconds: while an order is being obeyed, and otherwise.
_SOON, _LATER = 0.05, 2.0

_READY, _STOPPING = "READY=1", "STOPPING=1"
_WATCHDOG = "WATCHDOG=1"
_EXTEND = f"EXTEND_TIMEOUT_USEC={int(_MORE * 1e6)}"


def reloading() -> tuple[str, str]:
    """That the files are read again (``Type=notify-reload``)."""
    return "RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}"


def serving(generation: int, models: int | None, rejected: bool) -> str:
    """What runs, in a line."""
    parts = [f"generation {generation}"]
    if models is not None:
        parts.append(f"{models} models")
    if rejected:
        parts.append("the files have problems and are not taken")
    return "STATUS=" + ", ".join(parts)


def draining(running: int) -> str:
    """What a stop waits for, in a line."""
    return f"STATUS=stopping, {running} requests running"


class AloneReports:
    """Everything is called on the running loop."""

    def __init__(self, manager: Manager, service: Service) -> None:
        self._manager = manager
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def up(self) -> None:
        """It serves."""
        if self._manager.notify is None:
            return
        self._manager.tell(_READY, self._status())
        self._service.registry.on_verdict.append(lambda: self._manager.tell(self._status()))
        if self._manager.watchdog is not None:
            self._beat(self._manager.watchdog / 2)

    def reread(self) -> None:
        """Obey an order to read the files again."""
        self._manager.tell(*reloading())
        self._service.reread().add_done_callback(lambda _: self._manager.tell(_READY, self._status()))

    def stopping(self) -> None:
        """It drains."""
        if self._manager.notify is None:
            return
        self._manager.tell(_STOPPING, draining(len(self._service.gateway.running)))
        self._more_time()

    def handed_over(self) -> None:
        """Another process is the main one now: no word more."""
        self._manager = Manager()
        self.close()

    def close(self) -> None:
        """It ends."""
        for timer in self._timers.values():
            timer.cancel()

    def _status(self) -> str:
        registry = self._service.registry
        snapshot = registry.current
        rejected = registry.outcome.state == "rejected"
        return serving(snapshot.generation, len(snapshot.models), rejected)

    def _beat(self, every: float) -> None:
        self._manager.tell(_WATCHDOG)
        self._timers["watchdog"] = self._loop.call_later(every, self._beat, every)

    def _more_time(self) -> None:
        self._manager.tell(_EXTEND, draining(len(self._service.gateway.running)))
        self._timers["more"] = self._loop.call_later(_AGAIN, self._more_time)


class ParentReports:
    """For a parent without a loop: ``turn`` is called when ``pause`` seconds have gone by, or earlier."""

    def __init__(self, manager: Manager, board: Scoreboard) -> None:
        self._manager = manager
        self._board = board
        self._beat_at = self._more_at = float("inf")
        #: The order that is being obeyed; 0: none.
        self._order = 0
        self._told = ""

    def up(self) -> None:
        """All workers serve."""
        self._told = self._status()
        self._manager.tell(_READY, self._told)
        if self._manager.watchdog is not None:
            self._beat_at = 0.0

    def reread(self) -> None:
        """Number the order that the workers are about to get."""
        self._order = self._board.give_order()
        self._manager.tell(*reloading())

    def stopping(self) -> None:
        """All workers drain."""
        self._manager.tell(_STOPPING)
        self._more_at, self._order = 0.0, 0

    def handed_over(self) -> None:
        """Another process is the main one now: no word more."""
        self._manager = Manager()

    @property
    def pause(self) -> float:
        """For how long nothing is due here, in seconds."""
        if self._manager.notify is None:
            return float("inf")
        due = min(self._beat_at, self._more_at) - time.monotonic()
        return max(0.0, min(due, _SOON if self._order else _LATER))

    def turn(self, workers: Iterable[tuple[int, float]]) -> None:
        """``workers``: those that are there, each with its row and the time of its beginning."""
        if self._manager.notify is None or not self._told:
            return
        now, found = time.monotonic(), list(workers)
        if self._order and all(self._board.obeyed(row) >= self._order for row, _ in found):
            self._order = 0
            self._manager.tell(_READY)
        if self._more_at < float("inf"):
            if now >= self._more_at:
                self._more_at = now + _AGAIN
                self._manager.tell(_EXTEND, draining(sum(worker.running for worker in self._board.read())))
        elif (status := self._status()) != self._told:
            self._told = status
            self._manager.tell(status)
        if now >= self._beat_at:
            assert self._manager.watchdog is not None
            every = self._manager.watchdog / 2
            self._beat_at = now + every
            if self._all_turn(found, now, max(_SILENT, every)):
                self._manager.tell(_WATCHDOG)

    def _all_turn(self, workers: list[tuple[int, float]], now: float, patience: float) -> bool:
        for row, begun in workers:
            facts = self._board.get(row)
            if now - max(begun, facts.beat if facts else 0.0) > patience:
                return False
        return True

    def _status(self) -> str:
        workers = self._board.read()
        generation = max((worker.generation for worker in workers), default=0)
        return serving(generation, None, any(worker.state == "rejected" for worker in workers))
