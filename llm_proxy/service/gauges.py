"""The numbers that are read off a process and not counted as they happen: what runs, what it takes, how late its loop is.

Laws: called on the event loop; nothing here is done for a request. What only a reader of ``/metrics`` wants is found out
while somebody reads. What is the same in all processes is told by the one that is asked, beside its loop.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count as numbers

from handlers.base.gateway import Gateway
from handlers.base.measuring import known_models, label_of
from llm_proxy.clients.http_server import Server
from llm_proxy.live.access.plan import BudgetAccount, purse
from llm_proxy.live.access.values import Budget
from llm_proxy.routing.standing import standing
from llm_proxy.telemetry import log as logs
from llm_proxy.telemetry.metrics import families as f
from llm_proxy.telemetry.metrics.families import labelled
from llm_proxy.telemetry.metrics.merged import Told

#: Seconds between two looks at how late the loop is, and at everything else.
_LOOK, _BEAT = 0.25, 1.0
#: Beats between two looks for series of models that are gone.
_SWEEP = 5
#: The states that an upstream can be in; one of them is it.
STATES = ("ok", "ejected", "asleep", "full", "out")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Gauges:
    """``start()`` when the process serves, ``stop()`` at its end."""

    def __init__(self, gateway: Gateway, server: Server) -> None:
        self._gateway, self._server = gateway, server
        self._meter = gateway.metering.meter
        self._timers: list[asyncio.TimerHandle | None] = [None, None]
        #: What was told to be in flight, by provider and model, and to wait, by model.
        self._in_flight: Counter[tuple[str, ...]] = Counter()
        self._waiting: Counter[tuple[str, ...]] = Counter()
        #: States of upstreams other than ``ok``, by provider and model.
        self._states: dict[tuple[str, str], str] = {}
        #: What is used of budgets.
        self._budgets: dict[str, float] = {}
        self._beats = numbers()
        gateway.refresh = self.refresh
        gateway.metering.sources.append(self._told)

    def start(self) -> None:
        """Begin to look."""
        self._loop = asyncio.get_running_loop()
        self._beat()
        self._watch()

    def stop(self) -> None:
        """Look no more; what was counted is complete."""
        self._count()
        for timer in self._timers:
            if timer is not None:
                timer.cancel()

    def refresh(self) -> None:
        """Bring everything of this process up to date: somebody reads."""
        self._count()
        meter, gateway = self._meter, self._gateway
        meter.set(f.RUNNING, len(gateway.running))
        meter.set(f.OPEN_STREAMS, sum(running.streams for running in gateway.running))
        meter.set(f.CONNECTIONS, self._server.open)
        self._tell_upstreams()
        self._look_at_budgets()
        for family, value in process_facts():
            meter.set(family, value)

    def _beat(self) -> None:
        self._timers[0] = self._loop.call_later(_BEAT, self._beat)
        if self._gateway.metering.sheets.is_read:
            self.refresh()
        else:
            self._count()
        # Series of removed models give their places back, some in each minute.
        if next(self._beats) % _SWEEP == 0:
            self._gateway.metering.forget(known_models(self._gateway.registry.current))

    def _watch(self) -> None:
        self._timers[1] = self._loop.call_later(_LOOK, self._look, self._loop.time() + _LOOK)

    def _look(self, due: float) -> None:
        now = self._loop.time()
        self._meter.lag.observe(max(0.0, now - due), now)
        self._watch()

    def _count(self) -> None:
        """What must not be lost when the process is."""
        self._meter.advance(f.CPU, time.process_time())
        if self._gateway.tracer is not None:
            self._meter.advance(f.SPANS_DROPPED, self._gateway.tracer.dropped)
        self._meter.advance(f.LOG_DROPPED, logs.counters.dropped + logs.counters.failed)

    def _tell_upstreams(self) -> None:
        gateway, snapshot = self._gateway, self._gateway.registry.current
        in_flight, waiting = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
        for running in gateway.running:
            row = running.upstream
            if row is not None:
                in_flight[row.provider, label_of(snapshot, row.name)] += 1
        for name, length in gateway.router.lengths().items():
            waiting[label_of(snapshot, name),] += length
        self._in_flight = self._tell(f.IN_FLIGHT, self._in_flight, in_flight)
        self._waiting = self._tell(f.QUEUE_LENGTH, self._waiting, waiting)
        states, now = gateway.router.states, self._loop.time()
        self._states = {
            (row.provider, row.name): found.state
            for row in snapshot.config.deployments
            if (found := standing(row, states.known(row, now), now)).state != "ok"
        }

    def _look_at_budgets(self) -> None:
        access, books = self._gateway.registry.current.access, self._gateway.books
        budgets = access.budgets.values() if access is not None else ()
        now = books.now()
        self._budgets = {
            budget.name: books.meter.seen_purse(of, now)[0] / budget.limit
            for budget in budgets
            if budget.limit and (of := self._account_of(budget)) is not None
        }

    def _account_of(self, budget: Budget) -> BudgetAccount | None:
        """What of a budget is told: of one that each key has for itself, that of the key that has used most of it."""
        if not budget.each:
            return purse(budget, "")
        found = self._gateway.books.fullest.get(budget.name)
        return found if found is not None and found.budget == budget else None

    def _tell(
        self, family: f.Family, before: Counter[tuple[str, ...]], now: Counter[tuple[str, ...]]
    ) -> Counter[tuple[str, ...]]:
        """Set those that there are, and those that there were to nothing."""
        for key in before.keys() | now.keys():
            self._meter.set(family, now[key], *key)
        return now

    def _told(self) -> Iterator[Told]:
        """Beside the loop: what the configuration is, and how its upstreams are."""
        registry = self._gateway.registry
        snapshot = registry.current
        yield f.GENERATION, "", float(snapshot.generation)
        yield f.REJECTED, "", float(registry.outcome.state == "rejected")
        yield f.INFO, labelled(f.INFO, snapshot.hash[:16]), 1.0
        for name, used in self._budgets.items():
            yield f.BUDGET, labelled(f.BUDGET, name), used
        for row in snapshot.config.deployments:
            current = self._states.get((row.provider, row.name), "ok")
            for state in STATES:
                yield (
                    f.UPSTREAM_STATE,
                    labelled(f.UPSTREAM_STATE, row.provider, row.name, state),
                    float(state == current),
                )


def process_facts() -> Iterator[tuple[f.Family, float]]:
    """What this process takes of the machine, where that can be read."""
    try:
        with open("/proc/self/statm", "rb") as file:
            virtual, resident = file.read().split()[:2]
        yield f.VIRTUAL, float(int(virtual) * _PAGE)
        yield f.RESIDENT, float(int(resident) * _PAGE)
        # Linux 6.2 tells their number as the folder's size; to list them takes long where there are many.
        yield f.OPEN_FDS, float(os.stat("/proc/self/fd").st_size or len(os.listdir("/proc/self/fd")))
    except (OSError, ValueError):
        pass  # no Linux
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield f.MAX_FDS, float(limit) if limit != resource.RLIM_INFINITY else float("inf")
