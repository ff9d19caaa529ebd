"""Which trace a call belongs to, as its upstream is told.

Laws: a client's trace goes on in the upstream. Where nobody records traces here, a new one is told as sampled, since a server that
records traces by itself would not otherwise; a call that is recorded is told as a span of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from handlers.base.tracing import call_begins
from llm_proxy.relay.upstream import Exchange
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.trace_context import TraceContext, fields, new_fields

if TYPE_CHECKING:
    from handlers.base.answering import AnsweringHandler


def join(handler: AnsweringHandler, exchange: Exchange, deployment: Deployment) -> None:
    """``exchange``, a call of ``deployment`` that is about to be made, belongs to the request's trace."""
    context, trace = handler.context, handler.trace
    if handler.span is not None:
        state = context.state if context is not None else ""
        context = TraceContext(trace, call_begins(handler.span, exchange, deployment), True, state)
    elif context is None:
        # Nobody records the parent, so it needs no number of its own.
        if deployment.trace:
            exchange.context = new_fields(
                trace, trace[:16], handler.gateway.tracer is None, handler.request_id
            )
        return
    if deployment.trace:
        exchange.context = fields(context, handler.request_id)
