"""An upstream's answer, relayed byte for byte: status, body, and what an endpoint lets through of the headers.

Laws: nothing is added to a body, and what the upstream cut is cut for the client too; a slow client slows the upstream
down; the upstream call lives inside the request. What may be sent on, and what an answer's head becomes, is the
endpoint's to say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from typing import ClassVar

from handlers.base.answering import AnsweringHandler
from handlers.base.charging import note, settled
from handlers.base.joining import join
from handlers.base.routed import carry_on, close
from llm_proxy.errors import ClientGone, GatewayError
from llm_proxy.relay.attempts import Attempts
from llm_proxy.relay.clock import Clock
from llm_proxy.relay.reading import await_head
from llm_proxy.relay.upstream import PORTION, Exchange, Head
from llm_proxy.wire.calls import Deployment, HttpCall

#: RFC 9110, section 5.5.
LEGAL_VALUE = re.compile(r"[\x20-\x7e\x80-\xff\t]*")


class RelayingHandler(AnsweringHandler):
    """Base of the endpoints that relay what they do not read."""

    #: Whether nobody can tell what it costs.
    blind: ClassVar[bool] = False
    #: When a client that has heard nothing should hear something (loop time).
    _silent_until = math.inf

    async def relay_from(
        self, where: Deployment | Attempts, make: Callable[[Deployment], Awaitable[HttpCall]]
    ) -> None:
        """Relay the answer to the call that ``make`` makes for each upstream that is asked, and finish."""

        async def once(deployment: Deployment) -> None:
            await self.relay_call(await make(deployment), deployment)

        try:
            if isinstance(where, Deployment):
                await once(where)
            else:
                self.tries = tries = where
                failed = None
                try:
                    if (first := tries.first()) is not None:
                        try:
                            await once(first)
                        except GatewayError as error:
                            failed = error
                    if first is None or failed is not None:
                        await carry_on(self, tries, once, failed)
                finally:
                    close(self, tries)
        except GatewayError as error:
            await self.relay_failed(error)
        finally:
            self.tries = None  # they hold this handler: no ring
            if self.account is not None:
                settled(self, self.account)

    async def relay_call(self, call: HttpCall, deployment: Deployment) -> None:
        """Make ``call``, relay its answer and finish. Raises ``GatewayError``."""
        if self.grant is not None:
            await self.charge(deployment, {}, blind=self.blind)
        self.upstream = deployment
        self.exchange = exchange = self.gateway.upstream.exchange(call, deployment)
        join(self, exchange, deployment)
        if self.tries is not None:
            self.tries.opened(exchange)
        self.gateway.running.add(self)
        try:
            try:
                if self.gone:
                    raise ClientGone("the client left before its request was sent on")
                async with exchange:
                    clock = Clock(exchange, deployment.timeouts)
                    head = await await_head(exchange, clock)
                    await self.take_head(head, clock, deployment)
                    clock.tick()
                    await self._copy_body(exchange, clock)
                    if self.tries is not None:
                        self.tries.answered()
            finally:
                self._count_call(exchange, deployment)
                if self.account is not None:
                    note(self, self.account, deployment, exchange, None, 0)
            self.finish()
        finally:
            self.gateway.running.discard(self)

    async def take_head(self, head: Head, clock: Clock, deployment: Deployment) -> None:
        """Make the head of the answer that of ours; nothing has been sent yet. Raises ``GatewayError``."""
        raise NotImplementedError

    async def relay_failed(self, error: GatewayError) -> None:
        """The answer did not come, or not whole: say so if nothing has been sent, else cut."""
        self.note_failure(error)
        if self._begun or isinstance(error, ClientGone) or self.gone:
            self.gone = self.gone or isinstance(error, ClientGone)
            self.broken = error.status
            if not self._cut:
                self.cut()
        else:
            self.clear()
            self._tell_attempts(error)
            self.fail(error)

    def expect_length(self, status: int) -> None:
        """Remember how long the answer will be, if its headers say so."""
        length = self.answer_headers.get("Content-Length")
        if length is not None and self.request.method != "HEAD" and status != 304:
            self._owed = int(length)

    async def _copy_body(self, exchange: Exchange, clock: Clock) -> None:
        while True:
            if data := exchange.take(16 * PORTION):  # of which there are fewer copies than of events
                if self.tries is not None:
                    self.tries.token()
                await self.send(data)
                clock.tick()
            elif exchange.failure is not None:
                raise exchange.failure
            elif exchange.ended:
                return
            elif not await exchange.wait(min(clock.deadline(), self._silent_until)):
                clock.check()
                await self.break_silence()

    async def break_silence(self) -> None:
        """Nothing has been sent until ``_silent_until``."""

    def stream_headers(self) -> None:
        """The upstream's headers are sent as they are."""
