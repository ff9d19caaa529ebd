"""Asks model servers how busy they are, while that decides something.

Laws: only models with several upstreams are asked about, once a second while requests came within the last ten; never in
the way of a request, and never a reason to fail: who does not answer within half a second has said nothing, and who has no such page
is not asked again for five minutes. What an answer means is known in ``routing.signals``. One ``LoadPolls`` for each process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from llm_proxy.errors import GatewayError
from llm_proxy.relay.clock import Clock
from llm_proxy.relay.reading import await_head, read_whole
from llm_proxy.relay.upstream import UpstreamClient
from llm_proxy.routing.signals import Source, sources
from llm_proxy.routing.states import States
from llm_proxy.wire.calls import Deployment, HttpCall, Timeouts
from providers.common.headers import bearer_headers

log = logging.getLogger(__name__)

#: Seconds between two polls, and for how long they go on after the last request.
EVERY, WHILE = 1.0, 10.0
_LIMITS = Timeouts(connect=0.5, first_byte=0.5, idle=0.5, total=0.5)
#: vLLM's page has a hundred kilobytes.
_MAX_PAGE = 4 * 1024 * 1024
#: They have no such page, or do not show it to us. Asked again after so many seconds.
_HAS_NONE = frozenset({401, 403, 404, 405, 410, 501})
_AGAIN = 300.0
#: How many public names and addresses are remembered, and how many are asked at once.
_MOST, _AT_ONCE = 1000, 32


class LoadPolls:
    """``asked`` is called for each request that has a choice; ``close`` at the end of the process."""

    def __init__(self, upstream: UpstreamClient, states: States) -> None:
        self._upstream = upstream
        self._states = states
        #: By public name: when it was last asked for (loop time), and its upstreams.
        self._wanted: dict[str, tuple[float, Sequence[Deployment]]] = {}
        #: Addresses that told nothing, and until when they are left alone.
        self._silent: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def asked(self, name: str, rows: Sequence[Deployment], now: float) -> None:
        """A request has come for that name, and these may serve it."""
        if len(rows) > 1 and not self._closed:
            self._wanted[name] = now, rows
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._run())

    def close(self) -> None:
        """Ask nobody any more."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while rows := self._now_wanted(loop.time()):
                await self._round(rows)
                await asyncio.sleep(EVERY)
        finally:
            self._task = None

    def _now_wanted(self, now: float) -> list[Deployment]:
        """The upstreams of the names that were asked for lately, each once."""
        self._wanted = {name: found for name, found in self._wanted.items() if now < found[0] + WHILE}
        while len(self._wanted) > _MOST:
            del self._wanted[next(iter(self._wanted))]
        rows = [row for _, rows in self._wanted.values() for row in rows if row.active]
        return list({row.upstream_key: row for row in rows}.values())

    async def _round(self, rows: list[Deployment]) -> None:
        """Ask each address once, whatever number of models it serves."""
        now = asyncio.get_running_loop().time()
        together: dict[tuple[str, str], tuple[Source, list[Deployment]]] = {}
        for row in rows:
            source = self._source(row, now)
            if source is not None:
                together.setdefault((source.url, row.server_key), (source, []))[1].append(row)
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(source: Source, served: list[Deployment]) -> None:
            async with places:
                try:
                    await self._ask(source, served)
                except Exception as error:  # noqa: BLE001 - a fault of ours must not end the polls of all others
                    self._leave_alone(source.url, asyncio.get_running_loop().time())
                    fields = {"provider": served[0].provider, "exception": type(error).__name__}
                    log.error("an upstream could not be asked how busy it is", extra=fields)

        async with asyncio.TaskGroup() as group:
            for source, served in together.values():
                group.create_task(one(source, served))

    def _source(self, row: Deployment, now: float) -> Source | None:
        """Whom to ask about ``row``: the first address that is not known to say nothing."""
        return next((one for one in sources(row) if self._silent.get(one.url, 0.0) <= now), None)

    async def _ask(self, source: Source, rows: list[Deployment]) -> None:
        row = rows[0]
        # Some show the page to nobody but those who have a key.
        call = HttpCall("GET", source.url, bearer_headers(row), timeouts=_LIMITS)
        try:
            async with self._upstream.exchange(call, row) as exchange:
                clock = Clock(exchange, _LIMITS)
                head = await await_head(exchange, clock)
                page = await read_whole(exchange, clock, _MAX_PAGE) if head.status == 200 else b""
        except GatewayError:
            return
        now = asyncio.get_running_loop().time()
        if head.status in _HAS_NONE:
            self._leave_alone(source.url, now)
        if head.status != 200:
            return
        for each in rows:
            signal = source.read(page, each.model)
            if signal is None:  # a page of something else
                self._leave_alone(source.url, now)
            else:
                self._states.of(each, now).polled(now, signal)

    def _leave_alone(self, url: str, now: float) -> None:
        self._silent[url] = now + _AGAIN
        if len(self._silent) > _MOST:
            del self._silent[next(iter(self._silent))]
