"""A second upstream is asked for the same stream because the first takes unusually long to begin: the faster one answers.

Laws: whoever has a token first is the only one of whom the client hears; the other is aborted in the same moment and counts as
``aborted``, which is nobody's fault: in metrics, spans and books each is an attempt at its own upstream. The head says who answers. If one fails, the other is the next attempt. Nothing of
either is left when the request ends.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING

from handlers.base.joining import join
from handlers.base.prepared import Prepare, Prepared
from llm_proxy.errors import GatewayError
from llm_proxy.relay.attempts import Attempts, Lost
from llm_proxy.relay.first_attempt import Attempt
from llm_proxy.relay.relay import KeepAlive, Relay
from llm_proxy.relay.tally import Tally
from llm_proxy.relay.upstream import Exchange
from llm_proxy.wire.calls import Deployment, NativeRequest
from llm_proxy.wire.schema import ChatRequest

if TYPE_CHECKING:
    from handlers.base.answering import AnsweringHandler

#: It says nothing to the client before it has won.
_QUIET = KeepAlive(inf, inf)


class Race:
    """Of one attempt, against the next best upstream, which is asked after a while."""

    def __init__(self, handler: AnsweringHandler, tries: Attempts, prepare: Prepare, after: float) -> None:
        self._handler, self._tries, self._prepare = handler, tries, prepare
        self._timer = asyncio.get_running_loop().call_later(after, self._start)
        self._task: asyncio.Task[None] | None = None
        self._second: Attempt | None = None
        self._failed: GatewayError | None = None
        #: What is to be counted of the second call, once it was made, as long as that was not done.
        self._figures: tuple[Tally, Exchange, Deployment] | None = None
        #: Whether the first has failed.
        self._alone = False
        #: Whether the second upstream answers.
        self.won = False

    @property
    def runs(self) -> bool:
        """Whether the second upstream has been asked, and has not failed."""
        return self._task is not None and self._failed is None

    def _start(self) -> None:
        second = self._tries.second()
        if second is not None:
            self._second = second
            self._task = asyncio.get_running_loop().create_task(self._run(second))

    async def _run(self, second: Attempt) -> None:
        try:
            await self._ask(second)
        except GatewayError as error:
            self._failed = error
            if not (self.won or self._alone):
                self._tries.second_failed(second, error)
        finally:
            if self._figures is not None and not (self.won or self._alone):
                self._handler.count_rival(*self._figures)
                self._figures = None

    async def _ask(self, second: Attempt) -> None:
        handler = self._handler
        prepared = await self._prepare(second.deployment)
        if not isinstance(prepared, Prepared):
            raise Lost("it needs no upstream")
        request = prepared.request
        assert isinstance(request, ChatRequest | NativeRequest)
        made = await handler.made(prepared, request, second.deployment)
        exchange = handler.gateway.upstream.exchange(made.call, made.deployment)
        if handler.span is not None:
            handler.span.sent = made.request.sent
        join(handler, exchange, made.deployment)
        second.exchange = exchange
        exchange.started_at = self._tries.started
        if self._alone:
            handler.exchange = exchange

        tally = Tally()

        def first_token() -> None:
            self.won = True
            first = handler.exchange
            self._tries.overtaken_by(second)
            if first is not None and first is not exchange:
                first.abort(Lost())
            handler.exchange, handler.face, handler.progress = exchange, prepared.face, tally
            handler.begin_anew()
            handler.say_who(made.deployment, made.dropped, prepared.prompt)
            relay.keep_alive = handler.gateway.keep_alive

        relay = Relay(
            exchange,
            made.adapter,
            made.request,
            made.deployment,
            prepared.face,
            tally,
            _QUIET,
            handler.worked_out,
            first_token,
            much=not handler.light,
        )
        self._figures = tally, exchange, made.deployment
        await relay.stream(handler)
        self._tries.answered(tally.usage)

    async def outcome(self) -> GatewayError | None:
        """Wait for the second upstream; what it ended in, if it failed."""
        assert self._task is not None
        await self._task
        self._count()
        return self._failed

    def _count(self) -> None:
        """The second has ended as the one that answers: its figures stand instead of those of the first."""
        if self._figures is not None:
            self._handler.count(*self._figures)
            self._figures = None

    def take_over(self) -> None:
        """The first has failed: the second is the attempt that goes on."""
        assert self._second is not None
        self._alone = True
        self._handler.exchange = self._second.exchange
        self._tries.goes_on_with(self._second)

    def lose(self) -> None:
        """The first has a token: no second one is asked any more, and one that was is aborted."""
        self._timer.cancel()
        if self._second is not None and not self.won:
            exchange, lost = self._second.exchange, Lost()
            self._tries.second_failed(self._second, lost)
            if exchange is not None:
                exchange.abort(lost)
            elif self._task is not None:
                self._task.cancel()

    async def end(self) -> None:
        """Nothing of it is left."""
        self._timer.cancel()
        task = self._task
        if task is not None:
            if not task.done():
                self.lose()
                task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
            self._count()
