"""An upstream's answer, read whole: its head, its body, or what it says of an error.

Laws: every wait is under a ``Clock``; every size is bounded. What is no 2xx, or is compressed, is an error here, in the adapter's
words.
"""

from __future__ import annotations

import asyncio

from llm_proxy.errors import ClientGone, UpstreamError
from llm_proxy.relay.clock import Clock
from llm_proxy.relay.upstream import Exchange, Head
from llm_proxy.wire.calls import Timeouts
from providers.base import Adapter

#: How much of an error body is read; what follows is not worth a connection.
MAX_ERROR = 64 * 1024
#: Largest answer that is collected whole. Larger ones should be streamed.
MAX_WHOLE = 64 * 1024 * 1024
#: Seconds for an answer that is collected, unless its ``total`` is set: nothing tells that it progresses.
WHOLE = 300.0
#: After the terminator the HTTP body should end at once; a server that lingers is not waited for.
LINGER = 1.0


async def await_head(exchange: Exchange, clock: Clock) -> Head:
    """The head of the answer. Raises the exchange's failure or ``UpstreamTimeout``."""
    while exchange.head is None:
        if exchange.failure is not None:
            raise exchange.failure
        if not await exchange.wait(clock.deadline()):
            clock.check()
    return exchange.head


async def read_whole(exchange: Exchange, clock: Clock, limit: int = MAX_WHOLE) -> bytes:
    """The body to its end. Raises the exchange's failure, ``UpstreamTimeout`` or, above ``limit``, UpstreamError."""
    if exchange.ended and exchange.received <= limit:  # all of it is there
        return _taken(exchange)
    parts: list[bytes] = []
    size = 0
    while True:
        if data := exchange.take():
            clock.tick()
            parts.append(data)
            size += len(data)
            if exchange.hold is not None:
                exchange.hold(len(data))
            if size > limit:
                raise UpstreamError("the upstream's answer is too large", phase="body", kind="too_large")
        elif exchange.failure is not None:
            raise exchange.failure
        elif exchange.ended:
            return b"".join(parts)
        elif not await exchange.wait(clock.deadline()):
            clock.check()


async def read_error(exchange: Exchange, clock: Clock) -> bytes:
    """The beginning of an error body: what could be had of it, at most ``MAX_ERROR`` bytes."""
    loop = asyncio.get_running_loop()
    body = b""
    until = min(clock.deadline(), loop.time() + 2 * LINGER)
    while len(body) < MAX_ERROR and not exchange.ended and exchange.failure is None:
        body += exchange.take()
        if not await exchange.wait(until):
            break
    body += exchange.take()
    if isinstance(exchange.failure, ClientGone):
        raise exchange.failure
    return body[:MAX_ERROR]


async def refuse_errors(exchange: Exchange, provider: Adapter, head: Head, clock: Clock) -> None:
    """Raise the error that a status other than 2xx stands for; or that of a body which we told it not to compress:
    nothing here decompresses, so there is no bomb to defuse."""
    if not 200 <= head.status < 300:
        raise provider.error(head.status, head.headers, await read_error(exchange, clock))
    coding = head.read.content_encoding
    if coding and coding != "identity":
        text = "the upstream compressed its answer although it was told not to"
        raise UpstreamError(text, phase="body", kind="encoding")


async def read_answer(exchange: Exchange, provider: Adapter, limits: Timeouts) -> tuple[Head, bytes]:
    """Head and body of an answer that is not streamed, from an entered exchange. Raises ``GatewayError``."""
    unset = max(WHOLE, limits.first_byte)
    if (
        exchange.head is None
        and exchange.failure is None
        and (connected := exchange.connected_at) is not None
    ):
        # Nearly always the whole answer comes at once, and there is nothing to say between its pieces.
        total = unset if limits.total is None else limits.total
        await exchange.wait(min(exchange.started_at + total, connected + limits.first_byte))
    head = exchange.head
    if (
        exchange.ended
        and head is not None
        and exchange.received <= MAX_WHOLE
        and head.status == 200
        and not head.read.content_encoding
    ):
        return head, _taken(exchange)
    clock = Clock(exchange, limits, unset)
    head = await await_head(exchange, clock)
    await refuse_errors(exchange, provider, head, clock)
    if head.kind.startswith("text/event-stream"):
        clock.progresses()
    clock.tick()
    return head, await read_whole(exchange, clock)


def _taken(exchange: Exchange) -> bytes:
    if exchange.hold is not None:
        exchange.hold(exchange.received)
    return exchange.take()


def is_event_stream(head: Head) -> bool:
    """Whether the body consists of events; a missing type counts as one, a JSON document or a web page does not."""
    kind = head.kind
    if kind == "application/json":  # as nearly every server writes it
        return False
    kind = kind.split(";")[0].strip().lower()
    return kind not in ("application/json", "text/html", "application/problem+json")
