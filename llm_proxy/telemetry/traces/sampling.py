"""Which requests are recorded. Pure.

Source: opentelemetry.io/docs/specs/otel/trace/sdk, "Built-in samplers". The lower half of a trace's id decides, so that all
services of one trace come to the same verdict.
"""

from __future__ import annotations

from dataclasses import dataclass

from llm_proxy.wire.trace_context import TraceContext


@dataclass(frozen=True, slots=True)
class Sampler:
    """``ratio`` of the traces that begin here; with ``parent_based`` a client's own verdict counts before it."""

    ratio: float = 1.0
    parent_based: bool = True

    def takes(self, trace: str, context: TraceContext | None) -> bool:
        """Whether a request of that trace is recorded."""
        if context is not None and self.parent_based:
            return context.sampled
        return int(trace[16:], 16) < self.ratio * (1 << 64)


ALWAYS = Sampler()
