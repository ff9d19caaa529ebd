"""What upstreams list themselves, for providers with a model ``"*"``: asked when a snapshot is made and every minute.

Laws: it is asked beside the answers and never waited for; an upstream that cannot be asked changes nothing, and what it said
last stays, for as long as a provider names it. What was learned is kept by the upstream's identity, so that an edit forgets
nothing that it did not touch, and takes effect as one assignment, unless another state has come meanwhile: then the work is
done again for that one. One ``LiveLists`` for each process; begun after the watcher, so that no edit is missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

from llm_proxy.errors import GatewayError, UpstreamError
from llm_proxy.live.background_thread import yielding_gil
from llm_proxy.live.config.catalog import Catalog, Listed
from llm_proxy.live.state.registry import Registry, Snapshot
from llm_proxy.relay.clock import Clock
from llm_proxy.relay.model_knowledge import Knowledge
from llm_proxy.relay.reading import await_head, read_whole, refuse_errors
from llm_proxy.relay.upstream import UpstreamClient
from llm_proxy.wire.calls import Deployment, Timeouts

log = logging.getLogger(__name__)

#: Seconds between two questions; after a failure the first of these, doubled until then; and at least, however often the
#: configuration changes.
EVERY, _AGAIN, _LEAST = 60.0, 5.0, 1.0
#: How long one call may take, and the largest answer (OpenRouter's list has a megabyte).
_LIMITS = Timeouts(connect=2.0, first_byte=10.0, idle=5.0, total=15.0)
_MAX_ANSWER = 8 * 1024 * 1024
#: Above this size an answer is read beside the loop, and with so many names a catalog is made there.
_OFF_LOOP, _MANY = 64 * 1024, 200


@dataclass(slots=True)
class _Asked:
    """One upstream: who asks it, what it listed last, and how that went."""

    task: asyncio.Task[None]
    wake: asyncio.Event
    names: frozenset[str] | None = None
    at: float | None = None
    problem: str = ""


class LiveLists:
    """``start()`` and ``stop()`` on the event loop; ``report()`` at any time."""

    def __init__(self, registry: Registry, upstream: UpstreamClient, knowledge: Knowledge) -> None:
        self._registry = registry
        self._knowledge = knowledge
        self._upstream = upstream
        self._asked: dict[str, _Asked] = {}
        self._publishing = asyncio.Lock()
        self._running = False
        registry.on_swap.append(self._on_swap)

    def start(self) -> None:
        """Ask from now on."""
        self._running = True
        self._on_swap(self._registry.current)

    def stop(self) -> None:
        """Ask nobody any more."""
        self._running = False
        for asked in self._asked.values():
            asked.task.cancel()

    def report(self, deployment: Deployment) -> dict[str, object] | None:
        """How it went with that upstream: how many models it lists, how many seconds ago it was asked, and what was wrong."""
        asked = self._asked.get(deployment.identity)
        if asked is None:
            return None
        return {
            "models": None if asked.names is None else len(asked.names),
            "asked": None if asked.at is None else round(monotonic() - asked.at, 1),
            "problem": asked.problem or None,
        }

    def _on_swap(self, snapshot: Snapshot) -> None:
        """Ask the upstreams that the configuration names now, and no others."""
        if not self._running:
            return
        wanted = self._wanted(snapshot)
        for identity in self._asked.keys() - wanted.keys():
            self._asked.pop(identity).task.cancel()
        loop = asyncio.get_running_loop()
        for identity in wanted:
            if identity in self._asked:
                self._asked[identity].wake.set()
            else:
                task = loop.create_task(self._keep_asking(identity))
                self._asked[identity] = _Asked(task, asyncio.Event())

    def _wanted(self, snapshot: Snapshot) -> Mapping[str, Deployment]:
        return {
            row.identity: row
            for row in snapshot.catalog.asked_for_lists()
            if snapshot.adapter(row).list_call(row) is not None
        }

    async def _keep_asking(self, identity: str) -> None:
        pause = _AGAIN
        while True:
            asked = self._asked[identity]
            snapshot = self._registry.current
            row = self._wanted(snapshot).get(identity)
            if row is None:
                return
            asked.wake.clear()
            try:
                names, problem = await self._ask(snapshot, row), ""
            except GatewayError as error:
                names, problem = None, _words(error)
            except Exception as error:  # a fault of ours must not end the asking
                log.exception("an upstream could not be asked what it lists")
                names, problem = None, type(error).__name__
            asked.at = monotonic()
            self._tell(row, asked, names, problem)
            asked.problem = problem
            if names is not None:
                asked.names = names
                await self._publish()
            pause = EVERY if not problem else pause
            await self._sleep(asked, pause)
            pause = min(2 * pause, EVERY) if problem else _AGAIN

    async def _sleep(self, asked: _Asked, seconds: float) -> None:
        """So long, or until the configuration has changed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asked.wake.wait()
                await asyncio.sleep(_LEAST)

    async def _ask(self, snapshot: Snapshot, row: Deployment) -> frozenset[str]:
        """What the upstream of ``row`` lists. Raises ``GatewayError``."""
        adapter = snapshot.adapter(row)
        call = adapter.list_call(row)
        assert call is not None
        async with self._upstream.exchange(call._replace(timeouts=_LIMITS), row) as exchange:
            clock = Clock(exchange, _LIMITS)
            head = await await_head(exchange, clock)
            await refuse_errors(exchange, adapter, head, clock)
            body = await read_whole(exchange, clock, _MAX_ANSWER)
        if len(body) < _OFF_LOOP:
            names = adapter.listed(body)
            self._knowledge.heard(
                row, call, body, adapter
            )  # a larger one is read when somebody wants to know
        else:
            names = await asyncio.get_running_loop().run_in_executor(None, adapter.listed, body)
        if names is None:
            raise UpstreamError(
                "the upstream's answer is no list of models", phase="body", kind="content_type"
            )
        return frozenset(names)

    async def _publish(self) -> None:
        """Let all that was heard take effect in the snapshot that serves, whichever that is."""
        async with self._publishing:
            while True:
                current = self._registry.current
                listed = {
                    identity: asked.names
                    for identity, asked in self._asked.items()
                    if asked.names is not None
                }
                if listed == current.catalog.listed:
                    return
                if sum(map(len, listed.values())) + len(current.models) < _MANY:
                    catalog = current.catalog.with_listed(listed)
                else:
                    loop = asyncio.get_running_loop()
                    catalog = await loop.run_in_executor(None, _made, current.catalog, listed)
                if self._registry.relist(current, catalog):
                    return

    def _tell(self, row: Deployment, asked: _Asked, names: frozenset[str] | None, problem: str) -> None:
        """Log what is new."""
        facts = {"provider": row.provider}
        if problem and problem != asked.problem:
            log.warning("an upstream does not say which models it has", extra={**facts, "problem": problem})
        if names is not None and names != asked.names:
            log.info("an upstream lists its models", extra={**facts, "models": len(names)})


def _made(catalog: Catalog, listed: Listed) -> Catalog:
    with yielding_gil():
        return catalog.with_listed(listed)


def _words(error: GatewayError) -> str:
    """Why it could not be asked, without anything that it said."""
    return f"{error.phase}: {error.kind}" if error.phase and error.kind else type(error).code
