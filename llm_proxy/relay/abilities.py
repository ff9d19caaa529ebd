"""What is known of the models behind deployments, ready for each request that has a choice.

Laws: upstreams are asked what their models can while requests come for which it may matter (``wanted``), beside those, never in the
way of one, and never a reason to fail; whose ``capabilities`` stand in the configuration is not asked. What ``Knowledge`` has heard
is looked at again every few seconds, for each deployment, and bounded. One ``Abilities`` for each process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import NamedTuple

from llm_proxy.live.config.catalog import Resolved
from llm_proxy.relay.model_knowledge import Knowledge
from llm_proxy.routing.able import room_of
from llm_proxy.wire.calls import Deployment
from providers.base import BaseProvider
from providers.common.about import About

#: Seconds that a look is good for, and how many are kept.
_FRESH, _MOST = 5.0, 1000
#: How many upstreams are asked at once.
_AT_ONCE = 32

Adapters = Callable[[Deployment], BaseProvider]


class _Known(NamedTuple):
    deployment: Deployment
    about: About
    until: float


class _Verdict(NamedTuple):
    deployments: tuple[Deployment, ...]
    room: float
    until: float


class Abilities:
    """See the module. ``close`` at the end of the process."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._known: dict[str, _Known] = {}
        self._verdicts: dict[str, _Verdict] = {}
        #: By name, until when its upstreams need not be asked, and who asks them.
        self._asked: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._closed = False

    def room(self, resolved: Resolved, adapter: Adapters) -> float:
        """Up to how many bytes any of a model's upstreams can take just any request, as far as is known."""
        now, rows, way = monotonic(), resolved.deployments, resolved.way
        found = self._verdicts.get(way)
        if found is None or found.deployments is not rows or now >= found.until:
            if len(self._verdicts) >= _MOST:
                del self._verdicts[next(iter(self._verdicts))]
            room = min(room_of(row, self.of(row, adapter(row))) for row in rows)
            found = self._verdicts[way] = _Verdict(rows, room, now + _FRESH)
        return found.room

    def wanted(self, resolved: Resolved, adapter: Adapters) -> None:
        """A request has come that not every model may be able to take: see to it that this is known soon."""
        now, way = monotonic(), resolved.way
        if now >= self._asked.get(way, 0.0):
            if len(self._asked) >= _MOST:
                del self._asked[next(iter(self._asked))]
            self._asked[way] = now + _FRESH
            self._ask(way, resolved.deployments, adapter)

    def of(self, deployment: Deployment, adapter: BaseProvider) -> About:
        """What is known of its model."""
        key, now = deployment.upstream_key, monotonic()
        found = self._known.get(key)
        if found is None or found.deployment is not deployment or now >= found.until:
            if len(self._known) >= _MOST:
                del self._known[next(iter(self._known))]
            about = self._knowledge.known(deployment, adapter)
            found = self._known[key] = _Known(deployment, about, now + _FRESH)
        return found.about

    def close(self) -> None:
        """Ask nobody any more."""
        self._closed = True
        for task in tuple(self._asking.values()):
            task.cancel()

    def _ask(self, way: str, rows: Sequence[Deployment], adapter: Adapters) -> None:
        """Let the upstreams say what they can, as far as that is not known."""
        asked = [
            (row, provider)
            for row in rows
            if row.active
            and row.capabilities is None
            and self._knowledge.may_ask(row, provider := adapter(row))
        ]
        if asked and way not in self._asking and not self._closed:
            self._asking[way] = asyncio.get_running_loop().create_task(self._hear(way, asked))

    async def _hear(self, way: str, asked: Sequence[tuple[Deployment, BaseProvider]]) -> None:
        async def one(row: Deployment, provider: BaseProvider) -> None:
            async with self._places:
                await self._knowledge.about(row, provider)
            self._known.pop(row.upstream_key, None)

        try:
            await asyncio.gather(*(one(*pair) for pair in asked))
        finally:
            del self._asking[way]
            self._verdicts.pop(way, None)
