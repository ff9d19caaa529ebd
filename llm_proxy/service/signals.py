"""A process that serves: what signals and the parent's end mean to it.

Laws: a process that stands alone drains at the first SIGTERM or SIGINT, after
its lame-duck time if it has one, and leaves at once at the second. A worker
drains at SIGTERM however often it comes, since a service manager sends it to each process of the service beside our
own forwarding; SIGINT from a terminal is the parent's business; SIGQUIT, from the parent, means at once. A worker does
not outlive its parent. SIGUSR2 starts a new version beside this one (``upgrade``); when that serves, this one answers what is
still asked on its connections, without a limit of its own, and ends; a SIGTERM then begins the usual drain.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from llm_proxy.service.listeners import Listeners
from llm_proxy.service.manager_reports import AloneReports
from llm_proxy.service.server import Service
from llm_proxy.service.signal_wait import ALARM
from llm_proxy.service.systemd import Manager
from llm_proxy.service.takeover import Predecessor
from llm_proxy.service.upgrade import LOOK, Start, Upgrade

log = logging.getLogger(__name__)

#: What the parent handles, and workers are forked with held back: see ``workers``.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR2, signal.SIGCHLD)
#: Without a parent nobody would end a worker that hangs; it has so many seconds.
_ORPHANED = 3.0
#: Seconds in which a parent that was told to stop too has said so.
_PARENTS_WORD = 0.25
#: Container objects made and not freed again before the garbage collector looks at the young ones; Python's own 700 is
#: less than what a moment's requests hold. A request leaves no cycles behind: what the collector did was to find
#: nothing, for 8 % of a request's time (benchmarks/RESULTS.md).
_YOUNG = 10_000


@dataclass(slots=True)
class _StopRequests:
    """What the signals have asked for so far."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: asyncio.Event = field(default_factory=asyncio.Event)
    #: Another program serves in our place; and: any of the three.
    replaced: asyncio.Event = field(default_factory=asyncio.Event)
    any: asyncio.Event = field(default_factory=asyncio.Event)

    def give(self, *orders: asyncio.Event) -> None:
        """Each of ``orders``."""
        for order in (*orders, self.any):
            order.set()


async def serve_alone(
    service: Service, listeners: Listeners, manager: Manager, start: Start, before: Predecessor | None = None
) -> None:
    """Run until a stop signal has been obeyed, or another program serves. ``start``: how this one was started; ``before``: in
    whose place it comes."""
    loop = asyncio.get_running_loop()
    orders = _StopRequests()
    reports = AloneReports(manager, service)
    upgrade = Upgrade(listeners, manager, start)

    def on_stop() -> None:
        upgrade.cancel()
        orders.give(orders.stop, *([orders.at_once] if orders.stop.is_set() else []))

    def on_upgrade() -> None:
        if not orders.any.is_set():
            looking = upgrade.running
            upgrade.begin((service.registry.current.generation, service.registry.current.hash))
            if not looking:
                look()

    def look() -> None:
        if upgrade.look():
            orders.give(orders.replaced)
        elif upgrade.running:
            loop.call_later(LOOK, look)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_stop)
    loop.add_signal_handler(signal.SIGHUP, reports.reread)
    loop.add_signal_handler(signal.SIGUSR2, on_upgrade)
    urls = listeners.urls(service.settings.ep_prefix)
    if before is not None:
        await service.look_first(listeners)
    service.start(listeners)
    freeze_garbage_collector()
    current = service.registry.current
    log.info("listening", extra={**urls, "generation": current.version, "models": len(current.models)})
    if before is not None:
        await asyncio.to_thread(before.ready)
    reports.up()
    await orders.any.wait()
    replaced = orders.replaced.is_set()
    if replaced:
        reports.handed_over()
        await service.hand_over(orders.stop)
    if not replaced or orders.stop.is_set():
        reports.stopping()
        facts = {name: getattr(service.settings, name) for name in ("drain_seconds", "lame_duck_seconds")}
        log.info("stopping", extra={"running": len(service.gateway.running), **facts})
    await service.stop(orders.at_once, refuse=not replaced)
    reports.close()
    log.info("stopped")


async def serve_as_worker(
    service: Service,
    listeners: Listeners,
    parent: int,
    is_stopping: Callable[[], bool],
    is_replaced: Callable[[], bool],
    *,
    replaces: bool = False,
) -> None:
    """Run until told to stop, or until the pipe ``parent`` says that there is no parent any more.

    ``is_stopping`` says whether the whole service stops, ``is_replaced`` whether another program serves in its place: otherwise
    other workers go on. Only a service that stops refuses what is asked. ``replaces``: whether this one takes another's place.
    """
    loop = asyncio.get_running_loop()
    orders = _StopRequests()

    lame_duck = service.settings.lame_duck_seconds > 0

    def on_stop() -> None:
        if is_replaced():
            orders.give(orders.replaced)
            return
        if not orders.replaced.is_set() and not (lame_duck and service.server.accepting):
            service.gateway.draining |= is_stopping()
        orders.give(orders.stop)

    def on_at_once() -> None:
        service.gateway.draining = True
        orders.give(orders.at_once, orders.stop)

    def on_reread() -> None:
        order = service.heartbeat.order
        service.reread().add_done_callback(lambda _: service.heartbeat.obeyed(order))

    def on_orphaned() -> None:
        log.error("the parent process is gone, this worker ends")
        on_at_once()

    loop.add_signal_handler(signal.SIGTERM, on_stop)
    loop.add_signal_handler(signal.SIGQUIT, on_at_once)
    loop.add_signal_handler(signal.SIGHUP, on_reread)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    # What has been sent since the fork arrives now, and finds its handler.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*SIGNALS, ALARM))
    watch = threading.Thread(
        target=_watch_parent, args=(parent, loop, on_orphaned), name="parent", daemon=True
    )
    watch.start()
    service.heartbeat.obeyed(service.heartbeat.order)
    if replaces:
        await service.look_first(listeners)
    service.start(listeners)
    freeze_garbage_collector()
    await orders.any.wait()
    if orders.replaced.is_set():
        await service.hand_over(orders.stop)
        await service.stop(orders.at_once, refuse=service.gateway.draining)
        return
    if lame_duck and not is_stopping():
        # A service manager tells each process; the parent's word, which says whether all stop, may come a moment later.
        await asyncio.sleep(_PARENTS_WORD)
    await service.stop(orders.at_once, refuse=service.gateway.draining or is_stopping())


def freeze_garbage_collector() -> None:
    """What a started process consists of lives as long as it does, and is not looked at again; the rest less often."""
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])


def _watch_parent(parent: int, loop: asyncio.AbstractEventLoop, then: Callable[[], None]) -> None:
    """In a thread of its own, so that a loop that hangs does not keep an orphan alive."""
    os.read(parent, 1)  # nobody writes: it returns when the last writer, the parent, is gone
    try:
        loop.call_soon_threadsafe(then)
    except RuntimeError:
        return  # the loop is closed: the worker is ending
    time.sleep(_ORPHANED)
    os._exit(1)
