"""How a process leaves: it lets load balancers turn away, waits for what runs, and tells the rest honestly.

Laws: while it is a lame duck it serves everybody and lets nobody stay; then it accepts no more, and running requests have the
drain limit; what runs still gets an error that says so, and time to read it.
"""

from __future__ import annotations

import asyncio
import contextlib

from handlers.base.gateway import Gateway
from llm_proxy.clients.http_server import Server
from llm_proxy.errors import Draining
from llm_proxy.service.heartbeat import Heartbeat

#: Nothing must have been going on for so long before what is left is closed, in seconds: a connection may be accepted
#: and its request not parsed yet. Without it one of some 25,000 requests got an empty answer.
_LAST_CALL = 0.25
#: After a stream was ended by the drain, its error event should reach the client before the process is gone.
_FAREWELL = 0.5
#: How often a drain looks around, in seconds.
LOOK = 0.02


async def be_lame_duck(
    gateway: Gateway, server: Server, heartbeat: Heartbeat, at_once: asyncio.Event
) -> None:
    """For its time, unless ``at_once`` comes: serve everybody, and let nobody stay. Then accept no more."""
    seconds = gateway.settings.lame_duck_seconds
    if seconds and not at_once.is_set() and not gateway.draining:
        gateway.lame_duck = True
        server.part()
        heartbeat.leave()
        await event_or(at_once, seconds)
        gateway.lame_duck = False
    server.retire()
    if seconds and not gateway.draining:
        await event_or(at_once, _LAST_CALL)  # what was accepted at the last moment is still to be heard


async def let_end(gateway: Gateway, server: Server, at_once: asyncio.Event) -> None:
    """Wait for running requests up to the drain limit, or until ``at_once`` comes; tell those that are left, and close all
    connections."""
    limit = max(gateway.settings.drain_seconds, _LAST_CALL)
    if not await _idle(server, limit, _LAST_CALL, at_once):
        for running in list(gateway.running):
            running.abort(Draining("the gateway is stopping", retry_after="1"))
        await _idle(server, _FAREWELL)
    await server.close_all_connections()


async def _idle(
    server: Server, seconds: float, quiet: float = 0.0, at_once: asyncio.Event | None = None
) -> bool:
    """Wait until no request has been running for ``quiet`` seconds; False after ``seconds``, or at once."""
    loop = asyncio.get_running_loop()
    busy_at = loop.time()
    limit = busy_at + seconds
    # Three reasons to end; a look every 20 ms is nothing beside a drain.
    while not (at_once is not None and at_once.is_set()):
        now = loop.time()
        if server.busy:
            busy_at = now
        elif now - busy_at >= quiet:
            return True
        if now >= limit:
            return False
        await asyncio.sleep(LOOK)
    return False


async def event_or(event: asyncio.Event, seconds: float) -> None:
    """Wait for it, so long at most."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
