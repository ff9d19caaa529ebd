"""Which trace a call belongs to, as its upstream is told.

Laws: a client's trace goes on in the upstream; without one that of the request is told as sampled, since a server that
records traces by itself would not otherwise. A call that is recorded is told as a span of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_proxy.wire.trace_context import TraceContext, fields

if TYPE_CHECKING:
    from handlers.base.answering import AnsweringHandler


def trace_lines(handler: AnsweringHandler) -> bytes:
    """Lines for the head of a call that is about to be made."""
    context = handler.context
    if context is None:
        trace = handler.trace
        # Nobody records the parent, so it needs no number of its own.
        context = TraceContext(trace, trace[:16], True)
    return fields(context, handler.request_id)
